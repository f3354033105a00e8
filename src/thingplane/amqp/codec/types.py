"""AMQP types that Python has no type of its own for.

Decoding maps integers of all widths to `int`, float and double to `float`, char to `str`, binary to `bytes`, uuid to
`uuid.UUID`, lists and arrays to `list`, maps to `dict`.
"""

from typing import NamedTuple


class Symbol(str):
    """Text from a constrained domain, in ASCII (1.6.21)."""

    __slots__ = ()


class Timestamp(int):
    """Milliseconds since the epoch (1.6.17)."""

    __slots__ = ()


class Decimal(bytes):
    """An IEEE 754 decimal number of 4, 8 or 16 bytes, kept as it came (1.6.13 to 1.6.15)."""

    __slots__ = ()


class Described(NamedTuple):
    """A value with its descriptor (1.2.2): a number or a symbol in all uses that the standard defines."""

    descriptor: object
    value: object
