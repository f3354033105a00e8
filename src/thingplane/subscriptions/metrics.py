"""Metrics of server-side subscription."""

from collections.abc import Iterable, Mapping
from typing import Final

from thingplane.subscriptions.delivery.engine import GroupDelivery
from thingplane.subscriptions.delivery.log import Log
from thingplane.subscriptions.delivery.status import Consumption
from thingplane.subscriptions.group import ConsumerGroup
from thingplane.subscriptions.mns import MnsCounters

HELP: Final = {
    "consumer_clients": "Clients of consumer groups that are connected.",
    "consumer_backlog": "Messages that a consumer group has not settled, by group.",
    "consumer_deliveries_total": "Messages sent to clients of consumer groups.",
    "consumer_redeliveries_total": "Of these, messages that had been sent before.",
    "consumer_timeouts_total": "Deliveries that no client settled within 30 seconds.",
    "consumer_settled_total": "Messages that clients accepted, by the way they came.",
    "mns_sent_total": "Messages that MNS queues took.",
    "mns_failures_total": "Attempts to send to an MNS queue that failed and are repeated.",
    "mns_dropped_total": "Messages dropped because an MNS queue can't take them.",
}
"""What the values mean; for observability."""


def reading(
    groups: Iterable[ConsumerGroup],
    deliveries: Mapping[int, GroupDelivery],
    past: Consumption,
    log: Log,
    mns: MnsCounters,
) -> dict[str, float]:
    """Return the values.

    Args:
        groups: all consumer groups.
        deliveries: of those that had clients since the node started.
        past: totals of groups that are gone.
        log: knows what waits.
        mns: counters of MNS subscriptions.
    """
    values: dict[str, float] = {"consumer_clients": sum(len(delivery.members) for delivery in deliveries.values())}
    for group in groups:
        waiting = log.waiting(group.subscriber)
        if waiting or group.id in deliveries:
            name = f"{group.group_id}@{group.instance_id}" if group.is_default else group.group_id
            values[f"consumer_backlog:group={name}"] = waiting
    totals = [past, *(delivery.consumption for delivery in deliveries.values())]
    values["consumer_deliveries_total"] = sum(total.delivered for total in totals)
    values["consumer_redeliveries_total"] = sum(total.redelivered for total in totals)
    values["consumer_timeouts_total"] = sum(total.expired for total in totals)
    values["consumer_settled_total:way=realtime"] = sum(total.realtime for total in totals)
    values["consumer_settled_total:way=backlog"] = sum(total.backlog for total in totals)
    values["mns_sent_total"] = mns.sent
    values["mns_failures_total"] = mns.failed
    values["mns_dropped_total"] = mns.dropped
    return values
