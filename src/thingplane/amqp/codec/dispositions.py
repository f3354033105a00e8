"""Dispositions by a short cut: they are nearly all that a busy client sends."""

from typing import Final

from thingplane.amqp.performatives import Disposition

_KNOWN_LIMIT: Final = 64
_STARTS: Final = (b"\x00\x53\x15\xc0", b"\x00\x53\x15\xd0")
"""Descriptor and constructor: Qpid sends short lists, rhea and the Go clients long ones."""
_SHORTEST: Final = 8
"""Bytes of the fields of a disposition from the role on, with numbers of 0."""

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
            data: bytes that contain the body, which `is_disposition`.
            start: of the body.
            end: of the body.
        """
        if data[start + 3] == 0xC0:
            role = start + 6
            if end - role < _SHORTEST or data[start + 4] != end - start - 5:
                return None
            count = data[start + 5]
        else:
            role = start + 12
            if end - role < _SHORTEST or int.from_bytes(data[start + 4 : start + 8], "big") != end - start - 8:
                return None
            count = int.from_bytes(data[start + 8 : role], "big")
        if data[role] != 0x41:
            return None
        code = data[role + 1]
        position = role + 3
        if code == 0x52:
            first = data[role + 2]
        elif code == 0x70:
            position = role + 6
            first = int.from_bytes(data[role + 2 : position], "big")
        elif code == 0x43:
            position = role + 2
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
        # With the same rest, the list is well-formed if its count is right, too.
        if known is None or count != known[0]:
            return None
        return first, last, known[1], known[2]

    def learn(self, data: bytes, start: int, end: int, disposition: Disposition) -> None:
        """Remember the rest of a disposition that was read in full."""
        if len(self._known) >= _KNOWN_LIMIT or not disposition.is_receiver:
            return
        if data[start + 3] == 0xC0:
            count, position = data[start + 5], start + 7
        else:
            count, position = int.from_bytes(data[start + 8 : start + 12], "big"), start + 13
        for _ in range(2):
            width = {0x43: 1, 0x40: 1, 0x52: 2, 0x70: 5}.get(data[position] if position < end else 0)
            if width is None:
                return
            position += width
        # A rest that begins with the flag leaves no doubt where the numbers end.
        if data[position : position + 1] in {b"\x41", b"\x42"}:
            self._known[data[position:end]] = (count, disposition.settled, disposition.state)


def is_disposition(data: bytes, start: int) -> bool:
    """Tell whether a body begins as `DispositionReader` needs it."""
    return data.startswith(_STARTS, start)
