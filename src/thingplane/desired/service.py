"""Desired values of properties (guide 4.11.9 and 4.11.10; device-protocol reference, 5.10)."""

from collections.abc import Collection, Mapping
from typing import Any, Final

import msgspec
import structlog
from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from thingplane import ids
from thingplane.bus import Downlink
from thingplane.clock import Clock
from thingplane.cloud import BusinessError
from thingplane.desired.tables import desired_properties
from thingplane.devices.errors import NOT_EXISTED_DEVICE
from thingplane.devices.service import Device, devices
from thingplane.messaging.errors import NONE_DEVICE_PROPERTIES, SET_DEVICE_PROPERTY_FAILED, TOO_MANY_DEVICE_PROPERTIES
from thingplane.messaging.service import MessagingService
from thingplane.storage.database import Database
from thingplane.storage.keyed_lock import KeyedLocks
from thingplane.things.model.types import AccessMode
from thingplane.things.service import CompiledModel, ThingModelService

MAX_PROPERTIES: Final = 10
"""Properties of one call (guide 4.11.9)."""

_log = structlog.get_logger(__name__)

_columns = desired_properties.c


class DesiredProperty(msgspec.Struct, frozen=True):
    """What is desired of one property."""

    identifier: str
    version: int
    value: str | None
    """JSON text; None when nothing is desired any more."""
    updated_at: int
    """Epoch milliseconds."""


class DesiredPropertyService:
    """Desired values of all devices. What a method has changed is durable when it returns.

    Values stay until an application or the device clears them, also when the device reports the very value.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        models: ThingModelService,
        messaging: MessagingService,
        downlink: Downlink,
    ) -> None:
        """Wire the service.

        Args:
            database: where desired values are kept.
            clock: tells when they change.
            models: what may be desired.
            messaging: sets properties of devices that are online.
            downlink: tells whether they are.
        """
        self._database = database
        self._clock = clock
        self._models = models
        self._messaging = messaging
        self._downlink = downlink
        # Devices are told of values in the order of their versions.
        self._locks = KeyedLocks()

    async def set(
        self, device: Device, values: Mapping[str, Any], versions: Mapping[str, int]
    ) -> tuple[str, dict[str, int]]:
        """Desire values of a device, all or none, and ask it to set them if it is online.

        Args:
            device: whose properties.
            values: by identifier; None clears what is desired.
            versions: by identifier, the version that must be the present one: 0 for a property that was never set.
                Identifiers that are left out are not checked.

        Returns:
            The MessageId of what was sent, or would have been; and the new versions by identifier.

        Raises:
            BusinessError: iot.prod.NotSeniorProduct, iot.prod.NotExistedProduct, iot.device.NotExistedDevice,
                iot.device.NoneDeviceProperties, iot.device.TooManyDevicePropertiesPerTime,
                iot.device.SetDevicePropertyFailed. Nothing has changed.
        """
        product = await self._models.product(device.instance_id, device.product_key)
        model = await self._models.published(product.id)
        _check(model, values, versions)
        async with self._locks.of(device.id):
            now = self._clock.now_ms()
            async with self._database.write() as connection:
                await _lock(connection, device.id)
                present = await _read(connection, device.id, values)
                changed = [
                    _next(identifier, value, present.get(identifier), versions.get(identifier), now)
                    for identifier, value in values.items()
                ]
                for desired in changed:
                    await _write(connection, device.id, desired, new=desired.identifier not in present)
            wanted = {identifier: value for identifier, value in values.items() if value is not None}
            message_id = await self._send(device, wanted)
        return message_id, {desired.identifier: desired.version for desired in changed}

    async def read(self, device_id: int, identifiers: Collection[str] | None = None) -> dict[str, DesiredProperty]:
        """Return what is desired, or was once, by identifier.

        Args:
            device_id: whose properties.
            identifiers: which; None: all.
        """
        async with self._database.read() as connection:
            return await _read(connection, device_id, identifiers)

    async def clear(self, device_id: int, versions: Mapping[str, int | None]) -> None:
        """Clear what is desired, for the device.

        Args:
            device_id: whose properties.
            versions: by identifier, the version that the device knows: a property with another one is left alone.
                None clears whatever the version is.
        """
        if not versions:
            return
        async with self._database.write() as connection:
            await _lock(connection, device_id)
            for identifier, desired in (await _read(connection, device_id, versions)).items():
                if desired.value is not None and versions[identifier] in {None, desired.version}:
                    cleared = msgspec.structs.replace(desired, value=None, updated_at=self._clock.now_ms())
                    await _write(connection, device_id, cleared, new=False)

    async def _send(self, device: Device, values: dict[str, Any]) -> str:
        if values and self._downlink.online(device.id):
            try:
                return await self._messaging.set_properties(device, msgspec.json.encode(values).decode(), 0)
            except BusinessError as error:
                # What is desired stands: the device asks for it when it can be reached again.
                _log.info("a device was not told what is desired", device=device.name, code=error.code)
        return str(ids.message_id())


def is_writable(model: CompiledModel, identifier: str) -> bool:
    """Tell whether a property may be desired."""
    definition = model.definitions.get(identifier)
    return definition is not None and definition.access is not AccessMode.READ


def _check(model: CompiledModel, values: Mapping[str, Any], versions: Mapping[str, int]) -> None:
    if not values:
        raise NONE_DEVICE_PROPERTIES()
    if len(values) > MAX_PROPERTIES:
        raise TOO_MANY_DEVICE_PROPERTIES(f"At most {MAX_PROPERTIES} desired values can be set at once.")
    if not any(identifier in model.definitions for identifier in values):
        raise NONE_DEVICE_PROPERTIES()
    for identifier in values:
        if not is_writable(model, identifier):
            raise SET_DEVICE_PROPERTY_FAILED(f"{identifier} is not a property that can be written.")
    failure = model.check_desired({name: value for name, value in values.items() if value is not None})
    if failure is not None:
        raise SET_DEVICE_PROPERTY_FAILED(f"{failure.message} ({failure.code})")
    for identifier in versions:
        if identifier not in values:
            raise SET_DEVICE_PROPERTY_FAILED(f"Versions names {identifier}, which is not among Items.")


def _next(
    identifier: str, value: Any, present: DesiredProperty | None, expected: int | None, now: int
) -> DesiredProperty:
    version = 0 if present is None else present.version
    if expected not in {None, version}:
        raise SET_DEVICE_PROPERTY_FAILED(f"The present version of {identifier} is {version}, not {expected}.")
    text = None if value is None else msgspec.json.encode(value).decode()
    return DesiredProperty(identifier, version + 1, text, now)


async def _lock(connection: AsyncConnection, device_id: int) -> None:
    """Let those who change desired values of one device do so one after the other.

    Raises:
        BusinessError: iot.device.NotExistedDevice.
    """
    query = select(devices.c.id).where(devices.c.id == device_id).with_for_update(key_share=True)
    if (await connection.execute(query)).first() is None:
        raise NOT_EXISTED_DEVICE()


async def _read(
    connection: AsyncConnection, device_id: int, identifiers: Collection[str] | None
) -> dict[str, DesiredProperty]:
    query = select(*(_columns[name] for name in DesiredProperty.__struct_fields__)).where(
        _columns.device_id == device_id
    )
    if identifiers is not None:
        # PostgreSQL has no NUL in text: a device that sends one names nothing.
        query = query.where(_columns.identifier.in_([name for name in identifiers if "\0" not in name]))
    return {row.identifier: DesiredProperty(*row) for row in await connection.execute(query)}


async def _write(connection: AsyncConnection, device_id: int, desired: DesiredProperty, *, new: bool) -> None:
    values = msgspec.structs.asdict(desired)
    if new:
        await connection.execute(insert(desired_properties).values(device_id=device_id, **values))
        return
    present = (_columns.device_id == device_id) & (_columns.identifier == desired.identifier)
    await connection.execute(update(desired_properties).where(present).values(values))
