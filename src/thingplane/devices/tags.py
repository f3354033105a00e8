"""Tags of devices: keys with values, unique by key within a device."""

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import Select, delete, exists, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from thingplane.bus import Bus
from thingplane.clock import Clock
from thingplane.devices import errors
from thingplane.devices.events import DeviceTagsChanged
from thingplane.devices.record import Device
from thingplane.devices.tables import device_tags, devices
from thingplane.storage.database import Database

MAX_TAGS: Final = 100
"""Tags of a device, and of one call (guide 4.8.23)."""
MAX_TEXT_BYTES: Final = 5 * 1024
"""Bytes of the tags of one call (guide 4.8.23)."""


# Devices with a tag that are counted: where two tags have more, it hardly matters which of them comes first.
_FREQUENT: Final = 20_000

OnChange = Callable[[Device, Mapping[str, str | None], int], Awaitable[None]]

_KEY = re.compile(r"[A-Za-z0-9_\-.#@%&*]{1,64}")
_decoder = msgspec.json.Decoder(dict[str, str | int | float | bool])


def is_key(key: str) -> bool:
    """Tell whether a tag may have this key."""
    return _KEY.fullmatch(key) is not None


def check_key(key: str) -> None:
    """Check the key of a tag.

    Raises:
        BusinessError: iot.device.NullDevicePropertyKey, iot.device.InvalidFormattedDevicePropertyKey.
    """
    if not key:
        raise errors.NULL_DEVICE_PROPERTY_KEY()
    if not is_key(key):
        raise errors.INVALID_FORMATTED_DEVICE_PROPERTY_KEY()


def check_value(value: str) -> None:
    """Check the value of a tag.

    Raises:
        BusinessError: iot.device.InvalidFormattedDevicePropertiesString.
    """
    if not 1 <= len(value) <= 128 or not value.isprintable():
        raise errors.INVALID_FORMATTED_DEVICE_PROPERTIES_STRING()


def read_tags(text: str) -> dict[str, str]:
    """Return the tags of a JSON object. Numbers, true and false are taken as their JSON text.

    Raises:
        BusinessError: iot.device.NullDevicePropertiesString, iot.device.LongDevicePropertiesString,
            iot.device.InvalidFormattedDevicePropertiesString, iot.device.NoneDeviceProperties, and as ``check_key``.
    """
    if not text:
        raise errors.NULL_DEVICE_PROPERTIES_STRING()
    if len(text.encode()) > MAX_TEXT_BYTES:
        raise errors.LONG_DEVICE_PROPERTIES_STRING()
    try:
        found = _decoder.decode(text)
    except (msgspec.DecodeError, RecursionError):
        raise errors.INVALID_FORMATTED_DEVICE_PROPERTIES_STRING() from None
    if not found:
        raise errors.NONE_DEVICE_PROPERTIES()
    tags = {
        key: value if isinstance(value, str) else msgspec.json.encode(value).decode() for key, value in found.items()
    }
    for key, value in tags.items():
        check_key(key)
        check_value(value)
    return tags


def _with(instance_id: int, tag: tuple[str, str]) -> Select[Any]:
    key, value = tag
    has_it = (device_tags.c.instance_id == instance_id, device_tags.c.key == key, device_tags.c.value == value)
    return select(device_tags.c.device_id).where(*has_it)


class DeviceTags:
    """The tags of all devices. They go with the device."""

    def __init__(self, database: Database, clock: Clock, bus: Bus, max_tags: int) -> None:
        self._database = database
        self._clock = clock
        self._bus = bus
        self._max_tags = max_tags
        self.on_change: list[OnChange] = []
        """Called with a device, the tags that have changed (None: removed) and when; the change is acknowledged
        afterwards."""

    async def of(self, device_ids: Sequence[int]) -> dict[int, dict[str, str]]:
        """Return the tags of devices by the devices' keys, each ordered by key; devices without tags are absent."""
        query = select(device_tags.c.device_id, device_tags.c.key, device_tags.c.value)
        query = query.where(device_tags.c.device_id.in_(device_ids)).order_by(device_tags.c.key)
        found: dict[int, dict[str, str]] = {}
        async with self._database.read() as connection:
            for device_id, key, value in await connection.execute(query):
                found.setdefault(device_id, {})[key] = value
        return found

    def matching(self, instance_id: int, tags: Sequence[tuple[str, str]]) -> Select[Any]:
        """Return a query for the keys of an instance's devices that have all of these tags, for use inside others.

        Devices with the first tag are looked through for the others: the rarest should be the first.
        """
        first, *others = dict.fromkeys(tags)
        query = _with(instance_id, first)
        for key, value in others:
            tag = device_tags.alias()
            same = (tag.c.device_id == device_tags.c.device_id, tag.c.instance_id == device_tags.c.instance_id)
            wanted = (tag.c.key == key, tag.c.value == value)
            query = query.where(exists(select(tag.c.device_id).where(*same, *wanted)))
        return query

    async def rarest_first(
        self, connection: AsyncConnection, instance_id: int, tags: Sequence[tuple[str, str]]
    ) -> list[tuple[str, str]]:
        """Return tags so that those that fewer devices of an instance have come first."""
        if len(tags) < 2:
            return list(tags)
        counts: dict[tuple[str, str], int] = {}
        for tag in tags:
            some = _with(instance_id, tag).limit(_FREQUENT).subquery()
            counts[tag] = (await connection.execute(select(func.count()).select_from(some))).scalar_one()
            if not counts[tag]:
                break
        return sorted(tags, key=lambda tag: counts.get(tag, _FREQUENT))

    async def save(self, device: Device, tags: Mapping[str, str]) -> None:
        """Add tags, and give those that the device has already these values; all or none.

        Raises:
            BusinessError: iot.device.TooManyDevicePropertiesPerTime, iot.device.NotExistedDevice;
                iot.device.SaveOrUpdateDevicePropertiesFailed when the device would have too many.
        """
        if len(tags) > self._max_tags:
            raise errors.TOO_MANY_DEVICE_PROPERTIES_PER_TIME(f"One call takes at most {self._max_tags} tags.")
        mine = device_tags.c.device_id == device.id
        async with self._database.write() as connection:
            # Calls for one device queue up here; without that, several at once could pass the limit.
            lock = select(devices.c.id).where(devices.c.id == device.id).with_for_update(key_share=True)
            if (await connection.execute(lock)).first() is None:
                raise errors.NOT_EXISTED_DEVICE()
            known = set((await connection.execute(select(device_tags.c.key).where(mine))).scalars())
            new = {key: value for key, value in tags.items() if key not in known}
            if len(known) + len(new) > self._max_tags:
                raise errors.SAVE_OR_UPDATE_DEVICE_PROPERTIES_FAILED(f"A device has at most {self._max_tags} tags.")
            for key in tags.keys() & known:
                await connection.execute(
                    update(device_tags).where(mine, device_tags.c.key == key).values(value=tags[key])
                )
            if new:
                own = {"device_id": device.id, "instance_id": device.instance_id}
                rows = [{**own, "key": key, "value": value} for key, value in new.items()]
                await connection.execute(insert(device_tags), rows)
        await self._changed(device, dict(tags))

    async def delete(self, device: Device, keys: Iterable[str]) -> None:
        """Remove the tags with these keys; keys that the device has not are no failure."""
        mine = (device_tags.c.device_id == device.id, device_tags.c.key.in_(list(keys)))
        async with self._database.write() as connection:
            removed = (
                await connection.execute(delete(device_tags).where(*mine).returning(device_tags.c.key))
            ).scalars()
            gone: dict[str, str | None] = dict.fromkeys(removed)
        if gone:
            await self._changed(device, gone)

    async def _changed(self, device: Device, tags: dict[str, str | None]) -> None:
        at = self._clock.now_ms()
        self._bus.publish(DeviceTagsChanged(device.id, tags, at))
        for report in self.on_change:
            await report(device, tags, at)
