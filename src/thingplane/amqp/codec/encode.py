"""Encoding of the AMQP values that a server sends (part 1 of the standard), each in its shortest form."""

from collections.abc import Sequence
from typing import Final

NULL: Final = b"\x40"
TRUE: Final = b"\x41"
FALSE: Final = b"\x42"
EMPTY_LIST: Final = b"\x45"


def boolean(value: bool) -> bytes:
    """Encode a boolean."""
    return TRUE if value else FALSE


def ubyte(value: int) -> bytes:
    """Encode an unsigned integer of 8 bits."""
    return bytes((0x50, value))


def ushort(value: int) -> bytes:
    """Encode an unsigned integer of 16 bits."""
    return b"\x60" + value.to_bytes(2, "big")


def uint(value: int) -> bytes:
    """Encode an unsigned integer of 32 bits."""
    if value == 0:
        return b"\x43"
    return bytes((0x52, value)) if value < 0x100 else b"\x70" + value.to_bytes(4, "big")


def ulong(value: int) -> bytes:
    """Encode an unsigned integer of 64 bits."""
    if value == 0:
        return b"\x44"
    return bytes((0x53, value)) if value < 0x100 else b"\x80" + value.to_bytes(8, "big")


def integer(value: int) -> bytes:
    """Encode a signed integer of 32 bits (type int)."""
    if -0x80 <= value < 0x80:
        return b"\x54" + value.to_bytes(1, "big", signed=True)
    return b"\x71" + value.to_bytes(4, "big", signed=True)


def long(value: int) -> bytes:
    """Encode a signed integer of 64 bits."""
    if -0x80 <= value < 0x80:
        return b"\x55" + value.to_bytes(1, "big", signed=True)
    return b"\x81" + value.to_bytes(8, "big", signed=True)


def binary(value: bytes) -> bytes:
    """Encode bytes."""
    return _sized(0xA0, value)


def string(value: str) -> bytes:
    """Encode text."""
    return _sized(0xA1, value.encode())


def symbol(value: str) -> bytes:
    """Encode a symbol. Raises UnicodeEncodeError for text beyond ASCII."""
    return _sized(0xA3, value.encode("ascii"))


def symbols(values: Sequence[str]) -> bytes:
    """Encode an array of symbols of at most 255 bytes each."""
    content = b"".join(symbol(value)[1:] for value in values)
    return b"\xf0" + (len(content) + 5).to_bytes(4, "big") + len(values).to_bytes(4, "big") + b"\xa3" + content


def sequence(items: Sequence[bytes]) -> bytes:
    """Encode a list of encoded values."""
    return _compound(0xC0, items) if items else EMPTY_LIST


def mapping(items: Sequence[bytes]) -> bytes:
    """Encode a map of encoded keys and values, alternating."""
    return _compound(0xC1, items)


def described(descriptor: int, value: bytes) -> bytes:
    """Encode a value with a numeric descriptor."""
    return b"\x00" + ulong(descriptor) + value


def composite(descriptor: int, fields: Sequence[bytes]) -> bytes:
    """Encode a composite value; null fields at its end are left out (1.4)."""
    used = len(fields)
    while used and fields[used - 1] == NULL:
        used -= 1
    return described(descriptor, sequence(fields[:used]))


def _sized(code: int, raw: bytes) -> bytes:
    size = len(raw)
    if size < 0x100:
        return bytes((code, size)) + raw
    return bytes((code | 0x10,)) + size.to_bytes(4, "big") + raw


def _compound(code: int, items: Sequence[bytes]) -> bytes:
    content = b"".join(items)
    count = len(items)
    if len(content) < 0xFF and count < 0x100:
        return bytes((code, len(content) + 1, count)) + content
    return bytes((code | 0x10,)) + (len(content) + 4).to_bytes(4, "big") + count.to_bytes(4, "big") + content
