"""Decoding of AMQP values (part 1 of the standard): all primitive types, described types, compound types, arrays."""

from collections.abc import Callable
from struct import Struct
from typing import Final
from uuid import UUID

from thingplane.amqp.codec.types import Decimal, Described, Symbol, Timestamp
from thingplane.amqp.errors import malformed

MAX_DEPTH: Final = 16
"""Values within values. What is exchanged nests four deep; more is an attack on the stack."""
MAX_EMPTY: Final = 64
"""Elements of an array whose elements take no bytes: the array costs nothing to send but memory to hold."""

Reader = Callable[[bytes, int], object]


def read_value(data: bytes, position: int, end: int, depth: int = 0) -> tuple[object, int]:
    """Return the value at a position, and the position after it.

    Args:
        data: bytes that contain the value.
        position: where it starts.
        end: where the surrounding value or frame ends.
        depth: how many values surround it.

    Raises:
        ConnectionFault: `amqp:decode-error`, the bytes are no well-formed value.
    """
    if position >= end:
        raise malformed("a value is missing")
    code = data[position]
    if code:
        return _read_body(code, data, position + 1, end, depth)
    if depth >= MAX_DEPTH:
        raise malformed("values are nested too deeply")
    descriptor, position = read_value(data, position + 1, end, depth + 1)
    value, position = read_value(data, position, end, depth + 1)
    return Described(descriptor, value), position


def _read_body(code: int, data: bytes, position: int, end: int, depth: int) -> tuple[object, int]:
    """Return the value whose constructor was read already."""
    kind = code >> 4
    if kind in _SIZES:
        after = position + _SIZES[kind]
        reader = _FIXED.get(code)
        if reader is None:
            raise malformed(f"there is no type 0x{code:02x}")
        if after > end:
            raise malformed("the data ends inside a value")
        return reader(data, position), after
    width = 4 if kind & 1 else 1
    start = position + width
    if kind < 0x0A or start > end:
        raise malformed(f"there is no type 0x{code:02x}" if kind < 0x0A else "the data ends inside a size")
    size = data[position] if width == 1 else int.from_bytes(data[position:start], "big")
    after = start + size
    if after > end:
        raise malformed("the data ends inside a value")
    if kind < 0x0C:
        return _variable(code & 0x0F, data[start:after]), after
    if depth >= MAX_DEPTH:
        raise malformed("values are nested too deeply")
    body = start + width
    if body > after:
        raise malformed("a compound value has no count")
    count = data[start] if width == 1 else int.from_bytes(data[start:body], "big")
    subtype = code & 0x0F
    if kind >= 0x0E:
        if subtype:
            raise malformed(f"there is no type 0x{code:02x}")
        return _array(data, body, after, count, depth + 1), after
    if subtype > 1:
        raise malformed(f"there is no type 0x{code:02x}")
    items = read_items(data, body, after, count, depth + 1)
    return (_mapping(items) if subtype else items), after


def read_items(data: bytes, position: int, end: int, count: int, depth: int = 1) -> list[object]:
    """Return the values that fill the space between two positions.

    Raises:
        ConnectionFault: `amqp:decode-error`, they are not as many as announced or not well-formed.
    """
    if count > end - position:
        raise malformed("a compound value is too short for its count")
    items: list[object] = []
    for _ in range(count):
        item, position = read_value(data, position, end, depth)
        items.append(item)
    if position != end:
        raise malformed("a compound value is longer than its items")
    return items


def _array(data: bytes, position: int, end: int, count: int, depth: int) -> list[object]:
    descriptors: list[object] = []
    while position < end and data[position] == 0:
        descriptor, position = read_value(data, position + 1, end, depth + 1)
        descriptors.append(descriptor)
        if depth + len(descriptors) > MAX_DEPTH:
            raise malformed("values are nested too deeply")
    if position >= end:
        raise malformed("an array has no constructor")
    code = data[position]
    position += 1
    if count > (MAX_EMPTY if code >> 4 == 4 else end - position):
        raise malformed("an array is too short for its count")
    items: list[object] = []
    for _ in range(count):
        item, position = _read_body(code, data, position, end, depth)
        for descriptor in reversed(descriptors):
            item = Described(descriptor, item)
        items.append(item)
    if position != end:
        raise malformed("an array is longer than its items")
    return items


def _mapping(items: list[object]) -> dict[object, object]:
    if len(items) % 2:
        raise malformed("a map has a key without a value")
    try:
        return dict(zip(items[::2], items[1::2], strict=True))
    except TypeError:
        raise malformed("a compound value is the key of a map") from None


def _variable(subtype: int, raw: bytes) -> object:
    if subtype == 0:
        return raw
    try:
        if subtype == 1:
            return raw.decode()
        if subtype == 3:
            return Symbol(raw, "ascii")
    except UnicodeDecodeError:
        raise malformed("text is not well-formed") from None
    raise malformed(f"there is no type of variable width with subtype {subtype}")


def _boolean(data: bytes, position: int) -> bool:
    value = data[position]
    if value > 1:
        raise malformed("a boolean is neither 0 nor 1")
    return bool(value)


def _char(data: bytes, position: int) -> str:
    number = int.from_bytes(data[position : position + 4], "big")
    if number > 0x10FFFF or 0xD800 <= number <= 0xDFFF:
        raise malformed("a char is no Unicode scalar value")
    return chr(number)


def _number(form: str) -> Reader:
    unpack = Struct(form).unpack_from
    return lambda data, position: unpack(data, position)[0]


def _constant(value: object) -> Reader:
    return lambda _data, _position: value


def _kept(width: int) -> Reader:
    return lambda data, position: Decimal(data[position : position + width])


_SIZES: Final = {4: 0, 5: 1, 6: 2, 7: 4, 8: 8, 9: 16}
"""Bytes by the first half of a constructor of fixed width (1.2.1)."""

_FIXED: Final[dict[int, Reader]] = {
    0x40: _constant(None),
    0x41: _constant(value=True),
    0x42: _constant(value=False),
    0x43: _constant(0),
    0x44: _constant(0),
    0x45: lambda _data, _position: [],
    0x50: _number(">B"),
    0x51: _number(">b"),
    0x52: _number(">B"),
    0x53: _number(">B"),
    0x54: _number(">b"),
    0x55: _number(">b"),
    0x56: _boolean,
    0x60: _number(">H"),
    0x61: _number(">h"),
    0x70: _number(">I"),
    0x71: _number(">i"),
    0x72: _number(">f"),
    0x73: _char,
    0x74: _kept(4),
    0x80: _number(">Q"),
    0x81: _number(">q"),
    0x82: _number(">d"),
    0x83: lambda data, position: Timestamp(int.from_bytes(data[position : position + 8], "big", signed=True)),
    0x84: _kept(8),
    0x94: _kept(16),
    0x98: lambda data, position: UUID(bytes=data[position : position + 16]),
}
