"""What resources answer."""

import msgspec

from thingplane.coap import Code, Number
from thingplane.coap.message import Options, uint_bytes

JSON = 50
CBOR = 60
_FORMATS = frozenset({0, 42, JSON, CBOR})
"""Text, bytes, JSON, CBOR (RFC 7252, 12.3): what payloads may be called."""


class Answer(msgspec.Struct, frozen=True):
    """An answer to a request."""

    code: int
    payload: bytes = b""
    options: Options = []
    separate: bool = False
    """Whether it has to leave apart from the acknowledgement."""


class RefusedError(Exception):
    """A request that is answered with an error.

    Attributes:
        answer: the answer.
    """

    def __init__(self, code: Code, text: str = "") -> None:
        super().__init__(f"{code.name} {text}")
        self.answer = Answer(code, text.encode())


def content(payload: bytes, media: int = JSON) -> Answer:
    """Return a successful answer."""
    return Answer(Code.CONTENT, payload, [(Number.CONTENT_FORMAT, uint_bytes(media))])


def is_known_format(value: bytes | None) -> bool:
    """Tell whether a Content-Format or Accept option names a format that is understood; none is one."""
    return value is None or int.from_bytes(value, "big") in _FORMATS


def is_cbor(value: bytes | None) -> bool:
    """Tell whether a Content-Format or Accept option names CBOR."""
    return value is not None and int.from_bytes(value, "big") == CBOR
