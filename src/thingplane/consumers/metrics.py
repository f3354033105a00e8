"""Counters of consumers' connections: plain integers, so that counting costs an addition."""

from collections import Counter
from typing import Final

_TEXTS: Final = {
    "connections": "Clients of consumer groups that are connected and receive.",
    "connects_total": "Clients of consumer groups that joined their group.",
    "refused_total": "Clients of consumer groups that were refused, by reason.",
    "messages_total": "Messages sent to clients of consumer groups.",
    "sent_bytes_total": "Bytes sent to clients of consumer groups, before encryption.",
    "accepted_total": "Messages that clients of consumer groups acknowledged.",
    "returned_total": "Messages that clients of consumer groups gave back: released, rejected or modified.",
    "too_large_total": "Messages not sent because they exceed what the client takes.",
    "faults_total": "Connections closed because of what the client sent or failed to send.",
}

HELP: Final = {f"{protocol}_{name}": text for protocol in ("amqp", "stomp") for name, text in _TEXTS.items()}
"""What the values mean; for observability."""


class Counters:
    """Values of one protocol since the node started."""

    __slots__ = (
        "accepted",
        "connections",
        "connects",
        "faults",
        "messages",
        "protocol",
        "refused",
        "returned",
        "sent_bytes",
        "too_large",
    )

    def __init__(self, protocol: str) -> None:
        self.protocol = protocol
        self.connections = 0
        self.connects = 0
        self.messages = 0
        self.sent_bytes = 0
        self.accepted = 0
        self.returned = 0
        self.too_large = 0
        self.faults = 0
        self.refused: Counter[str] = Counter()

    def reading(self) -> dict[str, float]:
        """Return the values by name; a label follows a colon."""
        values: dict[str, float] = {
            "connections": self.connections,
            "connects_total": self.connects,
            "messages_total": self.messages,
            "sent_bytes_total": self.sent_bytes,
            "accepted_total": self.accepted,
            "returned_total": self.returned,
            "too_large_total": self.too_large,
            "faults_total": self.faults,
        }
        values.update({f"refused_total:{reason}": count for reason, count in self.refused.items()})
        return {f"{self.protocol}_{name}": value for name, value in values.items()}
