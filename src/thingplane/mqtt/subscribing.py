"""SUBSCRIBE and UNSUBSCRIBE: what is refused before the policy is asked, and what its answer does."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from thingplane.mqtt.capabilities import Capabilities
from thingplane.mqtt.numbers import ReasonCode
from thingplane.mqtt.packets import Subscribe, Subscription, Unsubscribe
from thingplane.mqtt.session import Session
from thingplane.mqtt.topics import filter_refusal, split_shared

if TYPE_CHECKING:
    from thingplane.mqtt.broker import Broker


def mark_refusals(packet: Subscribe, capabilities: Capabilities) -> None:
    """Set the `refusal` of every subscription that the capabilities exclude."""
    for item in packet.subscriptions:
        item.refusal = filter_refusal(item.topic_filter, capabilities)
        if item.identifier and not capabilities.subscription_identifiers:
            item.refusal = item.refusal or ReasonCode.SUBSCRIPTION_IDENTIFIERS_NOT_SUPPORTED


def activate(
    broker: "Broker", sessions: Sequence[Session], packet: Subscribe, codes: Sequence[int] | None
) -> tuple[list[int], list[tuple[Session, Subscription]]]:
    """Activate what is granted.

    Args:
        broker: the broker.
        sessions: who subscribes, for each subscription.
        packet: what was asked for, with its refusals.
        codes: answer of the policy, None for everything as asked.

    Returns:
        The codes for SUBACK, and the subscriptions whose retained messages are to be sent after it.
    """
    results: list[int] = []
    retained: list[tuple[Session, Subscription]] = []
    asked = codes if codes is not None else [item.qos for item in packet.subscriptions]
    for session, item, code in zip(sessions, packet.subscriptions, asked, strict=True):
        result = item.refusal or code
        if result < 0x80:
            existed = item.topic_filter in session.subscriptions
            if not existed and len(session.subscriptions) >= broker.capabilities.max_subscriptions:
                result = ReasonCode.QUOTA_EXCEEDED
            else:
                item.qos = result = min(result, broker.max_qos)
                broker.subscribe(session, item)
                wanted = item.retain_handling == 0 or (item.retain_handling == 1 and not existed)
                # A shared subscription gets no retained messages (4.8.2).
                if wanted and not split_shared(item.topic_filter)[0]:
                    retained.append((session, item))
        results.append(result)
    return results, retained


def deactivate(
    broker: "Broker", sessions: Sequence[Session], packet: Unsubscribe, codes: Sequence[int] | None
) -> list[int]:
    """Remove the subscriptions whose code is no failure, all without codes; returns the codes for UNSUBACK."""
    results: list[int] = []
    asked = codes if codes is not None else [0] * len(packet.topic_filters)
    for session, topic_filter, code in zip(sessions, packet.topic_filters, asked, strict=True):
        if code < 0x80 and not broker.unsubscribe(session, topic_filter):
            results.append(ReasonCode.NO_SUBSCRIPTION_EXISTED)
        else:
            results.append(code)
    return results
