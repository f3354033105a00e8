"""A forwarder on disk, for tests of those who forward and of those who are subscribers."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

from thingplane.clock import Clock
from thingplane.forwarding.embedded import EmbeddedLog
from thingplane.forwarding.limits import Limits
from thingplane.forwarding.log import ForwardingLog
from thingplane.forwarding.message import Kind, Source
from thingplane.forwarding.postgres import PostgresLog
from thingplane.forwarding.service import Forwarder
from thingplane.storage.database import Database
from thingplane.storage.timeseries import GroupCommit, TimeSeries
from thingplane.storage.timeseries.embedded import EmbeddedTimeSeries
from thingplane.storage.timeseries.postgres import PostgresTimeSeries

SOURCE = Source(
    instance_id=1,
    product_id=2,
    product_key="a1pk",
    device_id=3,
    device_name="dev1",
    iot_id="iot3000000",
    category="CustomCategory",
)


class AllTo:
    """A router that sends all messages to the same subscribers; set ``members``, then call ``routes_changed``."""

    def __init__(self, members: Iterable[int] = ()) -> None:
        self.members = list(members)

    def subscribers(self, kind: Kind, product_id: int, topic: str) -> Iterable[int]:  # noqa: ARG002 - as the protocol
        return self.members


def open_log(
    folder: Path, clock: Clock, database: Database, limits: Limits | None = None
) -> tuple[TimeSeries, ForwardingLog]:
    """Return a history that goes with a metadata database, to be opened, and the log that shares its commits."""
    if database.is_sqlite:
        log = EmbeddedLog(clock, limits)
        return EmbeddedTimeSeries(folder, clock, companion=log), log
    rows = PostgresLog(database.url, clock, limits)
    return PostgresTimeSeries(database.url, clock, rows), rows


@asynccontextmanager
async def forwarding(
    folder: Path, clock: Clock, database: Database, limits: Limits | None = None
) -> AsyncIterator[Forwarder]:
    """Give a started forwarder over the log that goes with the database; both can be opened again."""
    series, log = open_log(folder / "history", clock, database, limits)
    await series.open()
    forwarder = Forwarder(log, GroupCommit(series), clock, database)
    await forwarder.start()
    try:
        yield forwarder
    finally:
        await forwarder.close()
        await series.close()
        await log.close()
