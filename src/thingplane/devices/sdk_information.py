"""What SDKs tell of themselves in the form of tags: kept apart, since it does not count as the device's own."""

from collections.abc import Mapping
from typing import Final

from sqlalchemy import delete, insert, select

from thingplane.devices import errors
from thingplane.devices.record import Device
from thingplane.devices.tables import device_sdk_information, devices
from thingplane.storage.database import Database

MAX_ENTRIES: Final = 20
"""Entries of a device; SDKs send two or three."""


class SdkInformation:
    """Name and version of the SDK of every device that tells them. They go with the device."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of(self, device_id: int) -> dict[str, str]:
        """Return what a device's SDK has told, ordered by key."""
        table = device_sdk_information
        query = select(table.c.key, table.c.value).where(table.c.device_id == device_id).order_by(table.c.key)
        async with self._database.read() as connection:
            return {key: value for key, value in await connection.execute(query)}  # noqa: C416 - rows are no pairs

    async def save(self, device: Device, entries: Mapping[str, str]) -> None:
        """Add entries, and give those that are there already these values.

        Raises:
            BusinessError: iot.device.NotExistedDevice; iot.device.SaveOrUpdateDevicePropertiesFailed when there would
                be too many.
        """
        table = device_sdk_information
        mine = table.c.device_id == device.id
        async with self._database.write() as connection:
            lock = select(devices.c.id).where(devices.c.id == device.id).with_for_update(key_share=True)
            if (await connection.execute(lock)).first() is None:
                raise errors.NOT_EXISTED_DEVICE()
            known = set((await connection.execute(select(table.c.key).where(mine))).scalars())
            if len(known | entries.keys()) > MAX_ENTRIES:
                raise errors.SAVE_OR_UPDATE_DEVICE_PROPERTIES_FAILED(f"An SDK has at most {MAX_ENTRIES} entries.")
            await connection.execute(delete(table).where(mine, table.c.key.in_(entries)))
            rows = [{"device_id": device.id, "key": key, "value": value} for key, value in entries.items()]
            await connection.execute(insert(table), rows)
