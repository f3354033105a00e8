"""What every version of the protocol promises, over real sockets."""

import pytest

from tests.mqtt.interoperability.conftest import Server
from thingplane.mqtt import Message, ReasonCode
from thingplane.mqtt.packets import Connack, Connect, Publish, Will


async def test_messages_of_every_qos_come_back(server: Server, version: int) -> None:
    client = await server.client("c", version)
    assert await client.subscribe("room") == [2]
    for qos in range(3):
        await client.publish("room", str(qos).encode(), qos)
    assert [(message.payload, message.qos) for message in await client.settle()] == [(b"0", 0), (b"1", 1), (b"2", 2)]


async def test_large_message_comes_through_in_one_piece(server: Server, version: int) -> None:
    client = await server.client("c", version)
    await client.subscribe("a")
    payload = bytes(range(256)) * 1000
    await client.publish("a", payload, 2)
    assert [message.payload for message in await client.settle()] == [payload]


async def test_second_connect_on_a_connection_ends_it(server: Server, version: int) -> None:
    client = await server.client("c", version)
    await client.send(Connect("c", version))
    assert await client.end() == (ReasonCode.PROTOCOL_ERROR if version == 5 else None)


async def test_foreign_protocol_is_refused(server: Server) -> None:
    client = await server.dial(4)
    client._writer.write(bytes.fromhex("10 0a 0002 686a 04 02 0000 0000"))
    assert await client.until(Connack) == Connack(code=1)
    assert await client.next() is None


async def test_retained_messages_wait_for_subscribers_until_they_are_cleared(server: Server, version: int) -> None:
    publisher = await server.client("p", version)
    topics = ["room/B", "hall/light", "room/C"]
    for qos, topic in enumerate(topics):
        await publisher.publish(topic, topic.encode(), qos, retain=True)
    subscriber = await server.client("s", version)
    await subscriber.subscribe("+/+")
    messages = await subscriber.settle()
    assert sorted((message.topic, message.qos, message.retain) for message in messages) == sorted(
        (topic, qos, True) for qos, topic in enumerate(topics)
    )
    for qos, topic in enumerate(topics):
        await publisher.publish(topic, b"", qos, retain=True)
    later = await server.client("later", version)
    await later.subscribe("+/+")
    assert await later.settle() == []


async def test_will_tells_of_a_lost_client(server: Server, version: int) -> None:
    watcher = await server.client("w", version)
    await watcher.subscribe("hall/light")
    lost = await server.client("c", version, will=Will("hall/light", b"lost"))
    await server.lose(lost, "c")
    assert [message.payload for message in await watcher.settle()] == [b"lost"]


async def test_silence_beyond_the_keepalive_ends_the_connection_and_sends_the_will(
    server: Server, version: int
) -> None:
    watcher = await server.client("w", version)
    await watcher.subscribe("/room")
    silent = await server.client("c", version, keepalive=5, will=Will("/room", b"silent"))
    server.pass_time(7)
    assert server.broker.sessions["c"].link is not None
    server.pass_time(3)
    assert await silent.end() == (ReasonCode.KEEP_ALIVE_TIMEOUT if version == 5 else None)
    assert [message.payload for message in await watcher.settle()] == [b"silent"]


async def test_client_without_identifier_gets_one_where_the_version_allows_it(server: Server, version: int) -> None:
    clean = await server.dial(version)
    assert (await clean.connect("", clean_start=True)).code == (2 if version == 3 else 0)
    kept = await server.dial(version)
    assert (await kept.connect("", clean_start=False)).code == (0 if version == 5 else 2)


async def test_messages_wait_for_a_client_that_is_away(server: Server, version: int) -> None:
    client, present = await server.returning("c", version)
    assert not present
    await client.subscribe("+/+")
    await client.disconnect()
    publisher = await server.client("p", version)
    for qos in range(3):
        await publisher.publish("room/B", str(qos).encode(), qos)
    client, present = await server.returning("c", version)
    assert present
    assert [message.payload for message in await client.settle()] == [b"1", b"2"]


async def test_overlapping_subscriptions_give_one_message(server: Server, version: int) -> None:
    client = await server.client("c", version)
    await client.subscribe("room/#", qos=2)
    await client.subscribe("room/+", qos=1)
    await client.publish("room/C", b"overlapping", 2)
    assert [message.qos for message in await client.settle()] == [2]


async def test_unacknowledged_messages_are_repeated_after_a_reconnect(server: Server, version: int) -> None:
    client, _ = await server.returning("c", version)
    await client.subscribe("room/#")
    client.acknowledging = False
    for qos in (1, 2):
        await client.publish(f"room/{qos}", b"", qos)
    first = await client.settle()
    await client.disconnect()
    client, present = await server.returning("c", version)
    assert present
    again = await client.settle()
    assert [message.dup for message in first] == [False, False]
    assert [(message.topic, message.packet_id, message.dup) for message in again] == [
        (message.topic, message.packet_id, True) for message in first
    ]
    client, _ = await server.returning("c", version)
    assert await client.settle() == []


async def test_interrupted_qos_2_message_is_passed_on_once(server: Server, version: int) -> None:
    watcher = await server.client("w", version)
    await watcher.subscribe("a")
    sender, _ = await server.returning("c", version)
    await sender.send(Publish("a", b"once", 2, packet_id=5))
    await sender.lose()
    sender, _ = await server.returning("c", version)
    await sender.send(Publish("a", b"once", 2, dup=True, packet_id=5))
    sender._next_id = 5
    await sender.publish("b", qos=0)
    assert [message.payload for message in await watcher.settle()] == [b"once"]


async def test_refused_subscription_is_answered_with_a_failure(server: Server, version: int) -> None:
    client = await server.client("c", version)
    assert await client.subscribe("test/nosubscribe", "other") == [0x80, 2]


@pytest.mark.parametrize("topic_filter", ["#", "+/x", "+/#"])
async def test_wildcards_do_not_match_topics_with_a_dollar(server: Server, version: int, topic_filter: str) -> None:
    client = await server.client("c", version)
    await client.subscribe(topic_filter)
    await client.publish("$room/x")
    assert await client.settle() == []
    await client.subscribe("$room/#")
    await client.publish("$room/x")
    assert len(await client.settle()) == 1


async def test_unsubscribed_topics_stay_away(server: Server, version: int) -> None:
    client = await server.client("c", version)
    await client.subscribe("room", "room/B", "hall/light")
    assert await client.unsubscribe("room", "never") == ([0, 0x11] if version == 5 else [])
    publisher = await server.client("p", version)
    for topic in ("room", "room/B", "hall/light"):
        await publisher.publish(topic)
    assert [message.topic for message in await client.settle()] == ["room/B", "hall/light"]


async def test_same_client_elsewhere_ends_the_older_connection(server: Server, version: int) -> None:
    older = await server.client("c", version)
    newer = await server.client("c", version)
    assert await older.end() == (ReasonCode.SESSION_TAKEN_OVER if version == 5 else None)
    await newer.publish("a")


async def test_shared_subscription_gives_each_message_to_one_member(server: Server, version: int) -> None:
    members = [await server.client(name, version) for name in ("m1", "m2")]
    for member in members:
        await member.subscribe("$share/group/x", "all")
    publisher = await server.client("p", version)
    for topic in ("x", "x", "all"):
        await publisher.publish(topic)
    counts = [[message.topic for message in await member.settle()] for member in members]
    assert counts == [["x", "all"], ["x", "all"]]


async def test_too_large_packet_ends_the_connection(server: Server, version: int) -> None:
    client = await server.client("c", version)
    client._writer.write(b"\x30\xff\xff\x7f")
    assert await client.end() == (ReasonCode.PACKET_TOO_LARGE if version == 5 else None)


async def test_connection_that_was_reset_can_be_taken_over(server: Server, version: int) -> None:
    lost = await server.client("c", version)
    await lost.subscribe("a")
    server.broker.deliver(server.broker.sessions["c"], Message("a", b"unread"))
    lost._writer.transport.abort()
    await server.client("c", version)
    assert server.broker.sessions["c"].link is not None
