"""Tables of others that share the commits of the hot file."""

from typing import Protocol

import apsw


class Companion(Protocol):
    """Keeps tables of its own in the hot file, written in the same transaction as the history.

    So one disk flush makes both durable, and neither is there without the other.
    """

    def create(self, connection: apsw.Connection) -> None:
        """Create what is missing in a hot file, new or reopened."""

    def pending(self) -> bool:
        """Tell whether there is something to write."""

    def write(self, connection: apsw.Connection) -> None:
        """Write it, inside the transaction."""

    def settle(self, error: BaseException | None) -> None:
        """Learn how the transaction ended. After an error what ``write`` wrote is not there."""

    def carry(self, old: apsw.Connection, new: apsw.Connection) -> None:
        """Copy the rows still needed into the next hot file, inside a transaction on ``new``; ``old`` is deleted."""
