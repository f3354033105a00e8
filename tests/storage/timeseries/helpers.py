import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from thingplane.storage.timeseries import Kind, Point, TimeSeries

DAY = 86_400_000
NOW = 1_700_000_000_000
"""What FakeClock starts with."""
ALWAYS = (-(2**60), 2**60)


class Stores:
    """Opens stores over one and the same history and closes them."""

    def __init__(self, create: Callable[[], TimeSeries]) -> None:
        self._create = create
        self._open: list[TimeSeries] = []

    async def open(self) -> TimeSeries:
        store = self._create()
        await store.open()
        self._open.append(store)
        return store

    async def close(self) -> None:
        while self._open:
            await self._open.pop().close()

    async def reopen(self) -> TimeSeries:
        await self.close()
        return await self.open()


async def commit(store: TimeSeries) -> None:
    """Commit and return when durable; raises what went wrong."""
    future: asyncio.Future[BaseException | None] = asyncio.get_running_loop().create_future()
    store.commit(future.set_result)
    error = await future
    if error is not None:
        raise error


async def post(
    store: TimeSeries, points: object, *, device: int = 1, kind: Kind = Kind.PROPERTY, received: int = NOW
) -> None:
    """Append one message and commit it."""
    store.append(device, kind, received, msgspec.json.encode(points))
    await commit(store)


async def values(
    store: TimeSeries,
    identifiers: Sequence[str] | None = None,
    *,
    device: int = 1,
    kind: Kind = Kind.PROPERTY,
    span: tuple[int, int] = ALWAYS,
    limit: int = 1000,
    ascending: bool = True,
) -> list[Point]:
    """Query with what the test does not care about left out."""
    return await store.query(device, kind, identifiers, *span, limit, ascending=ascending)


def names(directory: Path, pattern: str = "*.sqlite3") -> list[str]:
    """Names of the files of a history folder."""
    return sorted(path.name for path in directory.glob(pattern))
