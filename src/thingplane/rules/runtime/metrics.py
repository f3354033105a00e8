"""What the runtime counts."""

from typing import Final

import msgspec


class Counters(msgspec.Struct):
    """Sums over all rules since the start."""

    evaluated: int = 0
    matched: int = 0
    failed: int = 0
    """Messages that SQL could not work with."""
    delivered: int = 0
    """Results, by action."""
    retries: int = 0
    dropped: int = 0
    """Results that an action could not deliver, after all tries."""
    error_records: int = 0


ROUTES_HELP: Final = {
    "routes_messages_waiting": "Messages on source topics of routes that are not delivered to all destinations yet",
    "routes_delivered_total": "Messages that a route has delivered, also to devices that were not there to receive",
    "routes_retried_total": "Tries to deliver a message along a route again",
    "routes_dropped_total": "Messages that a route could not deliver after all tries",
}

HELP: Final = {
    "rules_running": "Rules that run",
    "rules_messages_waiting": "Messages that running rules have not finished",
    "rules_messages_evaluated_total": "Messages that rules were asked about, by rule",
    "rules_messages_matched_total": "Messages that met the condition of a rule",
    "rules_messages_failed_total": "Messages that the SQL of a rule could not work with",
    "rules_results_delivered_total": "Results that an action has delivered",
    "rules_results_retried_total": "Tries to deliver a result again",
    "rules_results_dropped_total": "Results that an action could not deliver after all tries",
    "rules_error_records_total": "Error records that error actions have delivered",
}
