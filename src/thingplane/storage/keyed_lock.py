"""Doing things that belong to one key one after the other, and those of different keys side by side."""

import asyncio
from collections.abc import Hashable
from weakref import WeakValueDictionary


class KeyedLocks:
    """One ``asyncio.Lock`` for each key that is in use; whoever asks first gets it first.

    They order what one process does outside of transactions too, such as sending after a commit. Between processes the
    rows of the database are what is locked.
    """

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[Hashable, asyncio.Lock] = WeakValueDictionary()

    def __len__(self) -> int:
        return len(self._locks)

    def of(self, key: Hashable) -> asyncio.Lock:
        """Return the key's lock. It is forgotten when nobody holds it or waits for it."""
        lock = self._locks.get(key)
        if lock is None:
            lock = self._locks[key] = asyncio.Lock()
        return lock
