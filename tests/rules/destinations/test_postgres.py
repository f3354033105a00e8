"""OTS, RDS and TSDB in a real PostgreSQL."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, TypeAlias

import asyncpg
import pytest

from tests.common.clock import FakeClock
from tests.rules.destinations.records import configuration, record
from thingplane.outbound import Outbound
from thingplane.rules.destinations.external import ExternalDestinations
from thingplane.rules.destinations.protocol import DestinationError, SetupError
from thingplane.rules.destinations.settings import DatabaseEntry, DestinationSettings, TableEntry, TimeSeriesEntry

Connection: TypeAlias = "asyncpg.Connection[Any]"

KEYS = [
    {"columnType": "STRING", "columnName": "device", "columnValue": "${dn}", "option": ""},
    {"columnType": "INTEGER", "columnName": "ti me", "columnValue": "${ts}"},
]


@pytest.fixture
async def connection(postgres_url: str) -> AsyncIterator[Connection]:
    opened = await asyncpg.connect(postgres_url)
    yield opened
    await opened.close()


@pytest.fixture
async def external(postgres_url: str, clock: FakeClock) -> AsyncIterator[ExternalDestinations]:
    settings = DestinationSettings(
        ots=(TableEntry(url=postgres_url),),
        rds=(DatabaseEntry(instance="rm-1", url=postgres_url),),
        tsdb=(TimeSeriesEntry(url=postgres_url, table="series"),),
    )
    opened = ExternalDestinations(Outbound(), clock, settings)
    yield opened
    await opened.close()


def rds(**fields: str) -> Any:
    vals = [{"name": name, "value": value} for name, value in fields.items()]
    given = {"instanceName": "rm-1", "databaseName": "iot", "tableName": "points"}
    return configuration("RDS", **given, accountName="a", accountPwd="b", fieldVals=vals)


async def test_a_keyed_row_is_made_and_replaced(external: ExternalDestinations, connection: Connection) -> None:
    given = configuration("OTS", instanceName="i", tableName="My Table", primaryKeys=KEYS)
    destination = external.open(given)
    await destination.send(record({"dn": "d1", "ts": 1, "v": {"deep": [1]}}))
    await destination.send(record({"dn": "d1", "ts": 2}))
    await destination.send(record({"dn": "d1", "ts": 1, "v": "new\0"}))
    # Another action on the same table.
    await external.open(given).send(record({"dn": "d2", "ts": 1}))
    rows = await connection.fetch('SELECT * FROM "My Table" ORDER BY 1, 2')
    assert [(row["device"], row["ti me"]) for row in rows] == [("d1", 1), ("d1", 2), ("d2", 1)]
    assert rows[0]["attributes"] == '{"v": "new", "dn": "d1", "ts": 1}'


async def test_the_database_counts_automatic_keys(external: ExternalDestinations, connection: Connection) -> None:
    automatic = {"columnType": "INTEGER", "columnName": "id", "columnValue": "", "option": "AUTO_INCREMENT"}
    destination = external.open(configuration("OTS", instanceName="i", tableName="t", primaryKeys=[KEYS[0], automatic]))
    for _ in range(2):
        await destination.send(record({"dn": "d1"}))
    assert [row["id"] for row in await connection.fetch("SELECT id FROM t ORDER BY id")] == [1, 2]


@pytest.mark.parametrize("columns", [{"ts": 1}, {"dn": "", "ts": 1}, {"dn": "d1"}, {"dn": "d1", "ts": "x"}])
async def test_keys_that_are_none(external: ExternalDestinations, columns: dict[str, Any]) -> None:
    destination = external.open(configuration("OTS", instanceName="i", tableName="t", primaryKeys=KEYS))
    with pytest.raises(DestinationError, match="primary key") as error:
        await destination.send(record(columns))
    assert error.value.permanent


async def test_a_row_gets_values_of_the_columns_types(external: ExternalDestinations, connection: Connection) -> None:
    await connection.execute(
        "CREATE TABLE points (i INT, f FLOAT8, n NUMERIC, b BOOL, t TEXT, at TIMESTAMPTZ, local TIMESTAMP, d DATE, "
        "raw BYTEA, j JSONB, u UUID, constant TEXT, both_ TEXT, missing INT)"
    )
    uuid = "123e4567-e89b-12d3-a456-426614174000"
    destination = external.open(
        rds(
            **{name: f"${{{name}}}" for name in ("i", "f", "n", "b", "t", "at", "d", "raw", "j", "u", "missing")},
            local="${at}",
            constant="x",
            both_="${t}-${i}",
        )
    )
    await destination.send(
        record(
            {
                "i": "7",
                "f": 1,
                "n": 1.5,
                "b": 1,
                "t": 5,
                "at": 1_700_000_000_123,
                "d": "2024-03-01T10:00:00Z",
                "raw": "ab",
                "j": {"a": [1]},
                "u": uuid,
            }
        )
    )
    [row] = await connection.fetch("SELECT * FROM points")
    moment = datetime(2023, 11, 14, 22, 13, 20, 123000, tzinfo=UTC)
    assert dict(row) | {"u": str(row["u"])} == {
        "i": 7,
        "f": 1.0,
        "n": Decimal("1.5"),
        "b": True,
        "t": "5",
        "at": moment,
        "local": moment.replace(tzinfo=None),
        "d": datetime(2024, 3, 1, tzinfo=UTC).date(),
        "raw": b"ab",
        "j": '{"a": [1]}',
        "u": uuid,
        "constant": "x",
        "both_": "5-7",
        "missing": None,
    }


@pytest.mark.parametrize("value", ["x", 1.5, True, {}, 2**40])
async def test_values_that_do_not_fit_are_not_tried_again(
    external: ExternalDestinations, connection: Connection, value: object
) -> None:
    await connection.execute("CREATE TABLE points (i INT CHECK (i > 1))")
    with pytest.raises(DestinationError) as error:
        await external.open(rds(i="${i}")).send(record({"i": value}))
    assert error.value.permanent
    assert await connection.fetchval("SELECT count(*) FROM points") == 0


async def test_a_missing_table_is_tried_again(external: ExternalDestinations, connection: Connection) -> None:
    destination = external.open(rds(i="${i}"))
    with pytest.raises(DestinationError, match='relation "points" does not exist') as error:
        await destination.send(record({"i": 1}))
    assert not error.value.permanent
    await connection.execute("CREATE TABLE points (i INT)")
    await destination.send(record({"i": 1}))


async def test_hostile_names_are_only_names(external: ExternalDestinations, connection: Connection) -> None:
    await connection.execute('CREATE TABLE points ("a"");drop table points" TEXT)')
    destination = external.open(rds(**{'a");drop table points': "'); drop table points --"}))
    await destination.send(record())
    assert await connection.fetchval("SELECT * FROM points") == "'); drop table points --"


async def test_points_in_a_table(external: ExternalDestinations, connection: Connection) -> None:
    tags = [{"name": "site", "value": "${site}"}]
    given = configuration("TSDB", instanceName="ts", timestamp="${ts}", tags=tags)
    await external.open(given).send(record({"ts": 1_700_000_000_123, "site": "n", "kw": 4.2, "state": "on"}))
    rows = await connection.fetch("SELECT * FROM series ORDER BY metric")
    moment = datetime(2023, 11, 14, 22, 13, 20, 123000, tzinfo=UTC)
    assert [tuple(row) for row in rows] == [
        (moment, "kw", '{"site": "n"}', 4.2, None),
        (moment, "state", '{"site": "n"}', None, "on"),
    ]


async def test_a_server_that_is_away_is_tried_again(clock: FakeClock) -> None:
    settings = DestinationSettings(rds=(DatabaseEntry(url="postgresql://u:s3cret@127.0.0.1:1/x"),))
    external = ExternalDestinations(Outbound(), clock, settings)
    with pytest.raises(DestinationError) as error:
        await external.open(rds(i="1")).send(record())
    assert not error.value.permanent
    assert "s3cret" not in str(error.value)
    await external.close()


def test_settings_do_not_show_their_secrets() -> None:
    entry = DatabaseEntry(url="postgresql://u:s3cret@host/x")
    assert "s3cret" not in repr(entry) + repr(DestinationSettings(rds=(entry,)))


def test_an_instance_that_settings_do_not_name(clock: FakeClock) -> None:
    settings = DestinationSettings(rds=(DatabaseEntry(instance="rm-2", url="postgresql://host/x"),))
    with pytest.raises(SetupError, match=r"destinations\.rds"):
        ExternalDestinations(Outbound(), clock, settings).open(rds(i="1"))
