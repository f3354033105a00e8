"""Composite values (1.4): a described list, and checked access to its fields."""

from typing import Final, TypeVar

from thingplane.amqp.codec.decode import read_value
from thingplane.amqp.codec.types import Described, Symbol
from thingplane.amqp.errors import ConnectionFault, invalid, malformed
from thingplane.amqp.numbers import Descriptor
from thingplane.amqp.performatives import UINT_MAX

Value = TypeVar("Value")

_SYMBOLIC: Final = {
    f"amqp:{descriptor.name.lower().replace('_', '-')}:list": descriptor
    for descriptor in Descriptor
    if descriptor < Descriptor.HEADER
}
"""Descriptors may be sent as symbols, too (2.7)."""


class Fields:
    """The fields of a composite value by their position; fields that are null or missing are None.

    Every method raises ConnectionFault when the field is not what it asks for.
    """

    __slots__ = ("_data", "_name", "_spans", "_values", "descriptor")

    def __init__(self, descriptor: int, values: list[object], data: bytes, spans: list[tuple[int, int]]) -> None:
        self.descriptor = descriptor
        self._values = values
        self._data = data
        self._spans = spans  # where each field is in the data

    def __len__(self) -> int:
        return len(self._values)

    def get(self, index: int) -> object:
        """Return a field of any type."""
        return self._values[index] if index < len(self._values) else None

    def raw(self, index: int) -> bytes | None:
        """Return a field as it came."""
        if self.get(index) is None:
            return None
        start, end = self._spans[index]
        return self._data[start:end]

    def number(self, index: int, maximum: int = UINT_MAX) -> int | None:
        """Return an unsigned integer."""
        value = self.get(index)
        if value is None:
            return None
        if not isinstance(value, int) or isinstance(value, bool):
            raise self._wrong(index, "has the wrong type")
        if not 0 <= value <= maximum:
            raise invalid(self._wrong(index, "is out of range").description)
        return value

    def number_or(self, index: int, default: int, maximum: int = UINT_MAX) -> int:
        """Return an unsigned integer or what it is without the field."""
        value = self.number(index, maximum)
        return default if value is None else value

    def required(self, index: int) -> int:
        """Return an unsigned integer that must be there."""
        value = self.number(index)
        if value is None:
            raise self._wrong(index, "is missing")
        return value

    def text(self, index: int) -> str:
        """Return text or a symbol that must be there."""
        value = self.get(index)
        if not isinstance(value, str):
            raise self._wrong(index, "is no text")
        return value

    def binary(self, index: int) -> bytes | None:
        """Return bytes."""
        value = self.get(index)
        if value is not None and not isinstance(value, bytes):
            raise self._wrong(index, "has the wrong type")
        return value

    def flag(self, index: int, default: bool | None = None) -> bool:
        """Return a boolean; without a default it must be there."""
        value = self.get(index)
        if value is None:
            value = default
        if not isinstance(value, bool):
            raise self._wrong(index, "is no boolean")
        return value

    def error(self, index: int) -> str:
        """Return condition and description of an error field, "" without one."""
        value = self.get(index)
        if value is None:
            return ""
        if not isinstance(value, Described) or not isinstance(value.value, list) or not value.value:
            raise self._wrong(index, "is no error")
        return ": ".join(item for item in value.value[:2] if isinstance(item, str))

    def state(self, index: int) -> int | None:
        """Return the descriptor of a delivery state."""
        value = self.get(index)
        if value is None:
            return None
        if not isinstance(value, Described):
            raise self._wrong(index, "is no delivery state")
        return descriptor_of(value.descriptor)

    def _wrong(self, index: int, what: str) -> ConnectionFault:
        return malformed(f"field {index + 1} of 0x{self.descriptor:02x} {what}")


def read_composite(data: bytes, position: int, end: int) -> tuple[Fields, int]:
    """Return a described list and the position after it.

    Raises:
        ConnectionFault: it is something else or not well-formed.
    """
    if position >= end or data[position]:
        raise malformed("a described value was expected")
    name, position = read_value(data, position + 1, end, 1)
    descriptor = descriptor_of(name)
    count, start, after = _list_at(data, position, end)
    values: list[object] = []
    spans: list[tuple[int, int]] = []
    for _ in range(count):
        value, behind = read_value(data, start, after, 2)
        values.append(value)
        spans.append((start, behind))
        start = behind
    if start != after:
        raise malformed("a list is longer than its items")
    return Fields(descriptor, values, data, spans), after


def _list_at(data: bytes, position: int, end: int) -> tuple[int, int, int]:
    """Return the count of a list's items, where they start and where they end."""
    code = data[position] if position < end else 0
    if code == 0x45:
        return 0, position + 1, position + 1
    if code not in {0xC0, 0xD0}:
        raise malformed("a list was expected")
    width = 1 if code == 0xC0 else 4
    content = position + 1 + width
    body = content + width
    if body > end:
        raise malformed("the data ends inside a list")
    after = content + int.from_bytes(data[position + 1 : content], "big")
    count = int.from_bytes(data[content:body], "big")
    if not body <= after <= end or count > after - body:
        raise malformed("a list is shorter than it says")
    return count, body, after


def descriptor_of(value: object) -> int:
    """Return the number of a descriptor. Raises ConnectionFault for what is none."""
    if isinstance(value, Symbol):
        value = _SYMBOLIC.get(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise malformed("there is no such descriptor")
    return value
