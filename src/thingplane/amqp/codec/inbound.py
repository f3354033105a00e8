"""Reading of performatives: the body of a frame in, a typed object out."""

from collections.abc import Callable
from typing import Final

from thingplane.amqp.codec.composite import Fields, read_composite
from thingplane.amqp.errors import invalid, malformed
from thingplane.amqp.numbers import Descriptor
from thingplane.amqp.performatives import (
    UINT_MAX,
    USHORT_MAX,
    Attach,
    Begin,
    Close,
    Detach,
    Disposition,
    End,
    Flow,
    Open,
    Performative,
    Transfer,
)

_ULONG_MAX: Final = 0xFFFF_FFFF_FFFF_FFFF


def read_performative(data: bytes, position: int, end: int) -> Performative:
    """Return the performative that is the body of a frame; only a transfer may have something behind it.

    Raises:
        ConnectionFault: it is not well-formed or no performative.
    """
    fields, after = read_composite(data, position, end)
    read = _READERS.get(fields.descriptor)
    if read is None:
        raise malformed(f"there is no performative 0x{fields.descriptor:02x}")
    if after != end and fields.descriptor != Descriptor.TRANSFER:
        raise malformed("a frame is longer than its performative")
    return read(fields)


def _open(fields: Fields) -> Open:
    return Open(
        fields.text(0),
        fields.number_or(2, UINT_MAX),
        fields.number_or(3, USHORT_MAX, USHORT_MAX),
        fields.number(4),
    )


def _begin(fields: Fields) -> Begin:
    return Begin(
        fields.number(0, USHORT_MAX),
        fields.required(1),
        fields.required(2),
        fields.required(3),
        fields.number_or(4, UINT_MAX),
    )


def _attach(fields: Fields) -> Attach:
    return Attach(
        fields.text(0),
        fields.required(1),
        fields.flag(2),
        fields.number_or(3, 2, 2),
        fields.number_or(4, 0, 1),
        fields.raw(5),
        fields.raw(6),
        fields.number_or(10, 0, _ULONG_MAX),
    )


def _flow(fields: Fields) -> Flow:
    flow = Flow(
        fields.number(0),
        fields.required(1),
        fields.required(2),
        fields.required(3),
        fields.number(4),
        fields.number(5),
        fields.number(6),
        fields.flag(8, False),
        fields.flag(9, False),
    )
    if flow.handle is None and flow.link_credit is not None:
        raise invalid("a flow gives credit to no link")
    return flow


def _transfer(fields: Fields) -> Transfer:
    return Transfer(fields.required(0))


def _disposition(fields: Fields) -> Disposition:
    first = fields.required(1)
    return Disposition(fields.flag(0), first, fields.number_or(2, first), fields.flag(3, False), fields.state(4))


def _detach(fields: Fields) -> Detach:
    return Detach(fields.required(0), fields.flag(1, False), fields.error(2))


def _end(fields: Fields) -> End:
    return End(fields.error(0))


def _close(fields: Fields) -> Close:
    return Close(fields.error(0))


_READERS: Final[dict[int, Callable[[Fields], Performative]]] = {
    Descriptor.OPEN: _open,
    Descriptor.BEGIN: _begin,
    Descriptor.ATTACH: _attach,
    Descriptor.FLOW: _flow,
    Descriptor.TRANSFER: _transfer,
    Descriptor.DISPOSITION: _disposition,
    Descriptor.DETACH: _detach,
    Descriptor.END: _end,
    Descriptor.CLOSE: _close,
}
