"""Tables of the history in PostgreSQL.

The store creates them itself at opening; Alembic owns the metadata tables only.
"""

from typing import Any

from thingplane.storage.timeseries.errors import TimeSeriesError

_FORMAT = 1

_SCHEMA_LOCK = 0x7468696E67_01

_TABLES = f"""
CREATE SEQUENCE IF NOT EXISTS history_arrival;
CREATE TABLE IF NOT EXISTS history (
    device_id bigint NOT NULL, kind smallint NOT NULL, identifier text COLLATE "C" NOT NULL, time bigint NOT NULL,
    arrival bigint NOT NULL DEFAULT nextval('history_arrival'), value bytea NOT NULL,
    PRIMARY KEY (device_id, kind, identifier, time, arrival)
) PARTITION BY RANGE (time);
CREATE TABLE IF NOT EXISTS history_stray PARTITION OF history DEFAULT;
CREATE TABLE IF NOT EXISTS history_latest (
    device_id bigint NOT NULL, identifier text COLLATE "C" NOT NULL, time bigint NOT NULL, arrival bigint NOT NULL,
    value bytea NOT NULL, PRIMARY KEY (device_id, identifier)
);
CREATE TABLE IF NOT EXISTS history_state (format integer NOT NULL, latest_from bigint NOT NULL);
INSERT INTO history_state SELECT {_FORMAT}, {-(1 << 63)} WHERE NOT EXISTS (SELECT FROM history_state);
"""  # noqa: S608  constants


async def lock_schema(connection: Any) -> None:
    """Be the only one to create and drop tables until the end of the transaction. Comes before any other lock."""
    await connection.execute("SELECT pg_advisory_xact_lock($1)", _SCHEMA_LOCK)


async def create_tables(connection: Any) -> None:
    """Create what is missing.

    Raises:
        TimeSeriesError: A newer version wrote the history.
    """
    async with connection.transaction():
        await lock_schema(connection)
        if await connection.fetchval("SELECT to_regclass('history_state') IS NOT NULL"):
            found = await connection.fetchval("SELECT format FROM history_state")
            if found > _FORMAT:
                raise TimeSeriesError(f"The history has format {found}, of a newer version of Thingplane")
        await connection.execute(_TABLES)
