"""Tags as devices report, remove and read them themselves (device-protocol reference, 8.1)."""

from collections.abc import Mapping
from typing import Final

import msgspec

from thingplane.alink import Code, Uplink
from thingplane.cloud import BusinessError
from thingplane.devices import errors
from thingplane.devices.record import Device
from thingplane.devices.service import DeviceService
from thingplane.devices.tags import check_key, check_value, is_key

MAX_ENTRIES: Final = 200
"""Entries of one message."""
SYSTEM: Final = "SYSTEM"
"""Domain of what SDKs tell of themselves."""

_UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class _Entry(msgspec.Struct):
    attrKey: str
    attrValue: str | int | float | bool = ""
    domain: str | None = None


class _Key(msgspec.Struct):
    attrKey: str


_read_entries = msgspec.json.Decoder(list[_Entry]).decode
_read_keys = msgspec.json.Decoder(list[_Key]).decode
_read_wanted = msgspec.json.Decoder(list[str | _Key]).decode


class TagRequests:
    """Handlers of ``thing/deviceinfo/update``, ``delete`` and ``get``."""

    def __init__(self, devices: DeviceService) -> None:
        """Take the service."""
        self._devices = devices

    async def update(self, uplink: Uplink) -> None:
        """Add and change tags, all or none of a message; what an SDK tells of itself is kept apart from them."""
        try:
            entries = _read_entries(uplink.params)
        except _UNREADABLE:
            uplink.reply(Code.PARAMETER_ERROR)
            return
        if not 1 <= len(entries) <= MAX_ENTRIES:
            uplink.reply(Code.PARAMETER_ERROR, message=f"1 to {MAX_ENTRIES} entries")
            return
        own: dict[str, str] = {}
        of_sdk: dict[str, str] = {}
        try:
            for entry in entries:
                check_key(entry.attrKey)
                value = entry.attrValue
                text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
                check_value(text)
                (of_sdk if entry.domain == SYSTEM else own)[entry.attrKey] = text
            device = await self._device(uplink)
            if of_sdk:
                await self._devices.sdk_information.save(device, of_sdk)
            if own:
                await self._devices.tags.save(device, own)
        except BusinessError as error:
            _refuse(uplink, error)
            return
        uplink.reply()

    async def delete(self, uplink: Uplink) -> None:
        """Remove tags; keys that the device has not are ignored."""
        try:
            keys = [entry.attrKey for entry in _read_keys(uplink.params)]
        except _UNREADABLE:
            uplink.reply(Code.PARAMETER_ERROR)
            return
        if not 1 <= len(keys) <= MAX_ENTRIES:
            uplink.reply(Code.PARAMETER_ERROR, message=f"1 to {MAX_ENTRIES} entries")
            return
        try:
            device = await self._device(uplink)
        except BusinessError as error:
            _refuse(uplink, error)
            return
        # A key that no tag can have is one that the device has not; a database might refuse to look for it.
        await self._devices.tags.delete(device, filter(is_key, keys))
        uplink.reply()

    async def get(self, uplink: Uplink) -> None:
        """Tell the tags that the device names, all of them when it names none."""
        try:
            wanted = [] if uplink.params == b"{}" else _read_wanted(uplink.params)
        except _UNREADABLE:
            uplink.reply(Code.PARAMETER_ERROR)
            return
        if len(wanted) > MAX_ENTRIES:
            uplink.reply(Code.PARAMETER_ERROR, message=f"at most {MAX_ENTRIES} keys")
            return
        keys = {key if isinstance(key, str) else key.attrKey for key in wanted}
        tags: Mapping[str, str] = (await self._devices.tags.of([uplink.device.id])).get(uplink.device.id, {})
        found = [{"attrKey": key, "attrValue": value} for key, value in tags.items() if not keys or key in keys]
        uplink.reply(data=msgspec.json.encode(found))

    async def _device(self, uplink: Uplink) -> Device:
        device = await self._devices.by_id(uplink.device.id)
        if device is None:
            raise errors.NOT_EXISTED_DEVICE()
        return device


def _refuse(uplink: Uplink, error: BusinessError) -> None:
    gone = error.code == errors.NOT_EXISTED_DEVICE.code
    uplink.reply(Code.DEVICE_NOT_FOUND if gone else Code.PARAMETER_ERROR, message=error.message)
