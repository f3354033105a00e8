"""The client side of MQTT 3.1.1, as far as a simulated device speaks it."""

import hmac
import struct
from collections.abc import Iterator
from typing import NamedTuple

CONNACK, PUBLISH, PUBACK = 0x20, 0x30, 0x40
PINGREQ = b"\xc0\x00"
DISCONNECT = b"\xe0\x00"


class Identity(NamedTuple):
    """What is burnt into a device."""

    product_key: str
    device_name: str
    device_secret: str


class Packet(NamedTuple):
    """One packet from the server."""

    kind: int
    """First byte with the flags cleared."""
    flags: int
    body: bytes


def _length(size: int) -> bytes:
    encoded = bytearray()
    while True:
        size, digit = divmod(size, 128)
        encoded.append(digit | (0x80 if size else 0))
        if not size:
            return bytes(encoded)


def _text(value: str) -> bytes:
    raw = value.encode()
    return struct.pack("!H", len(raw)) + raw


def connect(identity: Identity, *, secure: bool, keepalive: int = 1200) -> bytes:
    """Return a CONNECT packet signed with the device's secret (one secret per device, hmacsha256)."""
    client_id = f"{identity.product_key}&{identity.device_name}"
    content = f"clientId{client_id}deviceName{identity.device_name}productKey{identity.product_key}"
    password = hmac.digest(identity.device_secret.encode(), content.encode(), "sha256").hex()
    extended = f"{client_id}|securemode={2 if secure else 3},signmethod=hmacsha256,_ss=1|"
    header = b"\x00\x04MQTT\x04\xc2" + struct.pack("!H", keepalive)
    body = header + _text(extended) + _text(f"{identity.device_name}&{identity.product_key}") + _text(password)
    return b"\x10" + _length(len(body)) + body


def publish(topic: bytes, payload: bytes, packet_id: int | None) -> bytes:
    """Return a PUBLISH packet: QoS 1 with a packet id, QoS 0 without."""
    identifier = b"" if packet_id is None else struct.pack("!H", packet_id)
    size = 2 + len(topic) + len(identifier) + len(payload)
    first = b"0" if packet_id is None else b"2"
    return b"".join((first, _length(size), struct.pack("!H", len(topic)), topic, identifier, payload))


def puback(packet_id: int) -> bytes:
    """Return a PUBACK packet."""
    return struct.pack("!BBH", PUBACK, 2, packet_id)


def topic_and_payload(packet: Packet) -> tuple[str, bytes, int | None]:
    """Take a PUBLISH apart into topic, payload and packet id (None with QoS 0)."""
    size = int.from_bytes(packet.body[:2])
    end = 2 + size
    topic = packet.body[2:end].decode()
    if packet.flags & 0x06:
        return topic, packet.body[end + 2 :], int.from_bytes(packet.body[end : end + 2])
    return topic, packet.body[end:], None


class Reader:
    """Cuts the server's byte stream into packets."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[Packet]:
        """Take what arrived and give the packets that are complete."""
        buffer = self._buffer
        buffer += data
        at = 0
        while len(buffer) - at >= 2:
            size, position, shift = 0, at + 1, 0
            while position < len(buffer):
                digit = buffer[position]
                position += 1
                size |= (digit & 0x7F) << shift
                shift += 7
                if digit < 0x80:
                    break
            else:
                break
            if position + size > len(buffer):
                break
            yield Packet(buffer[at] & 0xF0, buffer[at] & 0x0F, bytes(buffer[position : position + size]))
            at = position + size
        del buffer[:at]
