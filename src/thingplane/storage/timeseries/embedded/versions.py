"""Which files a query reads, while others are sealed, merged and retired."""

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from thingplane.storage.timeseries.embedded.catalog import SealedFile
from thingplane.storage.timeseries.embedded.hot import HotFile


class Version:
    """One consistent set of files: together they hold every committed point once."""

    def __init__(self, hot: tuple[HotFile, ...], sealed: list[SealedFile]) -> None:
        self.hot = hot
        """Oldest first; the last one takes what comes in."""
        self.newest_first = sorted(sealed, key=lambda file: file.max_time, reverse=True)
        self.oldest_first = sorted(sealed, key=lambda file: file.min_time)
        self.queries = 0
        self.obsolete: list[Callable[[], None]] = []


class Versions:
    """The current version, and the older ones that queries still read.

    Files that no longer count are deleted when the last query that may read them has ended.
    """

    def __init__(self, first: Version) -> None:
        self._versions = deque([first])

    @property
    def current(self) -> Version:
        """The version for new queries."""
        return self._versions[-1]

    def publish(self, version: Version, obsolete: list[Callable[[], None]]) -> None:
        """Replace the current version.

        Args:
            version: The next version.
            obsolete: Called, once each, when nobody reads what the next version does not have.
        """
        self.current.obsolete = obsolete
        self._versions.append(version)
        self._clean()

    @contextmanager
    def reading(self) -> Iterator[Version]:
        """Give the current version and keep its files until the block ends."""
        version = self.current
        version.queries += 1
        try:
            yield version
        finally:
            version.queries -= 1
            self._clean()

    def _clean(self) -> None:
        while len(self._versions) > 1 and not self._versions[0].queries:
            for delete in self._versions.popleft().obsolete:
                delete()
