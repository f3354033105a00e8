"""Counters of the gateway: plain integers, so that counting costs the hot path an addition."""

from collections import Counter
from typing import Final

HELP: Final = {
    "mqtt_connections": "Accepted connections of devices.",
    "mqtt_connects_total": "Connections that were accepted.",
    "mqtt_refused_total": "Connections that were refused, by reason.",
    "mqtt_rejected_total": "Connections that ended before a CONNECT packet, by reason.",
    "mqtt_publishes_total": "Messages from devices.",
    "mqtt_dropped_total": "Messages from devices that were not handled, by reason.",
    "mqtt_custom_total": "Messages from devices on custom topics.",
    "mqtt_downlinks_total": "Messages to devices that were written or kept.",
    "mqtt_downlinks_lost_total": "Messages to devices that were not delivered, by reason.",
    "mqtt_commit_failures_total": "Connections closed because their messages could not be stored.",
    "mqtt_waiting_bytes": "Bytes of messages of QoS 1 that wait in memory or are on their way.",
    "mqtt_overflows_total": "Connections closed because the device did not read.",
    "mqtt_breaches_total": "Connections closed because the device broke a limit or the protocol, by reason.",
    "mqtt_postponed_total": "Connections that had to wait, since their device took over from itself too often.",
    "mqtt_kept_sessions": "Sessions that are kept for their devices.",
    "mqtt_sub_devices": "Devices that are logged in through gateways.",
}
"""What the values mean; for observability."""


class Counters:
    """Values since the node started."""

    __slots__ = (
        "breaches",
        "commit_failures",
        "connects",
        "custom",
        "downlinks",
        "downlinks_lost",
        "dropped",
        "overflows",
        "postponed",
        "publishes",
        "refused",
        "rejected",
    )

    def __init__(self) -> None:
        self.connects = 0
        self.publishes = 0
        self.custom = 0
        self.downlinks = 0
        self.commit_failures = 0
        self.overflows = 0
        self.postponed = 0
        self.breaches: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.rejected: Counter[str] = Counter()
        self.dropped: Counter[str] = Counter()
        self.downlinks_lost: Counter[str] = Counter()

    def reading(self) -> dict[str, float]:
        """Return the values by name; a label follows a colon."""
        values: dict[str, float] = {
            "mqtt_connects_total": self.connects,
            "mqtt_publishes_total": self.publishes,
            "mqtt_custom_total": self.custom,
            "mqtt_downlinks_total": self.downlinks,
            "mqtt_commit_failures_total": self.commit_failures,
            "mqtt_overflows_total": self.overflows,
            "mqtt_postponed_total": self.postponed,
        }
        for name in ("refused", "rejected", "breaches", "dropped", "downlinks_lost"):
            counter: Counter[str] = getattr(self, name)
            values.update({f"mqtt_{name}_total:{reason}": count for reason, count in counter.items()})
        return values
