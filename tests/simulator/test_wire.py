"""The simulator's few packets, read and written by the platform's own codec."""

import hmac

from hypothesis import given
from hypothesis import strategies as st

from tests.mqtt.wire import read_packets, write_packets
from thingplane.mqtt.packets import Connack, Connect, Disconnect, Packet, Ping, Puback, Publish
from thingplane.simulator import wire

IDENTITY = wire.Identity("a1b2c3d4e5f", "thermostat-1", "0123456789abcdef0123456789abcdef")
VERSION = 4

topics = st.text("abc/é温", min_size=1, max_size=200)
payloads = st.binary(max_size=300)


def decoded(data: bytes) -> Packet:
    (packet,), rest = read_packets(data, VERSION)
    assert rest == b""
    return packet


def test_connect_is_signed_with_the_secret_as_documented() -> None:
    for secure, mode in ((False, "3"), (True, "2")):
        packet = decoded(wire.connect(IDENTITY, secure=secure, keepalive=77))
        assert isinstance(packet, Connect)
        client_id, _, parameters = packet.client_id.strip("|").partition("|")
        assert dict(item.split("=") for item in parameters.split(","))["securemode"] == mode
        content = f"clientId{client_id}deviceNamethermostat-1productKeya1b2c3d4e5f"
        expected = hmac.digest(IDENTITY.device_secret.encode(), content.encode(), "sha256").hex()
        assert packet.password == expected.encode()
        assert packet.username == "thermostat-1&a1b2c3d4e5f"
        assert (packet.version, packet.clean_start, packet.keepalive) == (VERSION, True, 77)


@given(topics, payloads, st.none() | st.integers(1, 65535))
def test_publish_is_what_the_codec_reads(topic: str, payload: bytes, packet_id: int | None) -> None:
    packet = decoded(wire.publish(topic.encode(), payload, packet_id))
    assert isinstance(packet, Publish)
    assert (packet.topic, packet.payload) == (topic, payload)
    assert packet.qos == (packet_id is not None)
    assert packet.packet_id == (packet_id or 0)


def test_small_packets_are_what_the_codec_reads() -> None:
    assert decoded(wire.puback(513)) == Puback(513)
    assert isinstance(decoded(wire.PINGREQ), Ping)
    assert isinstance(decoded(wire.DISCONNECT), Disconnect)


@given(st.lists(st.builds(Publish, topics, payloads, st.just(0)), max_size=5), st.data())
def test_reader_finds_packets_however_the_stream_is_cut(messages: list[Publish], data: st.DataObject) -> None:
    packets: list[Packet] = [Connack(), *messages, Puback(7), Publish("t", b"x" * 200, 1, packet_id=9)]
    stream = write_packets(packets, VERSION)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    reader = wire.Reader()
    found = [
        packet
        for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)
        for packet in reader.feed(stream[start:end])
    ]
    assert [packet.kind for packet in found] == [
        wire.CONNACK,
        *[wire.PUBLISH] * len(messages),
        wire.PUBACK,
        wire.PUBLISH,
    ]
    assert [wire.topic_and_payload(packet) for packet in found[1:-2]] == [
        (message.topic, message.payload, None) for message in messages
    ]
    assert wire.topic_and_payload(found[-1]) == ("t", b"x" * 200, 9)
