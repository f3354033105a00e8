"""FC, MNS and TSDB: what is sent over HTTP."""

import hashlib
import hmac
from collections.abc import AsyncIterator

import pytest

from tests.common.clock import FakeClock
from tests.common.mns_server import mns_server
from tests.rules.destinations.records import configuration, record
from tests.rules.destinations.server import Server, web_server
from thingplane.outbound import Outbound
from thingplane.rules.destinations.external import ExternalDestinations
from thingplane.rules.destinations.protocol import Destination, DestinationError, SetupError
from thingplane.rules.destinations.settings import DestinationSettings, FunctionEntry, TimeSeriesEntry

FUNCTION = {"serviceName": "weather", "functionName": "forecast"}
SERIES = {"instanceName": "ts", "timestamp": "${ts}", "tags": [{"name": "siteName", "value": "${site}"}]}


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with web_server() as opened:
        yield opened


@pytest.fixture
async def outbound() -> AsyncIterator[Outbound]:
    opened = Outbound(["127.0.0.1"])
    yield opened
    await opened.close()


def hook(outbound: Outbound, clock: FakeClock, *entries: FunctionEntry) -> Destination:
    return ExternalDestinations(outbound, clock, DestinationSettings(fc=entries)).open(configuration("FC", **FUNCTION))


def series(outbound: Outbound, clock: FakeClock, url: str, **given: object) -> Destination:
    settings = DestinationSettings(tsdb=(TimeSeriesEntry(url=url, token="t0ken"),))
    return ExternalDestinations(outbound, clock, settings).open(configuration("TSDB", **SERIES | given))


async def test_a_webhook_gets_the_payload_and_a_signature(server: Server, outbound: Outbound, clock: FakeClock) -> None:
    destination = hook(outbound, clock, FunctionEntry(url=f"{server.url}/hook?a=1", secret="s3cret"))
    await destination.send(record({"t": 1}))
    [request] = server.received
    timestamp = str(clock.now_ms())
    assert (request.path, request.body) == ("/hook?a=1", b'{"t":1}')
    expected = {
        "Content-Type": "application/json",
        "X-Thingplane-Rule": "rule-1",
        "X-Thingplane-Message-Id": "1234567890123456789",
        "X-Thingplane-Topic": "/a1pk/dev1/user/update",
        "X-Thingplane-Service": "weather",
        "X-Thingplane-Function": "forecast",
        "X-Thingplane-Timestamp": timestamp,
        "X-Thingplane-Signature": "sha256="
        + hmac.new(b"s3cret", f'{timestamp}.{{"t":1}}'.encode(), hashlib.sha256).hexdigest(),
    }
    assert {name: request.headers.get(name) for name in expected} == expected


async def test_a_webhook_without_secret_gets_bytes_unsigned(
    server: Server, outbound: Outbound, clock: FakeClock
) -> None:
    await hook(outbound, clock, FunctionEntry(url=server.url)).send(record(payload=b"\x00\xff"))
    [request] = server.received
    assert request.body == b"\x00\xff"
    assert request.headers["Content-Type"] == "application/octet-stream"
    assert "X-Thingplane-Signature" not in request.headers


@pytest.mark.parametrize("status", [199 + 1, 204, 301, 404, 500])
async def test_only_two_hundreds_are_success(server: Server, outbound: Outbound, clock: FakeClock, status: int) -> None:
    server.statuses = [status]
    destination = hook(outbound, clock, FunctionEntry(url=server.url))
    if status < 300:
        await destination.send(record())
        return
    with pytest.raises(DestinationError, match=f"answered {status}") as error:
        await destination.send(record())
    assert not error.value.permanent


async def test_addresses_inside_are_refused_unless_allowed_by_name(server: Server, clock: FakeClock) -> None:
    strict = Outbound()
    with pytest.raises(DestinationError, match="not a public address"):
        await hook(strict, clock, FunctionEntry(url=server.url)).send(record())
    await strict.close()
    assert server.received == []


async def test_the_first_entry_that_fits_counts(server: Server, outbound: Outbound, clock: FakeClock) -> None:
    entries = (
        FunctionEntry(service="other", url=f"{server.url}/other"),
        FunctionEntry(region="cn-shanghai", service="weather", url=f"{server.url}/weather"),
        FunctionEntry(url=f"{server.url}/rest"),
    )
    await hook(outbound, clock, *entries).send(record())
    assert server.received[0].path == "/weather"
    with pytest.raises(SetupError, match=r'\[\[destinations.fc\]\] with region = "cn-shanghai", service = "weather"'):
        hook(outbound, clock, entries[0])


async def test_points_in_line_protocol(server: Server, outbound: Outbound, clock: FakeClock) -> None:
    destination = series(outbound, clock, f"{server.url}/api/v2/write?precision=ms")
    await destination.send(
        record({"ts": 1700000000000, "site": "north hall", "kw": 4.2, "rpm": 900, "on": True, "a b": 'x"y'})
    )
    [request] = server.received
    assert request.path == "/api/v2/write?precision=ms"
    assert request.headers["Authorization"] == "Token t0ken"
    assert request.body.decode().splitlines() == [
        r"kw,siteName=north\ hall value=4.2 1700000000000",
        r"rpm,siteName=north\ hall value=900.0 1700000000000",
        r"on,siteName=north\ hall value=true 1700000000000",
        r'a\ b,siteName=north\ hall value="x\"y" 1700000000000',
    ]


@pytest.mark.parametrize(
    ("timestamp", "column", "expected"),
    [("timestamp()", 1, 1_700_000_000_456), ("1700000000000", 1, 1_700_000_000_000), ("${ts}", 1.7e9, None)],
)
async def test_times_of_points(  # noqa: PLR0917 - fixtures and parameters
    server: Server, outbound: Outbound, clock: FakeClock, timestamp: str, column: float, expected: int | None
) -> None:
    destination = series(outbound, clock, server.url, timestamp=timestamp)
    sent = record({"site": "n", "ts": column, "kw": 1})
    if expected is None:
        with pytest.raises(DestinationError, match="timestamp"):
            await destination.send(sent)
    else:
        await destination.send(sent)
        assert server.received[0].body.decode().splitlines()[-1].endswith(f" {expected}")


@pytest.mark.parametrize(
    "columns",
    [
        {"ts": 1, "kw": 1},
        {"ts": 1, "site": "a;b", "kw": 1},
        {"site": "n", "kw": 1},
        {"ts": 1, "site": "n"},
        {"ts": 1, "site": "n", "kw": {}},
    ],
)
async def test_records_that_are_no_points(
    server: Server, outbound: Outbound, clock: FakeClock, columns: dict[str, object]
) -> None:
    with pytest.raises(DestinationError) as error:
        await series(outbound, clock, server.url).send(record(columns))
    assert error.value.permanent
    assert server.received == []


async def test_a_refused_line_is_not_tried_again(server: Server, outbound: Outbound, clock: FakeClock) -> None:
    server.statuses = [400, 503]
    destination = series(outbound, clock, server.url)
    for permanent in (True, False):
        with pytest.raises(DestinationError) as error:
            await destination.send(record({"ts": 1, "site": "n", "kw": 1}))
        assert error.value.permanent is permanent


async def test_a_topic_of_mns_gets_the_payload_as_it_is(outbound: Outbound, clock: FakeClock) -> None:
    async with mns_server() as server:
        given = configuration("MNS", themeName="alerts")
        external = ExternalDestinations(outbound, clock, mns_endpoints={"cn-shanghai": server.endpoint()})
        destination = external.open(given)
        await destination.send(record({"t": "<1>"}))
        assert server.queues["alerts"] == ['{"t":"<1>"}']
        for payload in (b"\xff", b"x" * 65_537):
            with pytest.raises(DestinationError) as error:
                await destination.send(record(payload=payload))
            assert error.value.permanent
        server.failures = [(404, "TopicNotExist")]
        with pytest.raises(DestinationError, match="404 TopicNotExist"):
            await destination.send(record())
        with pytest.raises(SetupError, match="mns_endpoints"):
            ExternalDestinations(outbound, clock).open(given)
