"""Devices that send without reading, ask without end, or say what nobody says: what that may cost is limited."""

import asyncio
import contextlib
import gc
import ssl
from typing import Any, Final

import pytest
from structlog.testing import LogCapture

from tests.gateway.client import Client, connect_packet
from tests.gateway.conftest import StartWorld
from tests.gateway.silent_transport import SilentTransport, deaf_device, packets
from tests.gateway.support import PRODUCT_KEY, World, until
from tests.gateway.test_websocket import HANDSHAKE, frame
from thingplane.bus import DownlinkMessage
from thingplane.gateway.connection import Connection
from thingplane.gateway.portions import PORTION
from thingplane.gateway.streams import WebSocketStream
from thingplane.gateway.transport import Peer
from thingplane.mqtt import Properties, ReasonCode
from thingplane.mqtt.packets import Connack, Disconnect, Ping, Puback, Publish, Subscribe, Subscription, Unsubscribe
from thingplane.tls import Certificates, server_context

OWN: Final = f"/{PRODUCT_KEY}/sensor-01"
SYS: Final = f"/sys{OWN}/"
POST: Final = SYS + "thing/event/property/post"
PINGS: Final = packets(*[Ping()] * 4000)


def breaches(logs: LogCapture) -> list[tuple[str, str]]:
    """Return reason and device of the lines about connections that were closed."""
    found = [entry for entry in logs.entries if entry["event"] == "connection closed"]
    return [(entry["reason"], entry["device"]) for entry in found]


def command(payload: bytes, *, qos: int) -> DownlinkMessage:
    return DownlinkMessage(device_id=1, topic=SYS + "thing/service/x", payload=payload, qos=qos)


def client_hello() -> bytes:
    """Return the beginning of a TLS handshake."""
    outgoing = ssl.MemoryBIO()
    handshake = ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="localhost")
    with contextlib.suppress(ssl.SSLWantReadError):
        handshake.do_handshake()
    return outgoing.read()


def alive() -> int:
    """Return how many connections are in memory."""
    gc.collect()
    return sum(type(item) is Connection for item in gc.get_objects())


async def turns(count: int = 40) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


# Not reading


@pytest.mark.parametrize("websocket", [False, True])
async def test_a_device_that_asks_and_never_reads_is_disconnected_with_a_line_that_names_it(
    start: StartWorld, logs: LogCapture, websocket: bool
) -> None:
    limit = 100_000
    world = await start(write_buffer=limit)
    transport, _ = deaf_device(world, websocket=websocket)
    data = frame(PINGS) if websocket else PINGS
    for _ in range(100):
        if transport.is_aborted:
            break
        transport.protocol.data_received(data)
        await turns(4)
    assert transport.is_aborted
    assert len(transport.written) < limit + PORTION + 1000
    assert world.gateway.reading()["mqtt_overflows_total"] == 1
    [entry] = [entry for entry in logs.entries if entry["event"] == "device does not read, connection closed"]
    assert (entry["device"], entry["log_level"]) == (OWN, "warning")
    transport.lose()
    await until(lambda: not world.gateway._hub.open)


async def test_pings_of_websocket_without_end_are_no_way_around_it(start: StartWorld) -> None:
    limit = 100_000
    world = await start(write_buffer=limit)
    transport, _ = deaf_device(world, websocket=True)
    for _ in range(100):
        if transport.is_aborted:
            break
        transport.protocol.data_received(frame(b"x" * 125, first=0x89) * 100)
        await turns(4)
    assert transport.is_aborted
    assert len(transport.written) < limit + PORTION + 1000


async def test_strangers_that_do_not_read_are_named_by_their_address(start: StartWorld, logs: LogCapture) -> None:
    world = await start(write_buffer=100_000)
    stream = WebSocketStream(Connection(world.gateway._hub, Peer("192.0.2.9")))
    transport = SilentTransport(stream)
    stream.attach(transport)
    stream.data_received(HANDSHAKE)
    for _ in range(100):
        if transport.is_aborted:
            break
        stream.data_received(frame(b"x" * 125, first=0x89) * 100)
        await turns(4)
    assert transport.is_aborted
    [entry] = [entry for entry in logs.entries if entry["event"] == "device does not read, connection closed"]
    assert entry["device"] == "192.0.2.9"


async def test_acknowledgements_that_nobody_reads_are_limited_too(start: StartWorld) -> None:
    limit = 100_000
    world = await start(write_buffer=limit, max_pending=100)
    transport, _ = deaf_device(world)
    for number in range(1000):
        if transport.is_aborted:
            break
        posts = [Publish(POST, b"{}", 1, packet_id=1 + (number * 50 + n) % 60_000) for n in range(50)]
        transport.protocol.data_received(packets(*posts))
        await turns(4)
    assert transport.is_aborted
    assert len(transport.written) < limit + PORTION


async def test_messages_to_a_device_that_does_not_read_wait_in_its_queue_and_no_longer_in_the_socket(
    start: StartWorld,
) -> None:
    world = await start(offline_messages_per_device=20)
    transport, connection = deaf_device(world)
    sent = 0
    while await world.gateway.downlink.send(command(b"x" * 10_000, qos=1)):
        sent += 1
        assert sent < 200
    session = connection.link.session
    assert session is not None
    assert len(session.queue) == 20
    assert len(transport.written) < 65_536 + 20_000
    assert not await world.gateway.downlink.send(command(b"y", qos=0))
    assert not transport.is_aborted
    transport.abort()


async def test_a_device_that_never_acknowledges_has_so_many_messages_and_so_many_bytes_waiting(
    start: StartWorld,
) -> None:
    world = await start(offline_messages_per_device=1000, offline_bytes_per_device=1_000_000)
    client = await Client.connected(world)
    accepted = 0
    while await world.gateway.downlink.send(command(b"x" * 50_000, qos=1)):
        accepted += 1
    assert accepted == 19
    assert world.gateway.reading()["mqtt_downlinks_lost_total:queue full"] == 1
    first = await client.expect(Publish)
    client.send(Puback(first.packet_id))
    await client.receive()
    await until(lambda: len(world.gateway._sessions.live(1).inflight) < 19)  # type: ignore[union-attr]
    assert await world.gateway.downlink.send(command(b"x" * 50_000, qos=1))


# Sending a lot


async def test_a_long_read_is_handled_in_portions_with_others_in_between(world: World) -> None:
    transport, _ = deaf_device(world)
    data = PINGS * 30
    transport.protocol.data_received(data)
    assert len(transport.drain()) <= PORTION
    assert transport.is_paused
    for _ in range(len(data) // PORTION + 3):
        await asyncio.sleep(0)
        assert len(transport.drain()) <= PORTION
    assert not transport.is_paused


async def test_what_was_read_is_handled_in_order_also_after_the_connection_is_lost(world: World) -> None:
    transport, connection = deaf_device(world)
    posts = [Publish(POST, b'{"id":"%d","params":{}}' % number) for number in range(1000)]
    transport.protocol.data_received(packets(*posts))
    transport.lose()
    assert connection in world.gateway._hub.open
    await until(lambda: not world.gateway._hub.open)
    assert [uplink.request_id for uplink in world.seen] == [b'"%d"' % number for number in range(1000)]
    assert world.devices.log[-1] == "sensor-01 disconnected"


async def test_messages_that_are_not_stored_yet_stop_the_reading_whatever_their_qos(world: World) -> None:
    transport, _ = deaf_device(world)
    world.series.is_held = True
    for _ in range(50):
        transport.protocol.data_received(packets(*[Publish(POST, b"{}")] * 20))
        await turns(2)
    assert transport.is_paused
    assert len(world.seen) <= world.gateway._settings.max_pending + 20
    world.series.release()
    await until(lambda: not transport.is_paused)
    assert len(world.seen) == 1000
    transport.abort()


async def test_a_lost_connection_is_no_way_to_have_more_handled_at_a_time(world: World) -> None:
    transport, _ = deaf_device(world)
    world.series.is_held = True
    transport.protocol.data_received(packets(*[Publish(POST, b"{}")] * 3000))
    transport.lose()
    await turns()
    assert len(world.seen) < world.gateway._settings.max_pending + PORTION / len(POST)
    world.series.release()
    await until(lambda: not world.gateway._hub.open)
    assert len(world.seen) == 3000


@pytest.mark.parametrize("websocket", [False, True])
async def test_what_a_lost_connection_brought_is_dropped_when_it_cannot_be_stored(
    world: World, websocket: bool
) -> None:
    transport, _ = deaf_device(world, websocket=websocket)
    world.series.is_held = True
    data = packets(*[Publish(POST, b"{}")] * 3000)
    transport.protocol.data_received(frame(data) if websocket else data)
    transport.lose()
    await turns()
    world.series.error = OSError("disk full")
    world.series.release()
    await until(lambda: not world.gateway._hub.open)
    assert len(world.seen) < 1000


# Asking a lot


async def test_filters_beyond_the_eighth_cost_no_log_line(world: World, logs: LogCapture) -> None:
    client = await Client.connected(world)
    assert await client.subscribe(*(f"/x/{number}" for number in range(500))) == [0x80] * 500
    assert sum(entry["event"] == "subscription refused" for entry in logs.entries) == 8


@pytest.mark.parametrize("kind", ["subscribe", "unsubscribe"])
async def test_more_than_a_thousand_filters_end_the_connection(world: World, logs: LogCapture, kind: str) -> None:
    client = await Client.connected(world, version=5)
    filters = ["#"] * 1001
    subscribe = Subscribe(7, [Subscription(item, 0) for item in filters])
    client.send(subscribe if kind == "subscribe" else Unsubscribe(7, filters))
    [goodbye] = await client.closed()
    assert isinstance(goodbye, Disconnect)
    assert goodbye.reason == ReasonCode.QUOTA_EXCEEDED
    assert breaches(logs) == [("quota exceeded", OWN)]


async def test_one_filter_many_times_is_written_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    client = await Client.connected(world, clean_start=False)
    await client.subscribe(OWN + "/user/get")
    written: list[object] = []
    write = world.gateway._journal.write

    def count(*given: Any) -> None:
        written.append(given)
        write(*given)

    monkeypatch.setattr(world.gateway._journal, "write", count)
    await client.unsubscribe(*[SYS + "thing/service/x", OWN + "/user/get"] * 400)
    assert len(written) == 3  # a topic is muted in two steps, a subscription removed in one
    await client.unsubscribe(*[SYS + "thing/service/x", OWN + "/user/get"] * 400)
    assert len(written) == 3


async def test_subscribing_faster_than_the_database_stops_the_reading(world: World) -> None:
    transport, connection = deaf_device(world, clean_start=False)
    journal = world.gateway._journal
    gate = asyncio.Event()
    execute = journal._execute

    async def slowly(waiting: Any) -> BaseException | None:
        await gate.wait()
        return await execute(waiting)

    journal._execute = slowly  # type: ignore[method-assign]
    # Each portion may bring some hundred; no more portions are handled before they are answered.
    sent = 3000
    transport.protocol.data_received(packets(*[Subscribe(7, [Subscription(OWN + "/user/get", 1)])] * sent))
    await turns(200)
    assert transport.is_paused
    assert connection._waiting_controls < PORTION / len(OWN)
    assert len(journal._waiting) < 3 * PORTION / len(OWN)
    gate.set()
    answers = 0
    while answers < sent:
        answers += len(transport.drain()) // 5
        await asyncio.sleep(0.001)
    await until(lambda: not transport.is_paused)


# Saying what nobody says

LONG = "x" * 2000


@pytest.mark.parametrize(
    ("packet", "reason"),
    [
        (b"\x30\xff\xff\x7f", ReasonCode.PACKET_TOO_LARGE),
        (Publish(POST, b"x" * 262_145, 1, packet_id=1), ReasonCode.PACKET_TOO_LARGE),
        (Publish(SYS + LONG, b"", 0), ReasonCode.TOPIC_NAME_INVALID),
        (Publish("/" * 200, b"", 0), ReasonCode.TOPIC_NAME_INVALID),
        (Publish("x", b"", 2, packet_id=1), ReasonCode.QOS_NOT_SUPPORTED),
        (Publish("x", b"", 0, properties=Properties(topic_alias=21)), ReasonCode.TOPIC_ALIAS_INVALID),
        (Publish("", b"", 0, properties=Properties(topic_alias=3)), ReasonCode.PROTOCOL_ERROR),
        (b"\x30\x04\x00\x02\xc0\x80", ReasonCode.MALFORMED_PACKET),
        (b"\x30\x05\x00\x02a\x00\x00", ReasonCode.MALFORMED_PACKET),
        (connect_packet(version=5), ReasonCode.PROTOCOL_ERROR),
        (Connack(), ReasonCode.PROTOCOL_ERROR),
    ],
    ids=range(11),
)
async def test_who_breaks_a_limit_is_told_why_and_named_in_the_log(
    world: World, logs: LogCapture, packet: Any, reason: ReasonCode
) -> None:
    client = await Client.connected(world, version=5)
    if isinstance(packet, bytes):
        client.write(packet)
    else:
        client.send(packet)
    goodbye = (await client.closed())[-1]
    assert isinstance(goodbye, Disconnect)
    assert goodbye.reason == reason
    text = reason.name.lower().replace("_", " ")
    assert breaches(logs) == [(text, OWN)]
    assert world.gateway.reading()[f"mqtt_breaches_total:{text}"] == 1


async def test_a_window_that_is_exceeded_ends_the_connection_of_mqtt_5(world: World, logs: LogCapture) -> None:
    world.series.is_held = True
    client = await Client.connected(world, version=5)
    for number in range(1, 102):
        client.send(Publish(POST, b"{}", 1, packet_id=number))
    await client.ended()
    world.series.release()
    assert breaches(logs) == [("receive maximum exceeded", OWN)]


async def test_aliases_are_as_many_as_announced_and_last_as_long_as_the_connection(world: World) -> None:
    before = alive()
    transport, connection = deaf_device(world, version=5)
    for alias in range(1, 21):
        topic = f"{SYS}{'y' * 900}{alias}"
        for _ in range(5):
            publish = Publish(topic, b"", 0, properties=Properties(topic_alias=alias))
            transport.protocol.data_received(packets(publish, version=5))
    assert len(connection.link.connection._aliases_in) == 20
    transport.lose()
    await turns()
    del connection, transport
    assert alive() == before


# Being many


async def test_there_are_only_so_many_connections(start: StartWorld, logs: LogCapture) -> None:
    world = await start(connections=5)
    held = [await Client.connected(world)] + [await Client.open(world) for _ in range(4)]
    await until(lambda: world.gateway._hub.is_full)
    refused = await Client.open(world)
    assert await refused.closed() == []
    assert world.gateway.reading()["mqtt_rejected_total:full"] == 1
    assert any(entry["event"].startswith("too many connections") for entry in logs.entries)
    held[-1].close()
    await until(lambda: not world.gateway._hub.is_full)
    assert (await (await Client.open(world)).connect("sensor-02")).code == 0
    assert await held[0].drain() == []


async def test_a_burst_after_a_long_silence_is_no_reason_to_be_disconnected(start: StartWorld) -> None:
    world = await start(offline_messages_per_device=3, unacknowledged_seconds=30.0)
    client = await Client.connected(world, keepalive=600)
    world.pass_time(300)
    outcomes = [await world.gateway.downlink.send(command(b"x", qos=1)) for _ in range(110)]
    assert outcomes.count(False) == 7
    assert len([item for item in await client.drain() if isinstance(item, Publish)]) == 100


async def test_who_is_not_let_in_for_long_makes_room_for_others(
    start: StartWorld, logs: LogCapture, certificates: Certificates, trusting: ssl.SSLContext
) -> None:
    context = server_context(certificates.certificate, certificates.key)
    world = await start(newcomers=4, tick=3600, connect_timeout=10.0, ssl_context=context)
    hub = world.gateway._hub
    device = await Client.connected(world)  # does not count
    silent = await Client.open(world)
    hello, half = await Client.open(world), await Client.open(world)
    hello.write(client_hello())
    half.write(packets(connect_packet("sensor-02"))[:-1])
    last = await Client.open(world)
    await until(lambda: len(hub._entering) + len(hub._unknown) == 4 and len(hub._unknown) == 1)
    # Just many at a time: the newest comes too early.
    assert await (await Client.open(world)).closed() == []
    world.clock.advance(6)
    newcomers = [await Client.open(world, secure=trusting) for _ in range(4)]
    for client in (silent, hello, half, last):
        await client.ended()
    for client in newcomers:
        assert (await client.connect("sensor-02")).code == 0
    assert await device.drain() == []
    assert world.gateway.reading()["mqtt_rejected_total:crowded"] == 5
    assert any(entry["event"].startswith("too many connections that are not let in") for entry in logs.entries)


async def test_takeovers_beyond_some_in_a_second_wait_for_the_next(start: StartWorld, logs: LogCapture) -> None:
    world = await start(tick=3600)
    clients = [await Client.open(world) for _ in range(30)]
    for client in clients:
        client.send(connect_packet())
    bystander = await Client.connected(world, "sensor-02")
    reading = world.gateway.reading
    await until(lambda: reading()["mqtt_connects_total"] + reading()["mqtt_postponed_total"] == 31)
    # The first took over from nobody; ten did from one another. Of the others the newest waits.
    assert reading()["mqtt_connects_total"] == 1 + 10 + 1
    assert await bystander.drain() == []
    warnings = [entry for entry in logs.entries if "again and again" in entry["event"]]
    assert [entry["device"] for entry in warnings] == [OWN]
    await until(lambda: len(world.gateway._hub.open) == 3)
    world.pass_time(1)
    assert reading()["mqtt_connects_total"] == 13
    assert [(await client.expect(Connack)).code for client in clients].count(0) == 12
    assert reading()["mqtt_refused_total:overtaken"] == 18
    await until(lambda: len(world.gateway._hub.open) == 2)


async def test_who_has_waited_too_long_is_not_let_in_any_more(start: StartWorld) -> None:
    world = await start(tick=3600, connect_timeout=10.0)
    clients = [await Client.open(world) for _ in range(12)]
    for client in clients:
        client.send(connect_packet())
    reading = world.gateway.reading
    await until(lambda: reading()["mqtt_postponed_total"] == 1)
    # Both in one tick: it is closed, and it is its turn.
    world.pass_time(11)
    assert reading()["mqtt_connects_total"] == 11
    await until(lambda: len(world.gateway._hub.open) == 1)
    assert world.gateway.downlink.online(1)
    for client in clients:
        client.abort()
    await until(lambda: not world.gateway._hub.open)
    assert not world.gateway.downlink.online(1)
    assert world.devices.log[-1] == "sensor-01 disconnected"


async def test_who_acknowledges_nothing_for_long_while_its_queue_is_full_is_disconnected_with_a_line_that_names_it(
    start: StartWorld, logs: LogCapture
) -> None:
    world = await start(offline_messages_per_device=3, unacknowledged_seconds=30.0)
    client = await Client.connected(world, version=5, properties=Properties(receive_maximum=2))
    send = world.gateway.downlink.send
    for _ in range(5):
        assert await send(command(b"x", qos=1))
    assert not await send(command(b"x", qos=1))
    world.pass_time(25)
    client.send(Puback((await client.expect(Publish)).packet_id))
    await client.expect(Publish)
    await client.expect(Publish)
    world.pass_time(25)
    client.send(Ping())
    assert await send(command(b"x", qos=1))
    assert not await send(command(b"x", qos=1))
    assert breaches(logs) == []
    world.pass_time(6)
    assert not await send(command(b"x", qos=1))
    goodbye = (await client.closed())[-1]
    assert isinstance(goodbye, Disconnect)
    assert goodbye.reason == ReasonCode.QUOTA_EXCEEDED
    assert breaches(logs) == [("quota exceeded", OWN)]


async def test_who_has_left_while_it_waited_is_forgotten(start: StartWorld) -> None:
    world = await start(tick=3600)
    clients = [await Client.open(world) for _ in range(20)]
    for client in clients:
        client.send(connect_packet())
    reading = world.gateway.reading
    await until(lambda: reading()["mqtt_postponed_total"] == 9)
    for client in clients:
        client.abort()
    await until(lambda: not world.gateway._hub.open)
    world.pass_time(1)
    assert (reading()["mqtt_connects_total"], reading()["mqtt_connections"]) == (11, 0)


async def test_nothing_is_left_of_a_device_that_vanished(world: World) -> None:
    before = alive()
    transport, connection = deaf_device(world, keepalive=60)
    transport.protocol.data_received(packets(*[Publish(POST, b"{}")] * 10))
    await turns()
    world.pass_time(89)
    assert transport.closings == 0
    world.pass_time(3)
    assert transport.closings == 1
    transport.lose()
    world.seen.clear()
    del connection, transport
    await turns()
    assert alive() == before
    assert world.gateway._broker.sessions == {}
