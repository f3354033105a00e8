"""Sessions without a connection of their own, reached over that of another session: devices behind a gateway.

Messages for a carried session go out on the carrier's connection, in its window and with its packet identifiers. They
stay messages of the session they were for: what the carrier has not acknowledged when its connection ends goes back.
"""

from typing import TYPE_CHECKING

from thingplane.mqtt.message import Delivery
from thingplane.mqtt.session import Outbound, Session

if TYPE_CHECKING:
    from thingplane.mqtt.broker import Broker


def hand_over(session: Session, carrier: Session) -> None:
    """Let what waits in a carried session wait in its carrier, behind what waits there already."""
    for outbound in session.queue:
        outbound.owner = session
        carrier.queue.append(outbound)
    session.queue = []


def take_back(session: Session, carrier: Session) -> None:
    """Let a session that is no longer carried have back what waits for it and was not sent yet."""
    waiting = [outbound for outbound in carrier.queue if outbound.owner is session]
    if waiting:
        carrier.queue = [outbound for outbound in carrier.queue if outbound.owner is not session]
        session.queue = [*session.queue, *(_own(outbound) for outbound in waiting)]


def reclaim(broker: "Broker", carrier: Session) -> None:
    """Give back what was sent for carried sessions and not acknowledged: the carrier's connection has ended."""
    returned = {packet_id: outbound for packet_id, outbound in carrier.inflight.items() if outbound.owner is not None}
    for packet_id, outbound in returned.items():
        del carrier.inflight[packet_id]
        owner = outbound.owner
        if owner is None or broker.sessions.get(owner.key) is not owner:
            broker.policy.dropped(carrier, outbound.message, Delivery.OFFLINE)
            continue
        owner.queue.append(_own(outbound))
        if owner.carrier is not carrier and (owner.carrier is not None or owner.link is not None):
            broker.pump(owner)


def _own(outbound: Outbound) -> Outbound:
    outbound.owner = None
    return outbound
