import pytest

from thingplane.mqtt import Capabilities, Properties, ProtocolError, ReasonCode, ServerConnection
from thingplane.mqtt.codec.encode import encode
from thingplane.mqtt.packets import (
    Auth,
    Connack,
    Connect,
    Disconnect,
    Event,
    Packet,
    Ping,
    Pong,
    Publish,
    Pubrel,
    Suback,
    Unsuback,
)

from tests.mqtt.wire import read_packets  # isort: skip


def _connection(
    version: int = 4, properties: Properties | None = None, capabilities: Capabilities | None = None
) -> ServerConnection:
    connection = ServerConnection(capabilities or Capabilities())
    connection.receive_data(encode(Connect("c", version, properties=properties), version))
    connection.connack(0)
    connection.data_to_send()
    return connection


def _feed(connection: ServerConnection, *packets: Packet) -> list[Event]:
    return connection.receive_data(b"".join(encode(packet, connection.version) for packet in packets))


def _sent(connection: ServerConnection) -> list[Packet]:
    packets, rest = read_packets(connection.data_to_send(), connection.version)
    assert not rest
    return packets


def _reason(connection: ServerConnection, data: bytes) -> ReasonCode:
    with pytest.raises(ProtocolError) as caught:
        connection.receive_data(data)
    return caught.value.reason


def test_connect_tells_who_and_how() -> None:
    connection = ServerConnection(Capabilities())
    connection.receive_data(encode(Connect("dev", 5, keepalive=30, properties=Properties(receive_maximum=7)), 5))
    assert (connection.version, connection.client_id) == (5, "dev")
    assert (connection.keepalive, connection.receive_maximum) == (30, 7)


def test_nothing_is_decoded_before_connect_is_answered() -> None:
    connection = ServerConnection(Capabilities())
    connect = Connect("c")
    data = encode(connect, 4) + encode(Ping(), 4)
    assert connection.receive_data(data) == [connect]
    assert connection.receive_data(encode(Publish("a", b""), 4)) == []
    connection.connack(0)
    assert connection.receive_data(b"") == [Ping(), Publish("a", b"")]
    assert _sent(connection) == [Connack(), Pong()]


def test_nothing_is_decoded_after_a_refusal() -> None:
    connection = ServerConnection(Capabilities())
    connection.receive_data(encode(Connect("c"), 4) + encode(Ping(), 4))
    connection.connack(5)
    assert connection.receive_data(b"") == []
    assert connection.data_to_send() == bytes.fromhex("20020005")


def test_waiting_data_is_bounded_by_one_packet() -> None:
    connection = ServerConnection(Capabilities(max_packet_size=100))
    connection.receive_data(encode(Connect("c"), 4))
    assert connection.receive_data(bytes(100)) == []
    assert _reason(connection, b"\0") is ReasonCode.PACKET_TOO_LARGE


def test_first_packet_has_to_be_connect_and_one_byte_tells() -> None:
    assert _reason(ServerConnection(Capabilities()), b"\x30") is ReasonCode.PROTOCOL_ERROR


def test_second_connect_is_an_error() -> None:
    assert _reason(_connection(), encode(Connect("c"), 4)) is ReasonCode.PROTOCOL_ERROR


@pytest.mark.parametrize(
    "packet", [Connack(), Suback(1, [0]), Unsuback(1, []), Pong()], ids=lambda packet: type(packet).__name__
)
def test_packets_of_servers_are_errors(packet: Packet) -> None:
    assert _reason(_connection(), encode(packet, 4)) is ReasonCode.PROTOCOL_ERROR


def test_too_large_packet_is_refused_as_soon_as_its_length_is_known() -> None:
    connection = _connection(capabilities=Capabilities(max_packet_size=300))
    assert _reason(connection, b"\x30\xaa\x02") is ReasonCode.PACKET_TOO_LARGE


def test_packet_of_exactly_the_maximum_is_taken() -> None:
    connection = _connection(capabilities=Capabilities(max_packet_size=300))
    packet = Publish("a", b"x" * 294)
    assert len(encode(packet, 4)) == 300
    assert _feed(connection, packet) == [packet]


def test_connect_has_a_limit_of_its_own() -> None:
    connection = ServerConnection(Capabilities(max_connect_size=50))
    assert _reason(connection, b"\x10\x60") is ReasonCode.PACKET_TOO_LARGE


def test_remaining_length_of_five_bytes_is_malformed() -> None:
    assert _reason(_connection(), b"\x30\xff\xff\xff\xff") is ReasonCode.MALFORMED_PACKET


def test_incomplete_packet_keeps_no_more_than_it_announced() -> None:
    connection = _connection()
    packet = encode(Publish("a", b"x" * 1000), 4)
    for index in range(len(packet) - 1):
        assert connection.receive_data(packet[index : index + 1]) == []
    assert connection.receive_data(packet[-1:]) == [Publish("a", b"x" * 1000)]
    assert connection._buffer is None


def test_events_before_an_error_come_with_it() -> None:
    connection = _connection()
    with pytest.raises(ProtocolError) as caught:
        connection.receive_data(encode(Publish("a", b""), 4) + b"\x00\x00")
    assert caught.value.events == [Publish("a", b"")]


def test_nothing_is_taken_after_an_error_or_a_disconnect() -> None:
    connection = _connection()
    assert _reason(connection, b"\x00\x00") is ReasonCode.MALFORMED_PACKET
    assert _feed(connection, Ping()) == []
    connection = _connection()
    assert _feed(connection, Disconnect(), Ping()) == [Disconnect()]
    assert _feed(connection, Ping()) == []


def test_unknown_protocol_can_be_answered_in_its_own_terms() -> None:
    old = ServerConnection(Capabilities())
    assert _reason(old, bytes.fromhex("10 0a 0002 686a 04 02 0000 0000")) is ReasonCode.UNSUPPORTED_PROTOCOL_VERSION
    assert old.version == 4
    new = ServerConnection(Capabilities())
    assert _reason(new, bytes.fromhex("10 0c 0004 4d515454 06 02 0000 0000")) is ReasonCode.UNSUPPORTED_PROTOCOL_VERSION
    assert new.version == 5


def test_connack_is_two_bytes_for_3x() -> None:
    connection = ServerConnection(Capabilities())
    connection.receive_data(encode(Connect("c"), 4))
    connection.connack(0, session_present=True, properties=None)
    assert connection.data_to_send() == bytes.fromhex("20020100")


def test_topic_alias_stands_for_the_topic_it_was_defined_with() -> None:
    connection = _connection(5)
    alias = Properties(topic_alias=3)
    events = _feed(
        connection, Publish("a/b", b"1", properties=alias), Publish("", b"2", properties=Properties(topic_alias=3))
    )
    assert [(event.topic, event.payload) for event in events if isinstance(event, Publish)] == [
        ("a/b", b"1"),
        ("a/b", b"2"),
    ]
    assert all(event.properties == Properties() for event in events if isinstance(event, Publish))


def test_topic_alias_can_be_defined_anew() -> None:
    connection = _connection(5)
    topics = [("a", 1), ("b", 1), ("", 1)]
    events = _feed(
        connection, *(Publish(name, b"", properties=Properties(topic_alias=alias)) for name, alias in topics)
    )
    assert [event.topic for event in events if isinstance(event, Publish)] == ["a", "b", "b"]


@pytest.mark.parametrize(
    ("topic", "alias", "reason"),
    [
        ("a", 0, ReasonCode.TOPIC_ALIAS_INVALID),
        ("a", 21, ReasonCode.TOPIC_ALIAS_INVALID),
        ("", 1, ReasonCode.PROTOCOL_ERROR),
    ],
)
def test_wrong_topic_alias_is_an_error(topic: str, alias: int, reason: ReasonCode) -> None:
    packet = Publish(topic, b"", properties=Properties(topic_alias=alias))
    assert _reason(_connection(5), encode(packet, 5)) is reason


def test_subscription_identifier_from_a_client_is_an_error() -> None:
    packet = Publish("a", b"", properties=Properties(subscription_identifiers=[1]))
    assert _reason(_connection(5), encode(packet, 5)) is ReasonCode.PROTOCOL_ERROR


@pytest.mark.parametrize("topic", ["a" * 11, "温度温度", "a/b/c/d"])
@pytest.mark.parametrize("retain", [False, True])
def test_too_long_or_too_deep_topic_is_an_error(topic: str, retain: bool) -> None:
    connection = _connection(capabilities=Capabilities(max_topic_length=10, max_topic_levels=3))
    assert _reason(connection, encode(Publish(topic, b"", retain=retain), 4)) is ReasonCode.TOPIC_NAME_INVALID


def test_more_messages_in_flight_than_announced_are_an_error_in_5() -> None:
    connection = _connection(5, capabilities=Capabilities(receive_maximum=2))
    assert len(_feed(connection, *(Publish("a", b"", 1, packet_id=number) for number in (1, 2)))) == 2
    connection.puback(1)
    assert len(_feed(connection, Publish("a", b"", 2, packet_id=3))) == 1
    assert _reason(connection, encode(Publish("a", b"", 1, packet_id=4), 5)) is ReasonCode.RECEIVE_MAXIMUM_EXCEEDED


def test_qos_2_counts_until_it_is_complete_and_repetitions_do_not() -> None:
    connection = _connection(5, capabilities=Capabilities(receive_maximum=1))
    _feed(connection, Publish("a", b"", 2, packet_id=1))
    _feed(connection, Publish("a", b"", 2, dup=True, packet_id=1))
    connection.pubrec(1)
    assert connection.unacknowledged == 1
    _feed(connection, Pubrel(1))
    connection.pubcomp(1)
    assert connection.unacknowledged == 0
    _feed(connection, Publish("a", b"", 2, packet_id=2))
    connection.pubrec(2, 0x97)
    assert connection.unacknowledged == 0


def test_3x_clients_have_no_receive_maximum() -> None:
    connection = _connection(4, capabilities=Capabilities(receive_maximum=1))
    assert len(_feed(connection, *(Publish("a", b"", 1, packet_id=number) for number in (1, 2, 3)))) == 3
    assert connection.unacknowledged == 3


def test_limits_in_connack_count() -> None:
    connection = ServerConnection(Capabilities())
    connection.receive_data(encode(Connect("c", 5), 5))
    connection.connack(0, properties=Properties(topic_alias_maximum=1, receive_maximum=1, maximum_packet_size=20))
    assert _feed(connection, Publish("a", b"", properties=Properties(topic_alias=1)))
    assert _reason(connection, b"\x30\x20") is ReasonCode.PACKET_TOO_LARGE


def test_server_defines_aliases_as_far_as_the_client_allows() -> None:
    connection = _connection(5, Properties(topic_alias_maximum=1))
    for topic in ("a", "a", "b"):
        connection.publish(topic, b"x")
    first, second, third = _sent(connection)
    assert (first, second, third) == (
        Publish("a", b"x", properties=Properties(topic_alias=1)),
        Publish("", b"x", properties=Properties(topic_alias=1)),
        Publish("b", b"x"),
    )


def test_message_too_large_for_the_client_is_not_sent_and_defines_no_alias() -> None:
    connection = _connection(5, Properties(maximum_packet_size=20, topic_alias_maximum=5))
    assert not connection.publish("a", b"x" * 20)
    assert connection.publish("a", b"x")
    assert _sent(connection) == [Publish("a", b"x", properties=Properties(topic_alias=1))]


def test_reason_string_gives_way_to_the_packet_size_of_the_client() -> None:
    connection = _connection(5, Properties(maximum_packet_size=10))
    connection.puback(1, 0x87, Properties(reason_string="a long story"))
    assert connection.data_to_send() == bytes.fromhex("4003000187")


def test_disconnect_is_sent_in_5_only() -> None:
    for version, expected in ((3, b""), (4, b""), (5, bytes.fromhex("e0018e"))):
        connection = _connection(version)
        connection.disconnect(ReasonCode.SESSION_TAKEN_OVER)
        assert connection.data_to_send() == expected
        assert not connection.is_open


def test_failures_in_suback_are_0x80_in_3x() -> None:
    connection = _connection(3)
    connection.suback(1, [0, 0x8F, 0x97])
    assert _sent(connection) == [Suback(1, [0, 0x80, 0x80])]


def test_extended_authentication_goes_step_by_step() -> None:
    connection = ServerConnection(Capabilities())
    method = Properties(authentication_method="X")
    connection.receive_data(encode(Connect("c", 5, properties=method), 5))
    connection.auth(0x18, method)
    step = Auth(0x18, Properties(authentication_method="X", authentication_data=b"1"))
    assert _feed(connection, step, Ping()) == [step]
    connection.connack(0)
    assert connection.receive_data(b"") == [Ping()]
    assert _feed(connection, step) == [step]


def test_client_may_give_up_authentication() -> None:
    connection = ServerConnection(Capabilities())
    method = Properties(authentication_method="X")
    connection.receive_data(encode(Connect("c", 5, properties=method), 5))
    connection.auth(0x18, method)
    assert _feed(connection, Disconnect(), Ping()) == [Disconnect()]


def test_only_auth_or_disconnect_may_follow_auth() -> None:
    connection = ServerConnection(Capabilities())
    method = Properties(authentication_method="X")
    connection.receive_data(encode(Connect("c", 5, properties=method), 5))
    connection.auth(0x18, method)
    assert _reason(connection, encode(Ping(), 5)) is ReasonCode.PROTOCOL_ERROR


def test_auth_without_a_method_is_an_error() -> None:
    assert _reason(_connection(5), encode(Auth(0x19), 5)) is ReasonCode.PROTOCOL_ERROR


@pytest.mark.parametrize("size", [0, 100, 120, 130, 16_370, 16_380, 16_390, 70_000])
@pytest.mark.parametrize("version", [4, 5])
def test_messages_of_any_size_are_framed(version: int, size: int) -> None:
    connection = _connection(version)
    for qos in (0, 1):
        connection.publish("topic", bytes(size), qos, packet_id=5 * qos)
    assert _sent(connection) == [Publish("topic", bytes(size)), Publish("topic", bytes(size), 1, packet_id=5)]
