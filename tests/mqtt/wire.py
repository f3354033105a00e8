"""Framing for tests: packets to bytes and back, from either side."""

from collections.abc import Iterable

from thingplane.mqtt.codec.decode import decode
from thingplane.mqtt.codec.encode import encode
from thingplane.mqtt.packets import Packet


def split_packet(data: bytes) -> tuple[int, int, int] | None:
    """Return first byte, start and end of the body of the first packet; None when it is incomplete."""
    length = 0
    for index in range(1, 5):
        if index >= len(data):
            return None
        length |= (data[index] & 0x7F) << 7 * (index - 1)
        if data[index] < 0x80:
            end = index + 1 + length
            return (data[0], index + 1, end) if end <= len(data) else None
    raise AssertionError("remaining length of more than four bytes")


def read_packets(data: bytes, version: int) -> tuple[list[Packet], bytes]:
    """Return the complete packets and what is left."""
    packets: list[Packet] = []
    while (found := split_packet(data)) is not None:
        first, start, end = found
        packets.append(decode(first, data, start, end, version))
        data = data[end:]
    return packets, data


def write_packets(packets: Iterable[Packet], version: int) -> bytes:
    return b"".join(encode(packet, version) for packet in packets)
