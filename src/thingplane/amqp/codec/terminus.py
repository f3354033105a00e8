"""The source of a link: what the answer to an attach repeats of it (3.5.3)."""

from thingplane.amqp.codec.composite import read_composite
from thingplane.amqp.codec.encode import NULL, composite, string
from thingplane.amqp.errors import malformed
from thingplane.amqp.numbers import Descriptor

DEFAULT_ADDRESS = "default"
"""Address of a source that the client left unnamed; a source without one would look like a refusal."""

_ADDRESS = 0
_FILTER = 7
_DEFAULT_OUTCOME = 8


def accepted_source(source: bytes | None) -> tuple[bytes, int | None]:
    """Return the source to answer with, and the descriptor of the outcome of deliveries settled without a state.

    The client's own is repeated, except for filters: none are applied, and the answer names those in effect.

    Raises:
        ConnectionFault: it is no source.
    """
    if source is None:
        return composite(Descriptor.SOURCE, [string(DEFAULT_ADDRESS)]), None
    fields, _ = read_composite(source, 0, len(source))
    if fields.descriptor != Descriptor.SOURCE:
        raise malformed("the source of a link is none")
    answer = [fields.raw(index) or NULL for index in range(len(fields))] or [NULL]
    if answer[_ADDRESS] == NULL:
        answer[_ADDRESS] = string(DEFAULT_ADDRESS)
    if len(answer) > _FILTER:
        answer[_FILTER] = NULL
    return composite(Descriptor.SOURCE, answer), fields.state(_DEFAULT_OUTCOME)
