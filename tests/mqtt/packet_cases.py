"""Named packets with their bytes, shared by all codec tests.

`CASES` are packets both ways: the bytes decode to the packet and the packet encodes to the bytes. `DECODE_ONLY` are
further ways to write a packet. `INVALID` are bytes no decoder may accept, with the reason code they get.
"""

from dataclasses import dataclass

from thingplane.mqtt.numbers import ReasonCode
from thingplane.mqtt.packets import (
    Auth,
    Connack,
    Connect,
    Disconnect,
    Packet,
    Ping,
    Pong,
    Puback,
    Pubcomp,
    Publish,
    Pubrec,
    Pubrel,
    Suback,
    Subscribe,
    Subscription,
    Unsuback,
    Unsubscribe,
    Will,
)
from thingplane.mqtt.properties import Properties


@dataclass(frozen=True)
class Case:
    name: str
    version: int
    packet: Packet
    data: bytes


@dataclass(frozen=True)
class Invalid:
    name: str
    version: int
    data: bytes
    reason: ReasonCode = ReasonCode.MALFORMED_PACKET


def _case(name: str, version: int, packet: Packet, text: str) -> Case:
    return Case(name, version, packet, bytes.fromhex(text))


def _invalid(name: str, version: int, text: str, reason: ReasonCode = ReasonCode.MALFORMED_PACKET) -> Invalid:
    return Invalid(name, version, bytes.fromhex(text), reason)


CASES = [
    _case("connect 3.1", 3, Connect("ab", 3, keepalive=60), "10 10 0006 4d5149736470 03 02 003c 0002 6162"),
    _case(
        "connect 3.1.1, kept session",
        4,
        Connect("ab", 4, clean_start=False),
        "10 0e 0004 4d515454 04 00 0000 0002 6162",
    ),
    _case("connect 3.1.1, no client id", 4, Connect("", 4), "10 0c 0004 4d515454 04 02 0000 0000"),
    _case(
        "connect 3.1.1, user name and password",
        4,
        Connect("a", 4, username="u", password=b"\x00p"),
        "10 14 0004 4d515454 04 c2 0000 0001 61 0001 75 0002 0070",
    ),
    _case(
        "connect 3.1.1, will",
        4,
        Connect("a", 4, will=Will("w", b"\xff", qos=1, retain=True)),
        "10 13 0004 4d515454 04 2e 0000 0001 61 0001 77 0001 ff",
    ),
    _case("connect 5", 5, Connect("a", 5), "10 0e 0004 4d515454 05 02 0000 00 0001 61"),
    _case(
        "connect 5, properties",
        5,
        Connect(
            "",
            5,
            keepalive=10,
            properties=Properties(
                session_expiry_interval=7,
                request_problem_information=0,
                request_response_information=1,
                receive_maximum=2,
                topic_alias_maximum=3,
                maximum_packet_size=64,
                user_properties=[("a", "2"), ("a", "3")],
            ),
        ),
        "10 2f 0004 4d515454 05 02 000a 22 11 00000007 17 00 19 01 21 0002 22 0003"
        " 26 0001 61 0001 32 26 0001 61 0001 33 27 00000040 0000",
    ),
    _case(
        "connect 5, extended authentication",
        5,
        Connect("", 5, properties=Properties(authentication_method="X", authentication_data=b"\x01")),
        "10 15 0004 4d515454 05 02 0000 08 15 0001 58 16 0001 01 0000",
    ),
    _case(
        "connect 5, will with properties and a password alone",
        5,
        Connect(
            "a",
            5,
            password=b"p",
            will=Will("w", b"", properties=Properties(will_delay_interval=5, message_expiry_interval=9)),
        ),
        "10 21 0004 4d515454 05 46 0000 00 0001 61 0a 02 00000009 18 00000005 0001 77 0000 0001 70",
    ),
    _case("connack accepted", 4, Connack(), "20 02 00 00"),
    _case("connack session present", 3, Connack(session_present=True), "20 02 01 00"),
    _case("connack refused", 4, Connack(code=5), "20 02 00 05"),
    _case("connack 5", 5, Connack(), "20 03 00 00 00"),
    _case(
        "connack 5, properties",
        5,
        Connack(
            properties=Properties(
                assigned_client_identifier="x",
                server_keep_alive=60,
                response_information="r",
                server_reference="s",
                reason_string="why",
                maximum_qos=1,
                retain_available=0,
                wildcard_subscription_available=1,
                subscription_identifier_available=0,
                shared_subscription_available=1,
            )
        ),
        "20 22 00 00 1f 12 0001 78 13 003c 1a 0001 72 1c 0001 73 1f 0003 776879 24 01 25 00 28 01 29 00 2a 01",
    ),
    _case("connack 5, refused", 5, Connack(code=0x87), "20 03 00 87 00"),
    _case("publish QoS 0", 4, Publish("a/b", b"hi"), "30 07 0003 612f62 6869"),
    _case("publish without payload", 3, Publish("a", b""), "30 03 0001 61"),
    _case("publish QoS 1", 4, Publish("a", b"x", 1, packet_id=10), "32 06 0001 61 000a 78"),
    _case(
        "publish QoS 2, repeated and retained",
        4,
        Publish("a", b"x", 2, retain=True, dup=True, packet_id=0xFFFF),
        "3d 06 0001 61 ffff 78",
    ),
    _case("publish with a topic of two-byte characters", 4, Publish("温度", b"1"), "30 09 0006 e6b8a9e5baa6 31"),
    _case("publish of 128 bytes", 4, Publish("a", b"\x07" * 125), "30 8001 0001 61" + "07" * 125),
    _case("publish of 16384 bytes", 4, Publish("a", b"\x07" * 16381), "30 808001 0001 61" + "07" * 16381),
    _case("publish 5", 5, Publish("a", b"x"), "30 05 0001 61 00 78"),
    _case("publish 5, QoS 1", 5, Publish("a", b"x", 1, packet_id=1), "32 07 0001 61 0001 00 78"),
    _case(
        "publish 5, properties",
        5,
        Publish(
            "a",
            b"",
            properties=Properties(
                payload_format_indicator=1,
                message_expiry_interval=2,
                content_type="t",
                response_topic="r",
                correlation_data=b"\x00",
                subscription_identifiers=[1, 128],
                topic_alias=9,
                user_properties=[("k", "v")],
            ),
        ),
        "30 26 0001 61 22 01 01 02 00000002 03 0001 74 08 0001 72 09 0001 00 0b 01 0b 8001 23 0009 26 0001 6b 0001 76",
    ),
    _case(
        "publish 5, topic by alias",
        5,
        Publish("", b"x", properties=Properties(topic_alias=1)),
        "30 07 0000 03 23 0001 78",
    ),
    _case("puback", 4, Puback(1), "40 02 0001"),
    _case("puback 5", 5, Puback(1), "40 02 0001"),
    _case("puback 5, reason", 5, Puback(1, 0x10), "40 03 0001 10"),
    _case(
        "puback 5, reason string",
        5,
        Puback(1, 0x87, Properties(reason_string="no")),
        "40 09 0001 87 05 1f 0002 6e6f",
    ),
    _case("pubrec", 3, Pubrec(2), "50 02 0002"),
    _case("pubrec 5, reason", 5, Pubrec(2, 0x97), "50 03 0002 97"),
    _case("pubrel", 4, Pubrel(3), "62 02 0003"),
    _case("pubrel 5, reason", 5, Pubrel(3, 0x92), "62 03 0003 92"),
    _case("pubcomp", 4, Pubcomp(4), "70 02 0004"),
    _case("pubcomp 5, reason", 5, Pubcomp(4, 0x92), "70 03 0004 92"),
    _case(
        "subscribe",
        4,
        Subscribe(5, [Subscription("a/+", 1), Subscription("#")]),
        "82 0c 0005 0003 612f2b 01 0001 23 00",
    ),
    _case(
        "subscribe 5, options and identifier",
        5,
        Subscribe(
            5,
            [Subscription("a", 2, no_local=True, retain_as_published=True, retain_handling=2, identifier=300)],
            Properties(subscription_identifiers=[300]),
        ),
        "82 0a 0005 03 0b ac02 0001 61 2e",
    ),
    _case("suback", 4, Suback(5, [0, 2, 0x80]), "90 05 0005 00 02 80"),
    _case("suback 5", 5, Suback(5, [1, 0x8F]), "90 05 0005 00 01 8f"),
    _case("unsubscribe", 4, Unsubscribe(6, ["a", "b"]), "a2 08 0006 0001 61 0001 62"),
    _case(
        "unsubscribe 5, user property",
        5,
        Unsubscribe(6, ["a"], Properties(user_properties=[("", "")])),
        "a2 0b 0006 05 26 0000 0000 0001 61",
    ),
    _case("unsuback", 4, Unsuback(6), "b0 02 0006"),
    _case("unsuback 5", 5, Unsuback(6, [0, 0x11]), "b0 05 0006 00 00 11"),
    _case("ping", 4, Ping(), "c0 00"),
    _case("pong", 5, Pong(), "d0 00"),
    _case("disconnect", 4, Disconnect(), "e0 00"),
    _case("disconnect 5", 5, Disconnect(), "e0 00"),
    _case("disconnect 5, reason", 5, Disconnect(0x8E), "e0 01 8e"),
    _case(
        "disconnect 5, session expiry",
        5,
        Disconnect(0, Properties(session_expiry_interval=1)),
        "e0 07 00 05 11 00000001",
    ),
    _case("auth", 5, Auth(0x18, Properties(authentication_method="X")), "f0 06 18 04 15 0001 58"),
    _case("auth, success", 5, Auth(), "f0 00"),
]

DECODE_ONLY = [
    _case("puback 5, written out", 5, Puback(1), "40 04 0001 00 00"),
    _case("disconnect 5, written out", 5, Disconnect(), "e0 02 00 00"),
    _case(
        "connect 3.1, user name announced and missing",
        3,
        Connect("ab", 3),
        "10 10 0006 4d5149736470 03 82 0000 0002 6162",
    ),
    _case("publish of one byte with a long remaining length", 4, Publish("a", b"x"), "30 8400 0001 61 78"),
]

_PROTOCOL = ReasonCode.PROTOCOL_ERROR
_VERSION = ReasonCode.UNSUPPORTED_PROTOCOL_VERSION
_TOPIC = ReasonCode.TOPIC_NAME_INVALID

INVALID = [
    _invalid("packet type 0", 4, "00 00"),
    _invalid("auth in 3.1.1", 4, "f0 00"),
    _invalid("connect with reserved header flags", 4, "11 0c 0004 4d515454 04 02 0000 0000"),
    _invalid("connect with the reserved flag", 4, "10 0c 0004 4d515454 04 03 0000 0000"),
    _invalid("connect of another protocol", 4, "10 0a 0002 686a 04 02 0000 0000", _VERSION),
    _invalid("connect of level 6", 4, "10 0c 0004 4d515454 06 02 0000 0000", _VERSION),
    _invalid("connect of 3.1 with the name of 3.1.1", 4, "10 0c 0004 4d515454 03 02 0000 0000", _VERSION),
    _invalid("connect without a body", 4, "10 00"),
    _invalid("connect with more than it needs", 4, "10 0d 0004 4d515454 04 02 0000 0000 00"),
    _invalid("connect without the announced will", 4, "10 0c 0004 4d515454 04 06 0000 0000"),
    _invalid("connect with will QoS 3", 4, "10 12 0004 4d515454 04 1e 0000 0000 0001 77 0001 ff"),
    _invalid("connect with will QoS but no will", 4, "10 0c 0004 4d515454 04 0a 0000 0000"),
    _invalid("connect with will retain but no will", 4, "10 0c 0004 4d515454 04 22 0000 0000"),
    _invalid("connect with a wildcard as will topic", 4, "10 11 0004 4d515454 04 06 0000 0000 0001 23 0000", _TOPIC),
    _invalid("connect 3.1.1 with a password alone", 4, "10 0f 0004 4d515454 04 42 0000 0000 0001 70"),
    _invalid(
        "connect 5 with authentication data alone", 5, "10 11 0004 4d515454 05 02 0000 04 16 0001 01 0000", _PROTOCOL
    ),
    _invalid("connect 5 with receive maximum 0", 5, "10 10 0004 4d515454 05 02 0000 03 21 0000 0000", _PROTOCOL),
    _invalid("connect 5 with a property twice", 5, "10 13 0004 4d515454 05 02 0000 06 21 0001 21 0001 0000", _PROTOCOL),
    _invalid("connect 5 with a property of publish", 5, "10 0f 0004 4d515454 05 02 0000 02 01 00 0000", _PROTOCOL),
    _invalid("connect 5 with properties beyond its end", 5, "10 0d 0004 4d515454 05 02 0000 09 0000"),
    _invalid("publish QoS 3", 4, "36 06 0001 61 000a 78"),
    _invalid("publish QoS 0 repeated", 4, "38 04 0001 61 78"),
    _invalid("publish without topic", 4, "30 03 0000 78", _PROTOCOL),
    _invalid("publish 5 without topic", 5, "30 04 0000 00 78", _PROTOCOL),
    _invalid("publish with a topic longer than the packet", 4, "30 04 0003 61 78"),
    _invalid("publish with half a topic length", 4, "30 01 00"),
    _invalid("publish QoS 1 without packet id", 4, "32 03 0001 61"),
    _invalid("publish QoS 1 with packet id 0", 4, "32 06 0001 61 0000 78", _PROTOCOL),
    _invalid("publish to a wildcard", 4, "30 05 0003 612f2b", _TOPIC),
    _invalid("publish to a hash", 4, "30 03 0001 23", _TOPIC),
    _invalid("publish to a topic with NUL", 4, "30 05 0003 610062"),
    _invalid("publish to a surrogate", 4, "30 05 0003 eda080"),
    _invalid("publish to an overlong slash", 4, "30 04 0002 c0af"),
    _invalid("publish to a topic that ends inside a character", 4, "30 04 0002 e6b8"),
    _invalid("publish 5 without property length", 5, "30 03 0001 61"),
    _invalid("publish 5 with an unknown property", 5, "30 06 0001 61 02 7f 00"),
    _invalid("publish 5 with a payload format of 2", 5, "30 06 0001 61 02 01 02", _PROTOCOL),
    _invalid("publish 5 with a property length of five bytes", 5, "30 08 0001 61 8080808001"),
    _invalid("publish 5 with a property length longer than needed", 5, "30 05 0001 61 8000"),
    _invalid("publish 5 with a wildcard as response topic", 5, "30 08 0001 61 04 08 0001 23", _TOPIC),
    _invalid("publish 5 with subscription identifier 0", 5, "30 06 0001 61 02 0b 00", _PROTOCOL),
    _invalid("publish 5 with half an expiry interval", 5, "30 07 0001 61 03 02 0000"),
    _invalid("puback with flags", 4, "41 02 0001"),
    _invalid("puback without packet id", 4, "40 00"),
    _invalid("puback with packet id 0", 4, "40 02 0000", _PROTOCOL),
    _invalid("puback 3.1.1 with a reason", 4, "40 03 0001 00"),
    _invalid("puback 5 with a reason of another packet", 5, "40 03 0001 8e", _PROTOCOL),
    _invalid("puback 5 with data after its properties", 5, "40 05 0001 00 00 00"),
    _invalid("pubrel without its flags", 4, "60 02 0001"),
    _invalid("subscribe without its flags", 4, "80 06 0005 0001 61 00"),
    _invalid("subscribe without a filter", 4, "82 02 0005", _PROTOCOL),
    _invalid("subscribe without options", 4, "82 05 0005 0001 61"),
    _invalid("subscribe with QoS 3", 4, "82 06 0005 0001 61 03"),
    _invalid("subscribe 3.1.1 with the options of 5", 4, "82 06 0005 0001 61 04"),
    _invalid("subscribe 5 with reserved options", 5, "82 07 0005 00 0001 61 40"),
    _invalid("subscribe 5 with retain handling 3", 5, "82 07 0005 00 0001 61 30", _PROTOCOL),
    _invalid("subscribe 5, shared and no local", 5, "82 10 0005 00 000a 2473686172652f672f61 04", _PROTOCOL),
    _invalid("subscribe 5 with two identifiers", 5, "82 0b 0005 04 0b 01 0b 02 0001 61 00", _PROTOCOL),
    _invalid("unsubscribe without a filter", 4, "a2 02 0005", _PROTOCOL),
    _invalid("ping with a body", 4, "c0 01 00"),
    _invalid("disconnect 3.1.1 with a reason", 4, "e0 01 00"),
    _invalid("disconnect 5 with a reason of another packet", 5, "e0 01 92", _PROTOCOL),
    _invalid("connack with reserved flags", 4, "20 02 02 00"),
    _invalid("connack longer than two bytes", 4, "20 03 00 00 00"),
    _invalid("unsuback 3.1.1 with codes", 4, "b0 03 0006 00"),
]
