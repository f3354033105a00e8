"""Counters of CoAP."""

from collections import Counter
from typing import Final

HELP: Final = {
    "coap_requests_total": "Requests of devices over CoAP.",
    "coap_turned_away_total": "Requests that were told to come later, since too many were handled already.",
    "coap_answers_total": "Answers to them, by code.",
    "coap_dtls_sessions": "DTLS sessions.",
    "coap_dtls_handshakes_total": "DTLS handshakes that were completed.",
    "coap_dtls_failed_total": "DTLS sessions that ended by an error.",
}
"""What the values mean; for observability."""


class Counters:
    """Values since the node started."""

    def __init__(self) -> None:
        self.requests = 0
        self.turned_away = 0
        self.answers: Counter[int] = Counter()
        self.handshakes = 0
        self.failed = 0
        self.sessions = 0

    def reading(self) -> dict[str, float]:
        """Return the values by name; a label follows a colon."""
        values: dict[str, float] = {
            "coap_requests_total": self.requests,
            "coap_turned_away_total": self.turned_away,
            "coap_dtls_sessions": self.sessions,
            "coap_dtls_handshakes_total": self.handshakes,
            "coap_dtls_failed_total": self.failed,
        }
        for code, count in self.answers.items():
            values[f"coap_answers_total:code={code >> 5}.{code & 31:02d}"] = count
        return values
