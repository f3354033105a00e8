"""Messages of CoAP on the wire (RFC 7252, 3)."""

from enum import IntEnum
from typing import Final, NamedTuple

VERSION: Final = 1
MAX_TOKEN: Final = 8
PAYLOAD_MARKER: Final = 0xFF
_HEADER: Final = 4


class Type(IntEnum):
    """Types of messages (RFC 7252, 4)."""

    CON = 0
    NON = 1
    ACK = 2
    RST = 3


class Code(IntEnum):
    """Methods and response codes as the byte that carries them, class * 32 + detail (RFC 7252, 12.1; RFC 7959, 2.9)."""

    EMPTY = 0
    GET = 1
    POST = 2
    PUT = 3
    DELETE = 4
    CREATED = 0x41
    DELETED = 0x42
    VALID = 0x43
    CHANGED = 0x44
    CONTENT = 0x45
    CONTINUE = 0x5F
    BAD_REQUEST = 0x80
    UNAUTHORIZED = 0x81
    BAD_OPTION = 0x82
    FORBIDDEN = 0x83
    NOT_FOUND = 0x84
    METHOD_NOT_ALLOWED = 0x85
    NOT_ACCEPTABLE = 0x86
    REQUEST_ENTITY_INCOMPLETE = 0x88
    PRECONDITION_FAILED = 0x8C
    REQUEST_ENTITY_TOO_LARGE = 0x8D
    UNSUPPORTED_CONTENT_FORMAT = 0x8F
    INTERNAL_SERVER_ERROR = 0xA0
    NOT_IMPLEMENTED = 0xA1
    SERVICE_UNAVAILABLE = 0xA3


class Number(IntEnum):
    """Options of RFC 7252, 5.10 and RFC 7959, 2.1 that a server without resources of its own meets."""

    URI_HOST = 3
    OBSERVE = 6
    URI_PORT = 7
    URI_PATH = 11
    CONTENT_FORMAT = 12
    URI_QUERY = 15
    ACCEPT = 17
    BLOCK2 = 23
    BLOCK1 = 27
    SIZE2 = 28
    SIZE1 = 60


Options = list[tuple[int, bytes]]
"""(number, value) in ascending order of their numbers."""


class FormatError(Exception):
    """A datagram that is no message.

    Attributes:
        reset: message id to reject it with a Reset (RFC 7252, 4.2); None: it is to be ignored.
    """

    def __init__(self, text: str, reset: int | None = None) -> None:
        super().__init__(text)
        self.reset = reset


class Message(NamedTuple):
    """One message."""

    type: Type
    code: int
    """One byte; often, but not always, a ``Code``."""
    message_id: int
    """0 to 65535."""
    token: bytes = b""
    """At most 8 bytes."""
    options: Options = []
    payload: bytes = b""

    def first(self, number: int) -> bytes | None:
        """Return the value of the first option of this number."""
        return next((value for found, value in self.options if found == number), None)

    def all(self, number: int) -> list[bytes]:
        """Return the values of all options of this number, in order."""
        return [value for found, value in self.options if found == number]

    def encode(self) -> bytes:
        """Return the datagram.

        Raises:
            ValueError: the token is longer than 8 bytes.
        """
        if len(self.token) > MAX_TOKEN:
            raise ValueError("token too long")
        out = bytearray((VERSION << 6 | self.type << 4 | len(self.token), self.code))
        out += self.message_id.to_bytes(2, "big")
        out += self.token
        before = 0
        for number, value in self.options:
            delta, more_delta = _nibble(number - before)
            length, more_length = _nibble(len(value))
            out.append(delta << 4 | length)
            out += more_delta
            out += more_length
            out += value
            before = number
        if self.payload:
            out.append(PAYLOAD_MARKER)
            out += self.payload
        return bytes(out)


def decode(data: bytes) -> Message:
    """Read a datagram.

    Raises:
        FormatError: it is no message of version 1 (RFC 7252, 3); says whether to reset or to ignore it.
    """
    if len(data) < _HEADER or data[0] >> 6 != VERSION:
        raise FormatError("not CoAP version 1")
    kind = Type(data[0] >> 4 & 3)
    message_id = int.from_bytes(data[2:4], "big")
    # Only a confirmable message is rejected with a Reset: two endpoints must not answer resets with resets.
    reset = message_id if kind is Type.CON else None
    token_length = data[0] & 0x0F
    code = data[1]
    if token_length > MAX_TOKEN:
        raise FormatError("token too long", reset)
    if code == Code.EMPTY and len(data) > _HEADER:
        raise FormatError("an empty message is four bytes long", reset)
    at = _HEADER + token_length
    if at > len(data):
        raise FormatError("token cut off", reset)
    token = data[_HEADER:at]
    options: Options = []
    number = 0
    end = len(data)
    while at < end:
        byte = data[at]
        at += 1
        if byte == PAYLOAD_MARKER:
            if at == end:
                raise FormatError("no payload behind its marker", reset)
            break
        delta, at = _extended(data, byte >> 4, at, reset)
        length, at = _extended(data, byte & 0x0F, at, reset)
        number += delta
        if at + length > end:
            raise FormatError("option cut off", reset)
        options.append((number, data[at : at + length]))
        at += length
    return Message(kind, code, message_id, token, options, data[at:])


def _nibble(value: int) -> tuple[int, bytes]:
    if value < 13:
        return value, b""
    if value < 269:
        return 13, bytes((value - 13,))
    return 14, (value - 269).to_bytes(2, "big")


def _extended(data: bytes, nibble: int, at: int, reset: int | None) -> tuple[int, int]:
    """Return a delta or length of an option and where to read on (RFC 7252, 3.1)."""
    if nibble < 13:
        return nibble, at
    if nibble == 15:
        raise FormatError("reserved length of an option", reset)
    size = nibble - 12
    if at + size > len(data):
        raise FormatError("option cut off", reset)
    return int.from_bytes(data[at : at + size], "big") + (13 if size == 1 else 269), at + size


def uint(value: bytes) -> int:
    """Return the number that an option of format uint carries (RFC 7252, 3.2)."""
    return int.from_bytes(value, "big")


def uint_bytes(value: int) -> bytes:
    """Return a number as an option of format uint carries it: no leading zero bytes."""
    return value.to_bytes((value.bit_length() + 7) // 8, "big")
