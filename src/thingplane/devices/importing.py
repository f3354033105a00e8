"""Taking over devices with the identities that are burnt into their firmware."""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from thingplane.clock import Clock
from thingplane.devices.registration import new_device
from thingplane.devices.tables import device_announcements, devices
from thingplane.products.service import Product
from thingplane.storage.database import Database

_CHUNK: Final = 500
_NAME: Final = re.compile(r"[A-Za-z0-9_@.:\-]{4,32}")
_SECRET: Final = re.compile(r"[!-~]{1,64}")


class ImportRefusedError(Exception):
    """An identity that can't be taken over; the text is one line that names it. Nothing was changed."""


class KnownDevice(NamedTuple):
    """A device as another platform knows it."""

    name: str
    secret: str
    nickname: str | None = None

    def __repr__(self) -> str:
        return f"KnownDevice({self.name!r})"


class Imported(NamedTuple):
    """What an import has done."""

    added: int
    present: int
    """Devices that were there with the same secret already, from an earlier run."""


async def import_devices(
    database: Database,
    clock: Clock,
    product: Product,
    known: Sequence[KnownDevice],
    progress: Callable[[int], None] = lambda _done: None,
) -> Imported:
    """Register devices of a product under their own names and secrets, all or none.

    Args:
        database: where devices are kept.
        clock: tells when they were registered.
        product: whose devices they are.
        known: names may come once only.
        progress: called with the number of devices done.

    Raises:
        ImportRefusedError: a name or secret is malformed or given twice, or the device exists with another secret.
    """
    seen: set[str] = set()
    for device in known:
        if not _NAME.fullmatch(device.name):
            raise ImportRefusedError(f"{device.name!r} is no DeviceName: 4 to 32 letters, digits, and -_@.:")
        if not _SECRET.fullmatch(device.secret):
            raise ImportRefusedError(f"the DeviceSecret of {device.name} must have 1 to 64 visible ASCII characters")
        if device.name in seen:
            raise ImportRefusedError(f"{device.name} is listed twice")
        seen.add(device.name)
    added = done = 0
    async with database.write() as connection:
        for chunk in _chunks(known):
            missing = await _missing(connection, product, chunk)
            if missing:
                now = clock.now_ms()
                rows = [
                    {**new_device(product, device.name, device.nickname, now), "secret": device.secret}
                    for device in missing
                ]
                made = await connection.scalars(insert(devices).returning(devices.c.id), rows)
                # A node that runs, or the next one, tells subscribers.
                await connection.execute(insert(device_announcements), [{"device_id": key} for key in made])
            added += len(missing)
            done += len(chunk)
            progress(done)
    return Imported(added, done - added)


async def _missing(connection: AsyncConnection, product: Product, chunk: Sequence[KnownDevice]) -> list[KnownDevice]:
    # By what the unique index of devices begins with.
    query = select(devices.c.name, devices.c.secret).where(
        devices.c.product_key == product.product_key, devices.c.name.in_([device.name for device in chunk])
    )
    secrets = {row.name: row.secret for row in await connection.execute(query)}
    for device in chunk:
        if secrets.get(device.name, device.secret) != device.secret:
            raise ImportRefusedError(f"{device.name} exists already, with another DeviceSecret")
    return [device for device in chunk if device.name not in secrets]


def _chunks(known: Sequence[KnownDevice]) -> Iterator[Sequence[KnownDevice]]:
    for start in range(0, len(known), _CHUNK):
        yield known[start : start + _CHUNK]
