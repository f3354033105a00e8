"""Commands of ``thingplane device`` about X.509 certificates."""

import csv
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Final, TypeVar

from cyclopts import App, Parameter

from thingplane.bus import LocalBus
from thingplane.cli import CommandError
from thingplane.cli.database import with_database
from thingplane.cli.output import print_rows
from thingplane.cli.target import DataDir, data_directory
from thingplane.clock import SystemClock
from thingplane.cloud.errors import BusinessError
from thingplane.cloud.times import utc
from thingplane.devices.certificates import Authority, CertificateError
from thingplane.devices.service import Device, DeviceService
from thingplane.instances.service import InstanceDirectory
from thingplane.products.service import ProductService
from thingplane.storage.database import Database
from thingplane.storage.files import write_file

authorities = App(name="authority", help="Manage the certificate authorities that vouch for devices.")

MAX_BINDINGS: Final = 10_000
"""Certificates of one CSV file."""
_AUTHORITY_COLUMNS: Final = ["Fingerprint", "Devices", "UtcCreate"]
_COLUMNS: Final = ["Serial", "Authority", "UtcCreate"]

ProductKey = Annotated[str, Parameter(help="ProductKey")]
DeviceName = Annotated[str, Parameter(help="DeviceName")]
InstanceId = Annotated[str | None, Parameter(help="IotInstanceId [default: the default instance]")]
T = TypeVar("T")


class _Access:
    """What the commands need of the services."""

    def __init__(self, database: Database) -> None:
        self.clock = SystemClock()
        bus = LocalBus()
        self.products = ProductService(database, self.clock, bus)
        self.devices = DeviceService(database, self.clock, bus, self.products)
        self.instances = InstanceDirectory(database, self.clock)

    async def device(self, product_key: str, name: str) -> Device:
        product = await self.products.find(product_key)
        device = await self.devices.find(product_key, name)
        if product is None or device is None:
            raise CommandError(f"there is no device {name} of a product {product_key}")
        if product.auth_type != "x509":
            raise CommandError(
                f"devices of {product_key} authenticate with {product.auth_type}, not with certificates: "
                "create their product with AuthType=x509"
            )
        return device

    async def authority(self, fingerprint: str) -> Authority:
        await self.devices.certificates.refresh()
        found = [item for item in self.devices.certificates.authorities if item.fingerprint == fingerprint.lower()]
        if not found:
            raise CommandError(
                f"there is no certificate authority {fingerprint}: see `thingplane device authority list`"
            )
        return found[0]


def _run(data_dir: Path | None, action: Callable[[_Access], Awaitable[T]]) -> T:
    async def run(database: Database) -> T:
        return await action(_Access(database))

    try:
        return with_database(data_dir, run)
    except (CertificateError, BusinessError, ValueError) as error:
        raise CommandError(str(error)) from None


def certificate(
    product_key: ProductKey,
    device_name: DeviceName,
    *,
    days: Annotated[int, Parameter(help="that it is valid")] = 3650,
    out: Annotated[Path, Parameter(help="folder for the files")] = Path(),
    elliptic: Annotated[bool, Parameter(help="a P-256 key instead of an RSA key of 2048 bits")] = False,
    ca: Annotated[Path | None, Parameter(help="certificate of your own authority, PEM [default: the node's]")] = None,
    ca_key: Annotated[Path | None, Parameter(help="its private key, PEM")] = None,
    data_dir: DataDir = None,
) -> None:
    """Issue a certificate to a device: PRODUCTKEY.DEVICENAME.pem, and .key with its private key.

    The authority is made at first use, and registered if it is not yet. A running node notices within seconds.
    """
    # With its library, which other commands need not load.
    from thingplane.devices import x509  # noqa: PLC0415

    if (ca is None) != (ca_key is None):
        raise CommandError("--ca and --ca-key go together")
    if ca is None or ca_key is None:
        folder = data_directory(data_dir) / "tls"
        ca, ca_key = folder / "device-ca.pem", folder / "device-ca.key"
    if ca.parent.name == "tls" and ca.parent.is_dir() and not ca.exists():
        made = x509.make_authority("Thingplane device CA")
        write_file(ca_key, made.key, 0o600)
        write_file(ca, made.certificate.encode(), 0o644)
    try:
        pem, key = ca.read_text(), ca_key.read_bytes()
    except OSError as error:
        raise CommandError(f"{error.filename}: {error.strerror}") from None

    async def issue(access: _Access) -> str:
        device = await access.device(product_key, device_name)
        issued = x509.issue(pem, key, f"{product_key}.{device_name}", days, elliptic=elliptic)
        certificates = access.devices.certificates
        authority = await certificates.add_authority(device.instance_id, pem)
        out.mkdir(parents=True, exist_ok=True)
        stem = f"{product_key}.{device_name.replace(':', '_')}"
        write_file(out / f"{stem}.key", issued.key, 0o600)
        write_file(out / f"{stem}.pem", issued.certificate.encode(), 0o644)
        await certificates.bind(authority, [(issued.serial, device)])
        return issued.serial

    serial = _run(data_dir, issue)
    print_rows([{"Serial": serial, "Folder": str(out.absolute())}], ["Serial", "Folder"])


def show(product_key: ProductKey, device_name: DeviceName, *, data_dir: DataDir = None) -> None:
    """List the certificates of a device."""

    async def read(access: _Access) -> list[dict[str, object]]:
        found = await access.devices.certificates.list(await access.device(product_key, device_name))
        return [
            {"Serial": item.serial, "Authority": item.authority, "UtcCreate": utc(item.created_at)} for item in found
        ]

    print_rows(_run(data_dir, read), _COLUMNS)


def bind(
    file: Annotated[Path, Parameter(help="CSV with ProductKey, DeviceName and Serial (hexadecimal)")],
    *,
    authority: Annotated[str, Parameter(help="fingerprint of the authority that has issued them")],
    data_dir: DataDir = None,
) -> None:
    """Say whose the certificates are that your own authority has issued: all of a file, or none."""
    rows = _read(file)

    async def act(access: _Access) -> None:
        issuer = await access.authority(authority)
        bindings = [(serial, await access.device(product_key, name)) for product_key, name, serial in rows]
        await access.devices.certificates.bind(issuer, bindings)

    _run(data_dir, act)
    print_rows([{"Bound": len(rows)}], ["Bound"])


def revoke(
    product_key: ProductKey,
    device_name: DeviceName,
    serial: Annotated[str | None, Parameter(help="of one certificate [default: all of the device]")] = None,
    *,
    data_dir: DataDir = None,
) -> None:
    """Let certificates of a device count no more. A running node closes its connection within seconds."""

    async def act(access: _Access) -> int:
        return await access.devices.certificates.revoke(await access.device(product_key, device_name), serial)

    print_rows([{"Revoked": _run(data_dir, act)}], ["Revoked"])


@authorities.command(name="add")
def add_authority(
    file: Annotated[Path, Parameter(help="certificate of the authority, PEM")],
    *,
    instance: InstanceId = None,
    data_dir: DataDir = None,
) -> None:
    """Trust an authority: devices of the instance may connect with certificates that it has issued and you bind."""
    try:
        pem = file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{file}: {error}") from None

    async def act(access: _Access) -> str:
        await access.instances.load()
        added = await access.devices.certificates.add_authority(access.instances.resolve(instance).id, pem)
        return added.fingerprint

    print_rows([{"Fingerprint": _run(data_dir, act)}], ["Fingerprint"])


@authorities.command(name="list")
def list_authorities(*, data_dir: DataDir = None) -> None:
    """List the authorities of devices."""

    async def read(access: _Access) -> list[dict[str, object]]:
        certificates = access.devices.certificates
        await certificates.refresh()
        return [
            {
                "Fingerprint": item.fingerprint,
                "Devices": await certificates.count(item),
                "UtcCreate": utc(item.created_at),
            }
            for item in certificates.authorities
        ]

    print_rows(_run(data_dir, read), _AUTHORITY_COLUMNS)


@authorities.command(name="delete")
def delete_authority(
    fingerprint: Annotated[str, Parameter(help="SHA-256 of its certificate")], *, data_dir: DataDir = None
) -> None:
    """Trust an authority no more; the devices that it vouches for are disconnected within seconds."""
    _run(data_dir, lambda access: access.devices.certificates.remove_authority(fingerprint))


def _read(file: Path) -> list[tuple[str, str, str]]:
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            rows = csv.DictReader(stream)
            absent = {"ProductKey", "DeviceName", "Serial"} - set(rows.fieldnames or ())
            if absent:
                raise CommandError(f"{file} has no column {min(absent)}; its first line must name the columns")
            found = [
                tuple((row[name] or "").strip() for name in ("ProductKey", "DeviceName", "Serial")) for row in rows
            ]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise CommandError(f"{file}: {error}") from None
    if not 1 <= len(found) <= MAX_BINDINGS:
        raise CommandError(f"{file} must list 1 to {MAX_BINDINGS} certificates")
    return [(product_key, name, serial) for product_key, name, serial in found]
