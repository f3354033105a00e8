"""Data representations shared by all packets (MQTT 5.0, 1.5): integers, strings, binary data."""

from thingplane.mqtt.errors import ProtocolError
from thingplane.mqtt.numbers import MAX_REMAINING_LENGTH


def read_uint16(data: bytes, position: int, end: int) -> tuple[int, int]:
    """Return a two byte integer and the position after it. Raises ProtocolError when the data ends early."""
    if position + 2 > end:
        raise ProtocolError("the packet ends inside a two byte integer")
    return data[position] << 8 | data[position + 1], position + 2


def read_uint32(data: bytes, position: int, end: int) -> tuple[int, int]:
    """Return a four byte integer and the position after it. Raises ProtocolError when the data ends early."""
    if position + 4 > end:
        raise ProtocolError("the packet ends inside a four byte integer")
    return int.from_bytes(data[position : position + 4], "big"), position + 4


def read_byte(data: bytes, position: int, end: int) -> tuple[int, int]:
    """Return a byte and the position after it. Raises ProtocolError when there is none."""
    if position >= end:
        raise ProtocolError("the packet ends where a byte was expected")
    return data[position], position + 1


def read_variable_integer(data: bytes, position: int, end: int) -> tuple[int, int]:
    """Return a variable byte integer and the position after it.

    Raises:
        ProtocolError: the data ends early, the integer has more than four bytes or more than it needs (1.5.5).
    """
    value = 0
    for shift in (0, 7, 14, 21):
        byte, position = read_byte(data, position, end)
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            if byte == 0 and shift:
                raise ProtocolError("a variable byte integer is longer than necessary")
            return value, position
    raise ProtocolError("a variable byte integer has more than four bytes")


def read_binary(data: bytes, position: int, end: int) -> tuple[bytes, int]:
    """Return length-prefixed bytes and the position after them. Raises ProtocolError when the data ends early."""
    length, position = read_uint16(data, position, end)
    after = position + length
    if after > end:
        raise ProtocolError("the packet ends inside a string or binary data")
    return data[position:after], after


def read_string(data: bytes, position: int, end: int) -> tuple[str, int]:
    """Return a string and the position after it.

    Raises:
        ProtocolError: the data ends early, is no well-formed UTF-8 (overlong forms and surrogates included) or
            contains U+0000 (1.5.4).
    """
    raw, position = read_binary(data, position, end)
    return decode_text(raw), position


def decode_text(raw: bytes) -> str:
    """Decode the bytes of a string. Raises ProtocolError for ill-formed UTF-8 and for U+0000."""
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        raise ProtocolError("a string is not well-formed UTF-8") from None
    if "\0" in text:
        raise ProtocolError("a string contains U+0000")
    return text


def encode_variable_integer(value: int) -> bytes:
    """Encode a variable byte integer. Raises ValueError above 268,435,455."""
    if value < 0x80:
        return value.to_bytes(1, "big")
    if value > MAX_REMAINING_LENGTH:
        raise ValueError(f"{value} does not fit a variable byte integer")
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def encode_binary(value: bytes) -> bytes:
    """Encode length-prefixed bytes. Raises ValueError above 65,535."""
    if len(value) > 0xFFFF:
        raise ValueError("strings and binary data hold at most 65,535 bytes")
    return len(value).to_bytes(2, "big") + value


def encode_string(value: str) -> bytes:
    """Encode a string. Raises ValueError above 65,535 bytes of UTF-8."""
    return encode_binary(value.encode())
