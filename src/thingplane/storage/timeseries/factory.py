"""Choosing the store by the settings."""

from pathlib import Path

from thingplane.clock import Clock
from thingplane.storage.timeseries.embedded import EmbeddedTimeSeries
from thingplane.storage.timeseries.interface import TimeSeries
from thingplane.storage.timeseries.postgres import PostgresTimeSeries


def time_series(data_dir: Path, database_url: str | None, clock: Clock) -> TimeSeries:
    """Return the store for a node, not yet open.

    Args:
        data_dir: The node's data directory; the embedded store keeps its files in ``history`` below it.
        database_url: ``postgresql://…`` for PostgreSQL; anything else means the embedded store.
        clock: The clock of the node.
    """
    if database_url is not None and database_url.startswith(("postgresql://", "postgres://")):
        return PostgresTimeSeries(database_url, clock)
    return EmbeddedTimeSeries(data_dir / "history", clock)
