"""Keeping the first so many points of a query, whatever order its sources are read in."""

from collections.abc import Iterable

Hit = tuple[int, int, str, bytes]
"""(time, arrival, identifier, value): sorts as query results do."""


class Top:
    """The first ``limit`` hits seen so far, in the order of the query."""

    def __init__(self, start: int, end: int, limit: int, *, ascending: bool) -> None:
        self.start = start
        self.end = end
        self.limit = limit
        self.ascending = ascending
        self._hits: list[Hit] = []

    def add(self, hits: Iterable[Hit]) -> None:
        """Take hits, all within the range of the query."""
        self._hits += hits

    def hits(self) -> list[Hit]:
        """Return the result."""
        self._hits.sort(reverse=not self.ascending)
        del self._hits[self.limit :]
        return self._hits

    def complete(self, time: int) -> bool:
        """Tell whether hits at ``time`` or further from the query's beginning can no longer change the result."""
        if len(self._hits) < self.limit:
            return False
        last = self.hits()[-1][0]
        return time > last if self.ascending else time < last
