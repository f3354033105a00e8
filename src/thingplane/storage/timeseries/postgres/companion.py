"""Tables of somebody else that share the transactions of the history."""

from collections.abc import Sequence
from typing import Any, Protocol


class Companion(Protocol):
    """Writes to tables of its own in the transactions of the history, so that neither is there without the other."""

    async def open(self, connection: Any) -> None:
        """Create what is missing, when the history is opened."""

    def pending(self) -> int:
        """Tell whether there is something that no commit has been told of."""

    def take(self) -> Any:
        """Give what is pending; it belongs to the next transaction."""

    async def prepare(self, connection: Any, taken: Sequence[Any]) -> None:
        """Create what the rows need, before the transaction."""

    async def write(self, connection: Any, taken: Sequence[Any]) -> None:
        """Write what was taken, inside the transaction."""

    def settle(self, taken: Sequence[Any], error: BaseException | None) -> None:
        """Learn how the transaction ended. After an error what was written is not there."""
