"""MNS subscriptions: what reaches the queue, and what happens when it does not take it."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator

import pytest

from tests.common.api import FixedInstances, Keys
from tests.common.clock import FakeClock
from tests.common.mns_server import MnsServer, mns_server
from tests.subscriptions.conftest import publish, topic
from tests.subscriptions.delivery.world import MemoryLog
from thingplane.bus import LocalBus
from thingplane.cloud import BusinessError
from thingplane.forwarding.service import Forwarder, Kind
from thingplane.outbound import Outbound
from thingplane.outbound.mns import MAX_MESSAGE, MnsClient, MnsEndpoint
from thingplane.products.service import Product, ProductService
from thingplane.storage.database import Database
from thingplane.subscriptions.mns import BACK_OFF, MESSAGE_TYPES, MnsCounters, MnsDelivery, Queue, envelope
from thingplane.subscriptions.service import Flags, MnsQueues, SubscriptionService, Wanted
from thingplane.subscriptions.subscription import AMQP_ONLY, KINDS

one_database = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
CONFIGURATION = '{"queueName": "orders", "regionName": "cn-shanghai"}'


@pytest.fixture
async def server() -> AsyncIterator[MnsServer]:
    async with mns_server() as server:
        yield server


@pytest.fixture
async def outbound() -> AsyncIterator[Outbound]:
    client = Outbound(["127.0.0.1"])
    yield client
    await client.close()


class Naps:
    """Waiting that takes no time, and is remembered."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.begun = asyncio.Event()

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)
        self.begun.set()
        await asyncio.sleep(0)


class Line:
    """A delivery to the queue ``orders`` from a log in memory."""

    def __init__(self, server: MnsServer, outbound: Outbound, clock: FakeClock) -> None:
        self.log = MemoryLog()
        self.naps = Naps()
        self.counters = MnsCounters()
        client = MnsClient(outbound, server.endpoint(), clock)
        self.delivery = MnsDelivery(1, self.log, "orders", client, self.counters, sleep=self.naps)

    async def settled(self, waiting: int = 0) -> None:
        async with asyncio.timeout(10):
            while self.log.waiting(1) > waiting:
                self.log.acknowledged.clear()
                await self.log.acknowledged.wait()


@pytest.fixture
async def line(server: MnsServer, outbound: Outbound, clock: FakeClock) -> AsyncIterator[Line]:
    line = Line(server, outbound, clock)
    yield line
    await line.delivery.stop()


def test_envelope() -> None:
    log = MemoryLog()
    log.commit(1)
    (message,) = log.messages
    text = envelope(message)
    assert list(json.loads(text)) == ["payload", "messagetype", "topic", "messageid", "timestamp"]
    assert text == (
        '{"payload":"eHh4eHh4eHh4eA==","messagetype":"upload","topic":"/a1/d/user/x","messageid":1000,"timestamp":0}'
    )


def test_every_kind_that_reaches_a_queue_has_a_message_type() -> None:
    assert set(MESSAGE_TYPES) == {kind for kind, flag in KINDS.items() if not flag & AMQP_ONLY}


async def test_what_waited_and_what_comes_is_sent(server: MnsServer, line: Line) -> None:
    old = line.log.commit(40)
    line.delivery.start()
    await line.settled()
    new = line.log.commit(3)
    await line.settled()
    received = [one["messageid"] for one in await server.received("orders", 43)]
    assert sorted(received) == old + new
    assert line.counters.sent == 43
    assert line.naps.seconds == []


async def test_failures_are_repeated_with_growing_pauses(server: MnsServer, line: Line) -> None:
    server.failures = [(503, "")] * 7
    (sent,) = line.log.commit(1)
    line.delivery.start()
    await line.settled()
    assert [one["messageid"] for one in server.envelopes("orders")] == [sent]
    assert line.naps.seconds == [*BACK_OFF, BACK_OFF[-1]]
    assert line.counters.failed == 7


async def test_others_go_on_while_one_is_refused_and_then_dropped(server: MnsServer, line: Line) -> None:
    server.failures = [(400, "InvalidArgument")]
    line.log.commit(2)
    line.delivery.start()
    await line.settled()
    assert len(server.envelopes("orders")) == 2
    server.failures = [(400, "InvalidArgument")] * 3
    line.log.commit(1)
    await line.settled()
    assert len(server.envelopes("orders")) == 2
    assert line.counters.dropped == 1


async def test_a_message_above_the_limit_is_dropped(server: MnsServer, line: Line) -> None:
    line.log.commit(1, size=MAX_MESSAGE)
    line.log.commit(1)
    line.delivery.start()
    await line.settled()
    assert len(server.envelopes("orders")) == 1
    assert line.counters.dropped == 1


async def test_a_log_that_cannot_be_read_is_read_again(server: MnsServer, line: Line) -> None:
    line.log.commit(1)
    line.log.fails = True
    line.delivery.start()
    await line.naps.begun.wait()
    line.log.fails = False
    await server.received("orders", 1)


async def test_what_was_not_taken_stays_in_the_log(server: MnsServer, line: Line) -> None:
    server.failures = [(503, "")] * 1000
    line.log.commit(1)
    line.delivery.start()
    await line.naps.begun.wait()
    await line.delivery.stop()
    assert line.log.waiting(1) == 1


@pytest.mark.parametrize(
    ("configuration", "expected"),
    [
        ('{"queueName": "q-1", "regionName": "cn-shanghai", "role": {"roleArn": "a", "roleName": "b"}}', "q-1"),
        ('{"themeName": "t_1", "regionName": "cn-shanghai"}', "t_1"),
        ('{"queueName": "q", "themeName": "t", "regionName": "cn-shanghai", "more": 1}', "q"),
    ],
)
def test_configurations(configuration: str, expected: str) -> None:
    assert Queue.parse(configuration) == Queue("cn-shanghai", expected)


@pytest.mark.parametrize(
    "configuration",
    [
        *("", "[]", "{}", '{"queueName": "q"}', '{"regionName": "r"}', '{"queueName": "q", "regionName": ""}'),
        *('{"queueName": "a/b", "regionName": "r"}', '{"queueName": "q", "regionName": "r", "role": "x"}'),
    ],
)
def test_malformed_configurations(configuration: str) -> None:
    with pytest.raises(BusinessError, match="MnsCheckFailed"):
        Queue.parse(configuration)


def test_the_endpoint_of_a_queue_wins_over_that_of_its_region() -> None:
    region, queue = [MnsEndpoint(f"http://{host}", "i", "s") for host in ("one.test", "two.test")]
    endpoints = {"cn-shanghai": region, "cn-shanghai/orders": queue}
    assert Queue("cn-shanghai", "orders").endpoint(endpoints) is queue
    assert Queue("cn-shanghai", "other").endpoint(endpoints) is region
    with pytest.raises(BusinessError, match="mns_endpoints"):
        Queue("cn-beijing", "orders").endpoint(endpoints)


@one_database
async def test_a_subscription_sends_to_its_queue_until_it_ends(  # noqa: PLR0917 - fixtures by name
    database: Database,
    clock: FakeClock,
    products: ProductService,
    forwarder: Forwarder,
    product: Product,
    server: MnsServer,
    outbound: Outbound,
) -> None:
    def service(endpoints: dict[str, MnsEndpoint]) -> SubscriptionService:
        return SubscriptionService(
            database,
            clock,
            LocalBus(),
            products=products,
            forwarder=forwarder,
            keys=Keys(),
            instances=FixedInstances(),
            queues=MnsQueues(forwarder, outbound, endpoints, clock),
        )

    def wanted(configuration: str) -> Wanted:
        return Wanted(flags=Flags.DEVICE_DATA | Flags.STATUS_CHANGE, mns_configuration=configuration)

    first = service({"cn-shanghai": server.endpoint()})
    await first.start()
    await first.subscribe(product, "MNS", wanted(CONFIGURATION))
    (sent,) = await publish(forwarder, product, b"\xff\x00")
    (envelope,) = await server.received("orders", 1)
    assert envelope == {
        "payload": base64.b64encode(b"\xff\x00").decode(),
        "messagetype": "upload",
        "topic": topic(product),
        "messageid": sent,
        "timestamp": clock.now_ms() // 1000,
    }
    await publish(forwarder, product, b"{}", kind=Kind.STATUS)
    assert (await server.received("orders", 2))[1]["messagetype"] == "status"
    await first.resubscribe(product, "MNS", wanted(CONFIGURATION.replace("orders", "second")))
    await publish(forwarder, product, b"2")
    await server.received("second", 1)
    await first.close()
    await publish(forwarder, product, b"3")

    blind = service({})  # the endpoint has gone from the settings: messages wait
    await blind.start()
    await publish(forwarder, product, b"4")
    await blind.close()

    again = service({"cn-shanghai": server.endpoint()})
    await again.start()
    payloads = [base64.b64decode(one["payload"]) for one in await server.received("second", 3)]
    assert sorted(payloads) == [b"2", b"3", b"4"]
    await again.unsubscribe(product, "MNS")
    assert await publish(forwarder, product, b"5") == [None]
    assert again.reading()["mns_sent_total"] == 2
    await again.close()
