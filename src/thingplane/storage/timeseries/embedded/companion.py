"""Tables of somebody else that share the commits, and the files, of the hot history."""

from pathlib import Path
from typing import Protocol

import apsw


class Companion(Protocol):
    """Keeps tables of its own in the hot files, written in the same transaction as the history.

    So one disk flush makes both durable, and neither is there without the other. When the history of a file is sealed,
    the companion may take the file over instead of copying what it still needs.
    """

    def create(self, generation: int, path: Path, connection: apsw.Connection) -> None:
        """Create what is missing in a hot file, new or reopened. The one with the highest generation is written to."""

    def pending(self) -> int:
        """Tell whether there is something to write."""

    def write(self, connection: apsw.Connection) -> None:
        """Write it, inside the transaction."""

    def settle(self, error: BaseException | None) -> None:
        """Learn how the transaction ended. After an error what ``write`` wrote is not there."""

    def full(self) -> bool:
        """Tell whether a fresh hot file should take over for the companion's sake."""

    def take_over(self, generation: int, path: Path, connection: apsw.Connection) -> bool:
        """Take a file that the history no longer needs, with its connection; False: it is to be deleted."""
