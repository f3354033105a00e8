"""Counters of forwarding."""

from typing import Final

HELP: Final = {
    "forwarded_messages_total": "Messages that were written to the log of forwarded messages.",
    "forwarding_failed_total": "Messages that could not be written to the log; their devices got no acknowledgement.",
    "forwarding_dropped_total": "Messages dropped before they were acknowledged, counted for each subscriber.",
    "forwarding_save_failures_total": "Attempts to save acknowledgements that failed and were repeated.",
    "forwarding_waiting": "Messages not acknowledged yet, over all subscribers.",
    "forwarding_waiting_most": "Messages that the subscriber who is farthest behind has not acknowledged.",
    "forwarding_oldest_seconds": "Age of the part of the log with the oldest message that a subscriber waits for.",
    "forwarding_log_bytes": "Size of the log on disk, with the history that shares its files.",
    "forwarding_log_segments": "Parts of the log.",
}
"""What the values mean; for observability."""


class Counters:
    """Values since the node started."""

    __slots__ = ("dropped", "failed", "forwarded")

    def __init__(self) -> None:
        self.forwarded = 0
        self.failed = 0
        self.dropped = 0
