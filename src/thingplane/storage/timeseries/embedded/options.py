"""What can be tuned of the embedded history."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Options:
    """Sizes and periods; the defaults suit a node with two cores."""

    seal_messages: int = 250_000
    """A hot file with so many messages is sealed. At most 8 million, see ``layout.SEQUENCE_BITS``."""
    seal_after_ms: int = 24 * 3600 * 1000
    """A hot file whose first message is so old is sealed, however few there are."""
    merge_files: int = 8
    """So many sealed files of one size class and day become one. SQLite attaches at most 10 files."""
    merge_points: int = 32_000_000
    """A merge never makes a file with more points than this: some 25 seconds of one core."""
    open_files: int = 64
    """So many sealed files are kept open for queries."""
    retry_ms: int = 30_000
    """A sealing that failed (disk full) is tried again after this time."""
