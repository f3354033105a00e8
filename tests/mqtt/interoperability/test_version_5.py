"""What MQTT 5 adds, over real sockets."""

from typing import Any

import pytest

from tests.mqtt.interoperability.conftest import Server
from thingplane.mqtt import Capabilities, Properties, ReasonCode
from thingplane.mqtt.packets import Connack, Disconnect, Ping, Pong, Puback, Publish, Pubrec, Will

USER_PROPERTIES = [("unit", "K"), ("site", "north")]


def _expiry(seconds: int) -> dict[str, Any]:
    return {"properties": Properties(session_expiry_interval=seconds)}


async def _present(server: Server, seconds: int) -> bool:
    """Connect and leave again; returns whether there was a session."""
    client, present = await server.returning("c", 5, **_expiry(seconds))
    await client.disconnect()
    return present


async def test_session_lives_as_long_as_its_expiry_interval(server: Server) -> None:
    assert not await _present(server, 0)
    assert not await _present(server, 5)
    server.pass_time(2)
    assert await _present(server, 5)
    server.pass_time(6)
    assert not await _present(server, 1)


async def test_disconnect_changes_the_expiry_interval(server: Server) -> None:
    client = await server.client("c", 5, **_expiry(1))
    await client.disconnect(properties=Properties(session_expiry_interval=5))
    server.pass_time(3)
    client, present = await server.returning("c", 5, **_expiry(1))
    assert present
    await client.disconnect(properties=Properties(session_expiry_interval=0))
    assert not await _present(server, 1)


@pytest.mark.parametrize(("delay", "expiry", "seconds"), [(3, 5, 3), (5, 0, 0), (5, 2, 2)])
async def test_will_waits_for_its_delay_or_the_end_of_the_session(
    server: Server, delay: int, expiry: int, seconds: int
) -> None:
    watcher = await server.client("w", 5)
    await watcher.subscribe("room")
    will = Will("room", b"will", properties=Properties(will_delay_interval=delay, user_properties=USER_PROPERTIES))
    lost = await server.client("c", 5, will=will, **_expiry(expiry))
    await server.lose(lost, "c")
    if seconds:
        server.pass_time(seconds - 1)
        assert await watcher.settle() == []
        server.pass_time(1)
    (message,) = await watcher.settle()
    assert message.payload == b"will"
    assert message.properties == Properties(user_properties=USER_PROPERTIES)


async def test_user_properties_are_passed_on_with_every_qos(server: Server) -> None:
    client = await server.client("c", 5)
    await client.subscribe("a")
    for qos in range(3):
        await client.publish("a", b"", qos, properties=Properties(user_properties=USER_PROPERTIES))
    messages = await client.settle()
    assert [message.qos for message in messages] == [0, 1, 2]
    assert all(message.properties == Properties(user_properties=USER_PROPERTIES) for message in messages)


async def test_user_properties_are_retained(server: Server) -> None:
    publisher = await server.client("p", 5)
    await publisher.publish("a", retain=True, properties=Properties(user_properties=USER_PROPERTIES))
    subscriber = await server.client("s", 5)
    await subscriber.subscribe("a")
    assert [message.properties for message in await subscriber.settle()] == [
        Properties(user_properties=USER_PROPERTIES)
    ]


async def test_payload_format_and_content_type_are_passed_on(server: Server) -> None:
    client = await server.client("c", 5)
    await client.subscribe("a")
    described = Properties(payload_format_indicator=1, content_type="text/plain")
    for qos in range(3):
        await client.publish("a", b"", qos, properties=described)
    assert [message.properties for message in await client.settle()] == [described] * 3


async def test_publications_expire_while_they_wait(server: Server) -> None:
    client = await server.client("c", 5, **_expiry(1000))
    await client.subscribe("a")
    await client.disconnect()
    publisher = await server.client("p", 5)
    for seconds in (1, 6):
        for qos in (1, 2):
            await publisher.publish("a", b"", qos, properties=Properties(message_expiry_interval=seconds))
    server.pass_time(3)
    client, _ = await server.returning("c", 5)
    messages = await client.settle()
    assert [message.qos for message in messages] == [1, 2]
    assert all(message.properties == Properties(message_expiry_interval=3) for message in messages)


async def test_no_local_keeps_own_messages_away(server: Server) -> None:
    first, second = [await server.client(name, 5) for name in ("a", "b")]
    for client in (first, second):
        await client.subscribe("room", no_local=True)
    await first.publish("room", b"to the other")
    assert await first.settle() == []
    assert len(await second.settle()) == 1


async def test_retain_as_published_keeps_the_flag(server: Server) -> None:
    client = await server.client("c", 5)
    await client.subscribe("a", retain_as_published=True)
    await client.publish("a", retain=False)
    await client.publish("a", retain=True)
    assert [message.retain for message in await client.settle()] == [False, True]


@pytest.mark.parametrize(("handling", "counts"), [(0, [3, 3]), (1, [3, 0]), (2, [0, 0])])
async def test_retain_handling_decides_when_retained_messages_come(
    server: Server, handling: int, counts: list[int]
) -> None:
    client = await server.client("c", 5)
    for qos in range(3):
        await client.publish(f"a/{qos}", b"x", qos, retain=True)
    for count in counts:
        await client.subscribe("+/+", retain_handling=handling)
        assert len(await client.settle()) == count


async def test_identifier_is_assigned_and_told(server: Server) -> None:
    client = await server.dial(5)
    connack = await client.connect("")
    assert connack.properties is not None
    assert connack.properties.assigned_client_identifier in server.broker.sessions


async def test_subscription_identifiers_come_with_the_messages(server: Server) -> None:
    client = await server.client("c", 5)
    await client.subscribe("room", identifier=123_456)
    await client.subscribe("room/#", identifier=2)
    await client.publish("room")
    (message,) = await client.settle()
    assert message.properties is not None
    assert sorted(message.properties.subscription_identifiers) == [2, 123_456]


async def test_request_finds_its_response(server: Server) -> None:
    requester, responder = [await server.client(name, 5) for name in ("requester", "responder")]
    for client in (requester, responder):
        await client.subscribe("room", no_local=True)
    question = Properties(response_topic="room", correlation_data=b"17")
    await requester.publish("room", b"request", properties=question)
    (request,) = await responder.settle()
    assert request.properties == question
    await responder.publish("room", b"response", properties=Properties(correlation_data=b"17"))
    (response,) = await requester.settle()
    assert (response.payload, response.properties) == (b"response", Properties(correlation_data=b"17"))


async def test_alias_of_the_client_stands_for_its_topic_until_the_connection_ends(server: Server) -> None:
    client = await server.client("c", 5, **_expiry(1000))
    await client.subscribe("room")
    for topic in ("room", "", ""):
        await client.publish(topic, properties=Properties(topic_alias=1))
    assert [message.topic for message in await client.settle()] == ["room"] * 3
    await client.disconnect()
    client, _ = await server.returning("c", 5)
    await client.send(Publish("", b"", properties=Properties(topic_alias=1)))
    assert await client.end() == ReasonCode.PROTOCOL_ERROR


@pytest.mark.parametrize("alias", [0, 21])
async def test_alias_out_of_range_ends_the_connection(server: Server, alias: int) -> None:
    client = await server.client("c", 5)
    await client.send(Publish("room", b"", properties=Properties(topic_alias=alias)))
    assert await client.end() == ReasonCode.TOPIC_ALIAS_INVALID


async def test_server_uses_aliases_when_the_client_allows_them(server: Server) -> None:
    client = await server.client("c", 5, properties=Properties(topic_alias_maximum=1))
    await client.subscribe("room", "other")
    for topic in ("room", "room", "other"):
        await client.publish(topic)
    aliased = Properties(topic_alias=1)
    assert [(message.topic, message.properties) for message in await client.settle()] == [
        ("room", aliased),
        ("", aliased),
        ("other", None),
    ]


async def test_messages_larger_than_the_client_takes_are_dropped(server: Server) -> None:
    client = await server.client("c", 5, properties=Properties(maximum_packet_size=64))
    await client.subscribe("room")
    await client.publish("room", b"." * 32, 0)
    await client.publish("room", b"." * 64, 1)
    assert [len(message.payload) for message in await client.settle()] == [32]


async def test_keepalive_of_the_server_is_told(server: Server) -> None:
    client = await server.dial(5)
    connack = await client.connect("c", keepalive=120)
    assert connack.properties is not None
    assert connack.properties.server_keep_alive == 60


async def test_server_sends_no_more_than_the_receive_maximum(server: Server) -> None:
    client = await server.client("c", 5, properties=Properties(receive_maximum=2))
    await client.subscribe("a")
    client.acknowledging = False
    for _ in range(3):
        await client.publish("a", qos=1)
    first, second = await client.settle()
    await client.send(Puback(first.packet_id))
    (third,) = await client.settle()
    assert len({first.packet_id, second.packet_id, third.packet_id}) == 3


async def test_client_that_sends_more_than_the_receive_maximum_is_closed(server: Server) -> None:
    client = await server.client("c", 5)
    for number in range(1, 102):
        await client.send(Publish("a", b"", 2, packet_id=number))
    received: list[object] = []
    while (packet := await client.next()) is not None:
        received.append(packet)
    assert [packet for packet in received if not isinstance(packet, Pubrec)] == [
        Disconnect(ReasonCode.RECEIVE_MAXIMUM_EXCEEDED)
    ]
    assert len(received) == 101


class TestLimits:
    """A server that offers less."""

    @pytest.fixture
    def capabilities(self) -> Capabilities:
        return Capabilities(
            max_qos=1,
            retain="refused",
            max_packet_size=200,
            shared_subscriptions=False,
            wildcard_subscriptions=False,
            subscription_identifiers=False,
            topic_alias_maximum=0,
        )

    async def test_are_told_in_connack(self, server: Server) -> None:
        connack: Connack = await (await server.dial(5)).connect("c")
        assert connack.properties == Properties(
            maximum_qos=1,
            retain_available=0,
            maximum_packet_size=200,
            receive_maximum=100,
            shared_subscription_available=0,
            wildcard_subscription_available=0,
            subscription_identifier_available=0,
            topic_alias_maximum=0,
        )

    @pytest.mark.parametrize(
        ("packet", "reason"),
        [
            (Publish("a", b"", 2, packet_id=1), ReasonCode.QOS_NOT_SUPPORTED),
            (Publish("a", b"", retain=True), ReasonCode.RETAIN_NOT_SUPPORTED),
            (Publish("a", b"x" * 200), ReasonCode.PACKET_TOO_LARGE),
            (Publish("a", b"", properties=Properties(topic_alias=1)), ReasonCode.TOPIC_ALIAS_INVALID),
        ],
    )
    async def test_are_enforced(self, server: Server, packet: Publish, reason: ReasonCode) -> None:
        client = await server.client("c", 5)
        await client.send(packet)
        assert await client.end() == reason

    async def test_are_enforced_for_subscriptions(self, server: Server) -> None:
        client = await server.client("c", 5)
        assert await client.subscribe("$share/g/a", "a/+", "a") == [0x9E, 0xA2, 1]
        assert await client.subscribe("a", identifier=1) == [0xA1]
        await client.send(Ping())
        await client.until(Pong)
