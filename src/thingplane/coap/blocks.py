"""Block-wise transfers (RFC 7959): bodies that do not fit into one datagram."""

from collections import OrderedDict
from typing import Final, NamedTuple

from thingplane.coap.message import Number, uint, uint_bytes

LARGEST: Final = 6
"""SZX of blocks of 1024 bytes; 7 is reserved (RFC 7959, 2.2)."""


class BlockError(Exception):
    """A block option that means nothing."""


class Block(NamedTuple):
    """The value of a Block1 or Block2 option."""

    number: int
    more: bool
    exponent: int
    """SZX: the block has 2 ** (4 + exponent) bytes."""

    @property
    def size(self) -> int:
        """Bytes of a block."""
        return 16 << self.exponent

    @property
    def start(self) -> int:
        """Where in the body the block begins."""
        return self.number * self.size

    def encode(self) -> bytes:
        """Return the value of the option."""
        return uint_bytes(self.number << 4 | self.more << 3 | self.exponent)

    @classmethod
    def decode(cls, value: bytes) -> "Block":
        """Read the value of an option.

        Raises:
            BlockError: longer than three bytes, or of the reserved size.
        """
        if len(value) > 3:
            raise BlockError("a block option has at most three bytes")
        number = uint(value)
        if number & 7 > LARGEST:
            raise BlockError("reserved size of a block")
        return cls(number >> 4, bool(number & 8), number & 7)


class Uploads:
    """Bodies that arrive block by block. As many as fit are kept; the one longest without a block makes room."""

    def __init__(self, max_body: int, max_transfers: int, max_bytes: int, lifetime: float) -> None:
        """Set the bounds.

        Args:
            max_body: bytes of one body.
            max_transfers: bodies at a time.
            max_bytes: of all bodies together.
            lifetime: seconds that a body waits for its next block.
        """
        self._max_body = max_body
        self._max = max_transfers
        self._max_bytes = max_bytes
        self._lifetime = lifetime
        self._bytes = 0
        self._parts: OrderedDict[object, tuple[float, bytearray]] = OrderedDict()

    def add(self, key: object, block: Block, payload: bytes, now: float) -> bytes | None:
        """Take a block; return the body when it was the last one.

        Raises:
            BlockError: it does not continue what has arrived so far (4.08), or is not as long as it says.
            OverflowError: the body is too large (4.13).
        """
        if block.more and len(payload) != block.size:
            raise BlockError("not as long as it says")
        self.expire(now)
        body = self._take(key)
        if block.number == 0:
            body = bytearray()
        if len(body) != block.start:
            raise BlockError("does not continue what has arrived")
        if len(body) + len(payload) > self._max_body:
            raise OverflowError("body too large")
        body += payload
        if not block.more:
            return bytes(body)
        self._parts[key] = (now + self._lifetime, body)
        self._bytes += len(body)
        while len(self._parts) > self._max or self._bytes > self._max_bytes:
            self._forget_oldest()
        return None

    def __len__(self) -> int:
        return len(self._parts)

    def _take(self, key: object) -> bytearray:
        _, body = self._parts.pop(key, (0.0, bytearray()))
        self._bytes -= len(body)
        return body

    def _forget_oldest(self) -> None:
        _, (_, body) = self._parts.popitem(last=False)
        self._bytes -= len(body)

    def expire(self, now: float) -> None:
        """Forget bodies that nobody continues."""
        while self._parts:
            until, _ = next(iter(self._parts.values()))
            if until > now:
                return
            self._forget_oldest()


def part(body: bytes, wanted: Block | None) -> tuple[bytes, list[tuple[int, bytes]]]:
    """Return the block of a response that was asked for, and the options that tell which it is.

    Args:
        body: the whole body.
        wanted: what the request's Block2 says; None: it has none, and the first block is sent if there are several.

    Raises:
        BlockError: there is no such block.
    """
    if wanted is None and len(body) <= 16 << LARGEST:
        return body, []
    block = wanted or Block(0, False, LARGEST)
    if block.start >= max(len(body), 1):
        raise BlockError("no such block")
    end = block.start + block.size
    answer = Block(block.number, end < len(body), block.exponent)
    options: list[tuple[int, bytes]] = [(Number.BLOCK2, answer.encode())]
    if block.number == 0:
        options.append((Number.SIZE2, uint_bytes(len(body))))
    return body[block.start : end], options
