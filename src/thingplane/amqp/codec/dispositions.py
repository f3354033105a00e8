"""Dispositions by a short cut: they are nearly all that a busy client sends."""

from thingplane.amqp.performatives import Disposition

_KNOWN_LIMIT = 64

Decision = tuple[int, int, bool, int | None]
"""First and last delivery, whether they are settled, descriptor of the state."""


class DispositionReader:
    """Reads dispositions of a receiver; what follows the numbers is recognized once it was read in full."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: dict[bytes, tuple[int, bool, int | None]] = {}

    def read(self, data: bytes, start: int, end: int) -> Decision | None:
        """Return what a frame's body says, None when it has to be read in full.

        Args:
            data: bytes of which the body begins with the disposition's descriptor and the constructor of a short list.
            start: of the body.
            end: of the body.
        """
        if end - start < 14 or data[start + 6] != 0x41:
            return None
        code = data[start + 7]
        position = start + 9
        if code == 0x52:
            first = data[start + 8]
        elif code == 0x70:
            position = start + 12
            first = int.from_bytes(data[start + 8 : position], "big")
        elif code == 0x43:
            position = start + 8
            first = 0
        else:
            return None
        code = data[position]
        position += 1
        if code == 0x40:
            last = first
        elif code == 0x52:
            last = data[position]
            position += 1
        elif code == 0x70:
            last = int.from_bytes(data[position : position + 4], "big")
            position += 4
        elif code == 0x43:
            last = 0
        else:
            return None
        known = self._known.get(data[position:end])
        # With the same rest, the list is well-formed if its size and count are right.
        if known is None or data[start + 4] != end - start - 5 or data[start + 5] != known[0]:
            return None
        return first, last, known[1], known[2]

    def learn(self, data: bytes, start: int, end: int, disposition: Disposition) -> None:
        """Remember the rest of a disposition that was read in full."""
        if len(self._known) >= _KNOWN_LIMIT or not disposition.is_receiver:
            return
        position = start + 7
        for _ in range(2):
            width = {0x43: 1, 0x40: 1, 0x52: 2, 0x70: 5}.get(data[position] if position < end else 0)
            if width is None:
                return
            position += width
        # A rest that begins with the flag leaves no doubt where the numbers end.
        if data[position : position + 1] in {b"\x41", b"\x42"}:
            self._known[data[position:end]] = (data[start + 5], disposition.settled, disposition.state)


def is_short(data: bytes, start: int) -> bool:
    """Tell whether a body begins as `DispositionReader.read` needs it."""
    return data.startswith(b"\x00\x53\x15\xc0", start)
