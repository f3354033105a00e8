"""A package, and what devices are told of it (device-protocol, 7.1)."""

from collections.abc import Callable, Mapping
from enum import IntEnum
from typing import Any, Final

import msgspec

from thingplane.ota.errors import INVALID_FIRMWARE_SIGN_METHOD

DEFAULT_MODULE: Final = "default"
"""The built-in module: the whole firmware of a device; also what is meant when nobody names one."""
URL_LIFETIME_S: Final = 24 * 3600
MQTT_LIMIT: Final = 16 * 1024 * 1024
"""Bytes of a file that is downloaded by MQTT (device-protocol, 7.2)."""

# Devices get what their SDKs accept: for C "Md5" and "SHA256", for Python the same.
_DEVICE_METHODS: Final = {"MD5": "Md5", "SHA256": "SHA256"}


class Verification(IntEnum):
    """Status of a package (guide: QueryOTAFirmware)."""

    NOT_NEEDED = -1
    UNVERIFIED = 0
    VERIFIED = 1
    VERIFYING = 2
    FAILED = 3


USABLE: Final = (Verification.NOT_NEEDED, Verification.VERIFIED)
"""Packages in these states may be used in batches."""


class PackageFile(msgspec.Struct, frozen=True, kw_only=True):
    """One file of a package."""

    number: int
    """From 1; also its streamFileId."""
    name: str
    size: int
    """Bytes."""
    blob: str
    md5: str
    sha256: str

    def sign(self, method: str) -> str:
        """Return the digest in lower-case hexadecimal."""
        return self.md5 if method == "MD5" else self.sha256


class Package(msgspec.Struct, frozen=True, kw_only=True):
    """One package with its files."""

    id: int
    firmware_id: str
    instance_id: int
    product_id: int | None
    """None: for every product of the instance."""
    name: str
    version: str
    """The version that a device has after the update."""
    src_version: str | None
    module: str
    kind: int
    """0: full, 1: differences."""
    sign_method: str
    """MD5 or SHA256."""
    description: str | None
    udi: str | None
    """Text that is pushed to devices."""
    status: int
    multi: bool
    created_at: int
    modified_at: int
    files: tuple[PackageFile, ...] = ()

    @property
    def is_difference(self) -> bool:
        """Whether it holds only what differs from ``src_version``."""
        return self.kind == 1

    def suits_mqtt(self) -> bool:
        """Tell whether it can be downloaded by MQTT."""
        return len(self.files) == 1 and self.files[0].size <= MQTT_LIMIT


def sign_method(given: str) -> str:
    """Return the name of a digest in the spelling that answers have.

    Raises:
        BusinessError: iot.firmware.InvalidFirmwareSignMethod.
    """
    name = given.upper().replace("-", "")
    if name not in _DEVICE_METHODS:
        raise INVALID_FIRMWARE_SIGN_METHOD()
    return name


def described(
    package: Package, *, stream_id: int | None, url: Callable[[PackageFile], str], tags: Mapping[str, str]
) -> dict[str, Any]:
    """Return the package object of pushes and answers.

    The order of the members matters to the SDK for C, which searches the text: ``extData`` comes last.

    Args:
        package: what to describe.
        stream_id: for downloads by MQTT; None for HTTPS.
        url: makes the address of a file; called for HTTPS only.
        tags: of the batch.
    """
    method = package.sign_method
    described: dict[str, Any]
    if len(package.files) == 1:
        (file,) = package.files
        described = {"size": file.size, "sign": file.sign(method), "version": package.version}
        described["signMethod"] = _DEVICE_METHODS[method]
        if stream_id is None:
            described["url"] = url(file)
        # Whatever the method: the SDK 3.x for C wants it.
        described["md5"] = file.md5
        if stream_id is not None:
            described |= {"streamId": stream_id, "dProtocol": "mqtt", "streamFileId": file.number}
    else:
        described = {"version": package.version, "signMethod": _DEVICE_METHODS[method]}
        described["files"] = [
            {
                "fileSize": file.size,
                "fileName": file.name,
                "fileUrl": url(file),
                "fileMd5": file.md5,
                "fileSign": file.sign(method),
            }
            for file in package.files
        ]
    if package.is_difference:
        described["isDiff"] = 1
    if package.module != DEFAULT_MODULE:
        described["module"] = package.module
    extra = dict(tags)
    if package.udi is not None:
        extra["_package_udi"] = package.udi
    if extra:
        described["extData"] = extra
    return described
