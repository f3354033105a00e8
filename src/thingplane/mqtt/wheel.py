"""A coarse timing wheel: cheap deadlines for very many items, a second at a time."""

from collections.abc import Hashable
from math import ceil
from typing import Generic, TypeVar

Item = TypeVar("Item", bound=Hashable)


class TimingWheel(Generic[Item]):
    """Items and the second in which they are due; setting and cancelling cost one dictionary operation each."""

    def __init__(self, now: float) -> None:
        self._slots: dict[int, dict[Item, None]] = {}
        self._slot_of: dict[Item, int] = {}
        self._done = int(now)  # the last slot handed out

    def __len__(self) -> int:
        return len(self._slot_of)

    def schedule(self, item: Item, at: float) -> None:
        """Set or move the deadline of an item; `at` in s, rounded up."""
        slot = max(ceil(at), self._done + 1)
        before = self._slot_of.get(item)
        if before == slot:
            return
        if before is not None:
            self._forget(item, before)
        self._slot_of[item] = slot
        self._slots.setdefault(slot, {})[item] = None

    def cancel(self, item: Item) -> None:
        """Remove an item, if it is there."""
        slot = self._slot_of.pop(item, None)
        if slot is not None:
            self._forget(item, slot)

    def due(self, now: float) -> list[Item]:
        """Remove and return the items whose deadline is not after `now` (s)."""
        last = int(now)
        if last <= self._done:
            return []
        passed = range(self._done + 1, last + 1)
        slots = [slot for slot in passed if slot in self._slots] if len(passed) <= len(self._slots) else []
        if not slots:
            slots = sorted(slot for slot in self._slots if slot <= last)
        self._done = last
        items = [item for slot in slots for item in self._slots.pop(slot)]
        for item in items:
            del self._slot_of[item]
        return items

    def _forget(self, item: Item, slot: int) -> None:
        items = self._slots[slot]
        del items[item]
        if not items:
            del self._slots[slot]
