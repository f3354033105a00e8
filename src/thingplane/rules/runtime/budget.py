"""What all rules together may hold in memory."""

from typing import Final

MAX_BYTES: Final = 128 << 20


class Budget:
    """Counts bytes of messages that are being delivered. A rule that has none may always take some."""

    def __init__(self, size: int = MAX_BYTES) -> None:
        """Start with nothing taken.

        Args:
            size: most bytes.
        """
        self._left = size

    @property
    def has_room(self) -> bool:
        """Whether anything is left."""
        return self._left > 0

    def take(self, size: int) -> None:
        """Count a message that is being delivered."""
        self._left -= size

    def give_back(self, size: int) -> None:
        """Count a message that is done."""
        self._left += size
