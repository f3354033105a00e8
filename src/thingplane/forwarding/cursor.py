"""What a subscriber has not acknowledged yet: a set of positions in the log, compact and exact.

The set is kept in blocks of 1024 positions, one bit each, and only blocks with something in them are kept: a subscriber
that has acknowledged everything costs nothing, one that never acknowledges costs 140 bytes for 1024 messages. Setting
and taking bits can be repeated: an acknowledgement that comes twice, or for a message that was never due, changes
nothing.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

BLOCK_BITS: Final = 10
BLOCK: Final = 1 << BLOCK_BITS
_OFFSET: Final = BLOCK - 1

Masks = Mapping[int, int]
"""Positions as bits by block: bit ``n`` of block ``b`` is position ``b * 1024 + n``."""


def masks_of(positions: Iterable[int]) -> dict[int, int]:
    """Return positions as bits by block."""
    masks: dict[int, int] = {}
    get = masks.get
    for position in positions:
        block = position >> BLOCK_BITS
        masks[block] = get(block, 0) | 1 << (position & _OFFSET)
    return masks


def run_masks(first: int, count: int) -> dict[int, int]:
    """Return ``count`` positions from ``first`` on as bits by block."""
    masks: dict[int, int] = {}
    end = first + count
    while first < end:
        block = first >> BLOCK_BITS
        stop = min(end, (block + 1) << BLOCK_BITS)
        masks[block] = ((1 << (stop - first)) - 1) << (first & _OFFSET)
        first = stop
    return masks


def positions_in(block: int, bits: int) -> Iterator[int]:
    """Yield the positions of a block whose bits are set, ascending."""
    first = block << BLOCK_BITS
    while bits:
        lowest = bits & -bits
        yield first + lowest.bit_length() - 1
        bits ^= lowest


class Cursor:
    """The messages that wait for one subscriber."""

    __slots__ = ("_blocks", "dirty", "saved", "waiting")

    def __init__(self) -> None:
        """Start with nothing waiting."""
        self._blocks: dict[int, int] = {}  # ascending: only the newest block is ever added
        self.waiting = 0
        """How many messages wait."""
        self.dirty: set[int] = set()
        """Blocks that differ from what is saved."""
        self.saved: set[int] = set()
        """Blocks of which something is saved."""

    def add(self, masks: Masks) -> None:
        """Let messages wait, which are newer than all before."""
        blocks = self._blocks
        for block, mask in masks.items():
            known = blocks.get(block, 0)
            blocks[block] = known | mask
            self.waiting += (mask & ~known).bit_count()
            self.dirty.add(block)

    def acknowledge(self, positions: Iterable[int]) -> int:
        """Let messages wait no longer, and return how many there were."""
        return self.take(masks_of(positions))

    def take(self, masks: Masks) -> int:
        """Let messages wait no longer, and return how many there were."""
        blocks = self._blocks
        taken = 0
        for block, mask in masks.items():
            known = blocks.get(block, 0)
            gone = known & mask
            if gone:
                taken += gone.bit_count()
                self.dirty.add(block)
                if gone == known:
                    del blocks[block]
                else:
                    blocks[block] = known ^ gone
        self.waiting -= taken
        return taken

    def clear(self) -> int:
        """Let nothing wait any longer, and return how much did."""
        count = self.waiting
        self.dirty.update(self._blocks)
        self._blocks.clear()
        self.waiting = 0
        return count

    def drop_before(self, position: int) -> int:
        """Let nothing wait in blocks that end before a position, and return how much did."""
        end = position >> BLOCK_BITS
        return self.take({block: bits for block, bits in self._blocks.items() if block < end})

    def bits(self, block: int) -> int:
        """Return the bits of a block."""
        return self._blocks.get(block, 0)

    def restore(self, blocks: Iterable[tuple[int, int]]) -> None:
        """Take over what was saved, by block in ascending order."""
        for block, bits in blocks:
            if bits:
                self._blocks[block] = bits
                self.waiting += bits.bit_count()
            self.saved.add(block)

    def first(self) -> int | None:
        """Return the oldest position that waits."""
        for block, bits in self._blocks.items():
            return (block << BLOCK_BITS) + (bits & -bits).bit_length() - 1
        return None

    def after(self, position: int) -> Iterator[int]:
        """Yield the positions behind ``position`` that wait, ascending; stale once the set changes."""
        start = position + 1
        first_block = start >> BLOCK_BITS
        # A list: whoever goes on while messages are acknowledged must not trip over the change.
        for block in [block for block in self._blocks if block >= first_block]:
            bits = self._blocks.get(block, 0)
            if block == first_block:
                bits &= -1 << (start & _OFFSET)
            yield from positions_in(block, bits)
