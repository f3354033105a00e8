"""ONS and DATAHUB to NATS, over its protocol; Kafka as far as it goes without a server."""

import builtins
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from tests.common.clock import FakeClock
from tests.rules.destinations.nats_server import NatsServer, nats_server
from tests.rules.destinations.records import configuration, record
from thingplane.outbound import Outbound
from thingplane.rules.destinations import streams
from thingplane.rules.destinations.external import ExternalDestinations
from thingplane.rules.destinations.protocol import DestinationError, SetupError
from thingplane.rules.destinations.settings import (
    DatabaseEntry,
    DataHubEntry,
    DestinationSettings,
    MessageQueueEntry,
)

SCHEMA = [("i", "BIGINT"), ("f", "DOUBLE"), ("b", "BOOLEAN"), ("t", "TIMESTAMP"), ("s", "STRING"), ("d", "DECIMAL")]


@pytest.fixture
async def server() -> AsyncIterator[NatsServer]:
    async with nats_server() as opened:
        yield opened


@pytest.fixture
async def external(server: NatsServer, clock: FakeClock) -> AsyncIterator[ExternalDestinations]:
    settings = DestinationSettings(
        ons=(
            MessageQueueEntry(instance="stream", url=server.url, target="stream.alerts", jetstream=True),
            MessageQueueEntry(url=server.url),
        ),
        datahub=(DataHubEntry(url=server.url),),
    )
    opened = ExternalDestinations(Outbound(), clock, settings)
    yield opened
    await opened.close()


def datahub(*columns: tuple[str, str]) -> Any:
    vals = [{"name": name, "type": type_, "value": f"${{{name}}}"} for name, type_ in columns]
    return configuration("DATAHUB", projectName="p", topicName="t", schemaVals=vals)


async def test_a_subject_gets_the_payload_with_id_topic_and_tag(
    server: NatsServer, external: ExternalDestinations
) -> None:
    destination = external.open(configuration("ONS", instanceId="any", topic="alerts", tag="${level}"))
    await destination.send(record({"level": "high", "t": 1}))
    await destination.send(record({"t": 2}))
    first, second = server.published
    assert (first.subject, first.body) == ("alerts", b'{"level":"high","t":1}')
    assert first.headers == {
        "messageId": "1234567890123456789",
        "topic": "/a1pk/dev1/user/update",
        "tag": "high",
        "Nats-Msg-Id": "1234567890123456789",
    }
    assert "tag" not in second.headers


async def test_a_stream_confirms(server: NatsServer, external: ExternalDestinations) -> None:
    await external.open(configuration("ONS", instanceId="stream", topic="alerts")).send(record({"t": 1}))
    assert [message.subject for message in server.published] == ["stream.alerts"]


async def test_a_schema_gets_columns_of_its_types(server: NatsServer, external: ExternalDestinations) -> None:
    destination = external.open(datahub(*SCHEMA, ("missing", "STRING")))
    await destination.send(record({"i": "7", "f": 1, "b": "true", "t": 1_700_000_000_000, "s": 5, "d": 1.5}))
    [message] = server.published
    assert message.subject == "p.t"
    assert msgspec.json.decode(message.body) == {
        "i": 7,
        "f": 1.0,
        "b": True,
        "t": 1_700_000_000_000,
        "s": "5",
        "d": "1.5",
        "missing": None,
    }


@pytest.mark.parametrize(
    ("type_", "value"),
    [
        ("BIGINT", 1.5),
        ("BIGINT", 2**63),
        ("BIGINT", "x"),
        ("DOUBLE", "x"),
        ("BOOLEAN", 2),
        ("DECIMAL", {}),
        ("BIGINT", []),
    ],
)
async def test_values_that_do_not_fit(external: ExternalDestinations, type_: str, value: object) -> None:
    with pytest.raises(DestinationError, match=f"x is no {type_}") as error:
        await external.open(datahub(("x", type_))).send(record({"x": value}))
    assert error.value.permanent


async def test_what_is_too_large_or_no_subject(external: ExternalDestinations) -> None:
    for topic, payload in (("alerts", b"x" * 1001), ("a b", b""), ("a.>", b"")):
        destination = external.open(configuration("ONS", instanceId="any", topic=topic))
        with pytest.raises(DestinationError) as error:
            await destination.send(record(payload=payload))
        assert error.value.permanent


async def test_a_server_that_went_away_is_reached_again(server: NatsServer, external: ExternalDestinations) -> None:
    destination = external.open(configuration("ONS", instanceId="any", topic="alerts"))
    await destination.send(record({"n": 1}))
    for writer in list(server.connections):
        writer.close()
    outcome = None
    for _ in range(3):
        try:
            await destination.send(record({"n": 2}))
        except DestinationError as error:
            outcome = error
        else:
            break
    else:
        raise AssertionError(outcome)
    assert server.published[-1].body == b'{"n":2}'


@pytest.mark.parametrize("url", ["nats://127.0.0.1:1", "kafka://127.0.0.1:1"])
async def test_servers_that_are_not_there_are_tried_again(
    clock: FakeClock, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "TIMEOUT_S", 1.0)
    settings = DestinationSettings(ons=(MessageQueueEntry(url=url),))
    external = ExternalDestinations(Outbound(), clock, settings)
    with pytest.raises(DestinationError) as error:
        await external.open(configuration("ONS", instanceId="any", topic="alerts")).send(record())
    assert not error.value.permanent
    await external.close()


@pytest.mark.parametrize(
    ("module", "settings", "given", "extra"),
    [
        (
            "aiokafka",
            DestinationSettings(ons=(MessageQueueEntry(url="kafka://h:9092"),)),
            configuration("ONS", instanceId="i", topic="t"),
            "kafka",
        ),
        ("nats", DestinationSettings(datahub=(DataHubEntry(url="nats://h"),)), datahub(("i", "BIGINT")), "nats"),
        (
            "aiomysql",
            DestinationSettings(rds=(DatabaseEntry(url="mysql://h"),)),
            configuration(
                "RDS",
                instanceName="i",
                databaseName="d",
                tableName="t",
                accountName="a",
                accountPwd="p",
                fieldVals=[{"name": "a", "value": "b"}],
            ),
            "mysql",
        ),
    ],
)
def test_a_missing_package_is_named(  # noqa: PLR0917 - fixtures and parameters
    clock: FakeClock,
    monkeypatch: pytest.MonkeyPatch,
    module: str,
    settings: DestinationSettings,
    given: Any,
    extra: str,
) -> None:
    real = builtins.__import__

    def without(name: str, *arguments: Any) -> Any:
        if name.split(".", maxsplit=1)[0] == module:
            raise ImportError(name)
        return real(name, *arguments)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(SetupError, match=rf"pip install thingplane\[{extra}\]"):
        ExternalDestinations(Outbound(), clock, settings).open(given)
