"""Messages from devices: who handles them, what goes back, and when."""

import asyncio

from structlog.testing import LogCapture

from tests.gateway.client import Client, connect_packet
from tests.gateway.conftest import StartWorld
from tests.gateway.support import PRODUCT_KEY, World, until
from thingplane.alink import Uplink
from thingplane.mqtt.packets import Connack, Puback, Publish

SYS = f"/sys/{PRODUCT_KEY}/sensor-01/"
POST = SYS + "thing/event/property/post"
CUSTOM = f"/{PRODUCT_KEY}/sensor-01/"


async def test_a_property_post_is_stored_acknowledged_and_answered(world: World) -> None:
    client = await Client.connected(world)
    ack, replies = await client.publish(POST, b'{"id":"7","params":{"Temp":21.5}}')
    assert ack.reason == 0
    assert [(item.topic, item.payload, item.qos) for item in replies] == [
        (
            POST + "_reply",
            b'{"code":200,"data":{},"id":"7","message":"success","method":"thing.event.property.post","version":"1.0"}',
            0,
        )
    ]
    [(device_id, _, received, params)] = world.series.appended
    assert (device_id, received, params) == (1, world.clock.now_ms(), b'{"Temp":21.5}')


async def test_what_is_said_before_the_connack_is_answered_too(world: World) -> None:
    """MQTT 3.1.4; the device has to be looked up in the database first."""
    world.devices.uncached.add("sensor-01")
    client = await Client.open(world)
    client.send(connect_packet(), Publish(POST, b'{"id":"1","params":{}}', 1, packet_id=1))
    assert (await client.expect(Connack)).code == 0
    assert (await client.expect(Puback)).packet_id == 1
    assert (await client.expect(Publish)).topic == POST + "_reply"


async def test_nothing_is_answered_before_the_commit(world: World) -> None:
    client = await Client.connected(world)
    world.series.is_held = True
    client.send(Publish(POST, b'{"id":"1","params":{}}', 1, packet_id=1))
    await until(lambda: bool(world.series.held))
    client.send(Publish(POST, b'{"id":"2","params":{}}', 1, packet_id=2))
    await until(lambda: len(world.seen) == 2)
    assert client.buffered() == b""
    world.series.release()
    packets = [await client.receive() for _ in range(4)]
    assert [item.packet_id for item in packets if isinstance(item, Puback)] == [1, 2]


async def test_a_failed_commit_closes_the_connections_that_wait_for_it(world: World, logs: LogCapture) -> None:
    waiting = await Client.connected(world)
    other = await Client.connected(world, "sensor-02")
    world.series.error = OSError("disk full")
    waiting.send(Publish(POST, b'{"id":"1","params":{}}', 1, packet_id=1))
    assert await waiting.closed() == []
    world.series.error = None
    assert (await other.drain()) == []
    assert world.gateway.reading()["mqtt_commit_failures_total"] == 1
    assert any("disk full" in line.get("error", "") for line in logs.entries)


async def test_all_messages_of_a_packet_burst_are_answered_in_order(world: World) -> None:
    client = await Client.connected(world)
    client.send(*[Publish(POST, b'{"id":%d,"params":{}}' % n, 1, packet_id=n) for n in range(1, 301)])
    acks: list[int] = []
    replies = 0
    while len(acks) + replies < 600:
        packet = await client.receive()
        if isinstance(packet, Puback):
            acks.append(packet.packet_id)
        else:
            replies += 1
    assert acks == list(range(1, 301))
    assert world.series.commits < 300


async def test_a_handler_that_waits_holds_back_the_answers_behind_it(world: World) -> None:
    gate = asyncio.Event()

    async def slow(uplink: Uplink) -> None:
        await gate.wait()
        uplink.reply()

    world.table.add("thing/topo/get", slow)
    client = await Client.connected(world)
    client.send(
        Publish(POST, b'{"id":"1","params":{}}', 1, packet_id=1),
        Publish(SYS + "thing/topo/get", b'{"id":"2","params":{}}', 1, packet_id=2),
        Publish(POST, b'{"id":"3","params":{}}', 1, packet_id=3),
    )
    first = [await client.receive() for _ in range(2)]
    client.send(Publish(POST, b'{"id":"4","params":{}}', 1, packet_id=4))
    await until(lambda: len(world.seen) == 3)
    gate.set()
    rest = [await client.receive() for _ in range(6)]
    acks = [item.packet_id for item in first + rest if isinstance(item, Puback)]
    ids = [item.payload.split(b'"id":')[1][:3] for item in first + rest if isinstance(item, Publish)]
    assert acks == [1, 2, 3, 4]
    assert ids == [b'"1"', b'"2"', b'"3"', b'"4"']


async def test_reading_stops_while_too_many_messages_wait(world: World) -> None:
    gate = asyncio.Event()
    started: list[str] = []

    async def slow(uplink: Uplink) -> None:
        started.append(uplink.topic)
        await gate.wait()

    world.table.add("thing/topo/get", slow)
    client = await Client.connected(world)
    for n in range(1, 400):
        client.send(Publish(SYS + "thing/topo/get", b'{"id":"2","params":{}}', 1, packet_id=n))
        await asyncio.sleep(0)
    connection = world.gateway._registry.get(1)
    assert connection is not None
    await until(lambda: connection._held)
    gate.set()
    assert [(await client.expect(Puback)).packet_id for _ in range(1, 400)] == list(range(1, 400))


async def test_an_unexpected_exception_is_logged_and_answered_with_500(world: World, logs: LogCapture) -> None:
    def broken(uplink: Uplink) -> None:
        uplink.reply()
        raise ZeroDivisionError

    async def broken_later(_uplink: Uplink) -> None:
        raise LookupError

    world.table.add("thing/a", broken)
    world.table.add("thing/b", broken_later)
    client = await Client.connected(world)
    for topic in ("thing/a", "thing/b"):
        _, [reply] = await client.publish(SYS + topic, b'{"id":"1","params":{}}')
        assert reply.payload.startswith(b'{"code":500,"data":{},"id":"1"')
    assert [line["topic"] for line in logs.entries if line["event"] == "handler failed"] == [
        SYS + "thing/a",
        SYS + "thing/b",
    ]


async def test_an_undefined_system_topic_is_answered(world: World, logs: LogCapture) -> None:
    client = await Client.connected(world)
    _, [reply] = await client.publish(SYS + "thing/no/such", b'{"id":"1","params":{}}')
    assert reply.topic == SYS + "thing/no/such_reply"
    assert reply.payload.startswith(b'{"code":6203,"data":{},"id":"1"')
    assert [line["code"] for line in logs.entries if line["event"] == "topic is not defined"] == [6831]


async def test_an_undefined_system_topic_is_not_answered_when_the_device_wants_no_answer(world: World) -> None:
    client = await Client.connected(world)
    for topic, payload in (
        ("thing/no/such", b'{"id":"1","sys":{"ack":0},"params":{}}'),
        ("thing/no/such_reply", b'{"id":"1","code":200,"data":{}}'),
        ("thing/model/up_raw", b"\x00\x01"),
        ("rrpc/request/1", b"{}"),
    ):
        _, replies = await client.publish(SYS + topic, payload)
        assert replies == []


async def test_a_publish_without_permission_is_acknowledged_and_dropped(world: World, logs: LogCapture) -> None:
    client = await Client.connected(world)
    custom: list[Uplink] = []
    world.gateway.on_custom_message(custom.append)
    topics = [
        f"/sys/{PRODUCT_KEY}/sensor-02/thing/event/property/post",
        f"/sys/{PRODUCT_KEY}/sensor-011/thing/event/property/post",
        f"/{PRODUCT_KEY}/sensor-02/user/update",
        CUSTOM + "user/get",
        CUSTOM + "user/update/" + "x" * 128,
        f"/broadcast/{PRODUCT_KEY}/all",
        f"/broadcast/{PRODUCT_KEY}/sensor-01/all",
        f"/ext/rrpc/1/{PRODUCT_KEY}/sensor-02/user/get",
        f"/ota/device/inform/{PRODUCT_KEY}/sensor-02",
        f"/sys/{PRODUCT_KEY}/sensor-02{CUSTOM}user/update",
        f"/ext/register/{PRODUCT_KEY}/sensor-01",
        "/elsewhere",
    ]
    for topic in topics:
        ack, replies = await client.publish(topic, b'{"id":"1","params":{}}')
        assert (ack.reason, replies) == (0, [])
    assert (custom, world.seen) == ([], [])
    denied = [line["topic"] for line in logs.entries if line.get("code") == 9236 and line["topic"] != "/nowhere"]
    assert denied == topics


async def test_mqtt_5_learns_that_a_publish_was_not_permitted(world: World) -> None:
    client = await Client.connected(world, version=5)
    ack, _ = await client.publish(CUSTOM + "user/get", b"")
    assert ack.reason == 0x87


async def test_custom_messages_reach_the_hook_under_their_bare_topic(world: World) -> None:
    custom: list[Uplink] = []
    world.gateway.on_custom_message(custom.append)
    for is_cached in (True, False):
        world.topics.is_cached = is_cached
        client = await Client.connected(world)
        await client.publish(CUSTOM + "user/update", b"\xff")
        await client.publish(CUSTOM + "user/update?_sn=default", b"1")
        client.close()
    assert [(item.topic, item.payload) for item in custom] == [
        (CUSTOM + "user/update", b"\xff"),
        (CUSTOM + "user/update", b"1"),
    ] * 2
    assert world.gateway.reading()["mqtt_custom_total"] == 4


async def test_other_topic_families_reach_their_handlers(world: World) -> None:
    seen: list[tuple[str, bytes]] = []
    for pattern in ("/ota/device/inform", "/ext/session/combine/other", "/ext/ntp/request"):
        world.table.add(pattern, lambda uplink: seen.append((uplink.topic, uplink.payload)))
    client = await Client.connected(world)
    topics = [
        f"/ota/device/inform/{PRODUCT_KEY}/sensor-01",
        f"/ext/session/{PRODUCT_KEY}/sensor-01/combine/other",
        f"/ext/ntp/{PRODUCT_KEY}/sensor-01/request",
    ]
    for topic in topics:
        await client.publish(topic, b"x")
    assert seen == [(topic, b"x") for topic in topics]


async def test_publishes_over_the_rate_are_dropped_and_counted(start: StartWorld) -> None:
    world = await start(publishes_per_second=2)
    client = await Client.connected(world, version=5)
    acks = [(await client.publish(POST, b'{"id":1,"params":{}}', packet_id=n))[0].reason for n in range(1, 3)]
    assert acks == [0, 0x97]  # the ping of each counts as well
    world.clock.advance(1)
    assert (await client.publish(POST, b'{"id":1,"params":{}}'))[0].reason == 0
    assert world.gateway.reading()["mqtt_dropped_total:rate"] >= 1


async def test_a_too_large_payload_ends_the_connection(world: World) -> None:
    client = await Client.connected(world)
    ack, _ = await client.publish(CUSTOM + "user/update", bytes(262_144))
    assert ack.reason == 0
    client.send(Publish(CUSTOM + "user/update", bytes(262_145), 1, packet_id=3))
    assert await client.closed() == []


async def test_qos_2_ends_the_connection(world: World) -> None:
    client = await Client.connected(world, version=5)
    client.send(Publish(CUSTOM + "user/update", b"", 2, packet_id=3))
    [disconnect] = await client.closed()
    assert getattr(disconnect, "reason", None) == 0x9B
