"""Many look-ups of one loop turn, one query."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from itertools import islice
from typing import Final, Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")

MAX_KEYS: Final = 500
"""Keys of one query; both databases take far more parameters, but a query should not hold others up for long."""


class Batcher(Generic[K, V]):
    """Collects keys that are asked for while a query runs, and asks for all of them with the next one."""

    def __init__(self, load: Callable[[list[K]], Awaitable[Mapping[K, V]]]) -> None:
        """Remember how to load.

        Args:
            load: returns the values of those keys that exist.
        """
        self._load = load
        self._waiting: dict[K, asyncio.Future[V | None]] = {}
        self._task: asyncio.Task[None] | None = None

    async def get(self, key: K) -> V | None:
        """Return the value of a key as it is now or later, or None if there is none; raises what ``load`` raises."""
        future = self._waiting.get(key)
        if future is None:
            loop = asyncio.get_running_loop()
            future = self._waiting[key] = loop.create_future()
            if self._task is None:
                self._task = loop.create_task(self._run())
        # Others may wait for the same key: one that gives up must not take it from them.
        return await asyncio.shield(future)

    async def _run(self) -> None:
        try:
            while self._waiting:
                batch = dict(islice(self._waiting.items(), MAX_KEYS))
                for key in batch:
                    del self._waiting[key]
                await self._answer(batch)
        finally:
            self._task = None

    async def _answer(self, batch: dict[K, asyncio.Future[V | None]]) -> None:
        try:
            found = await self._load(list(batch))
        except Exception as error:  # noqa: BLE001 (handed to those who wait)
            for future in batch.values():
                if not future.done():
                    future.set_exception(error)
        else:
            for key, future in batch.items():
                if not future.done():
                    future.set_result(found.get(key))
