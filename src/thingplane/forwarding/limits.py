"""How much of the log is kept."""

from dataclasses import dataclass
from typing import Final

HOUR_MS: Final = 3_600_000


@dataclass(frozen=True, slots=True)
class Limits:
    """What nobody has acknowledged is dropped beyond this, the oldest first."""

    age_ms: int = 24 * HOUR_MS
    """Messages are dropped when they are so old, or up to an eighth older."""
    max_bytes: int = 4 << 30
    """The log is shortened when it takes more room on disk."""
    segment_messages: int = 500_000
    """A segment ends after so many messages."""

    @property
    def segment_bytes(self) -> int:
        """A segment ends after so many bytes of messages."""
        return max(1 << 20, min(256 << 20, self.max_bytes // 8))

    @property
    def segment_age_ms(self) -> int:
        """A segment ends when its first message is so old."""
        return self.age_ms // 8
