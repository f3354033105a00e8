"""Sessions without a connection of their own, reached over that of another session: devices behind a gateway.

Messages for a carried session wait in its own queue and go out on the carrier's connection, in its window and with its
packet identifiers; all sessions that have something waiting take turns. They stay messages of the session they were
for: what the carrier has not acknowledged when its connection ends goes back.
"""

from typing import TYPE_CHECKING

from thingplane.mqtt.message import Delivery
from thingplane.mqtt.session import Outbound, Session

if TYPE_CHECKING:
    from thingplane.mqtt.broker import Broker


def reclaim(broker: "Broker", carrier: Session) -> None:
    """Give back what was sent for carried sessions and not acknowledged: the carrier's connection has ended.

    It comes before what waits in them.
    """
    returned: dict[Session, list[Outbound]] = {}
    for packet_id, outbound in [*carrier.inflight.items()]:
        owner = outbound.owner
        if owner is None:
            continue
        del carrier.inflight[packet_id]
        if broker.sessions.get(owner.key) is not owner:
            broker.settled(outbound)
            broker.policy.dropped(carrier, outbound.message, Delivery.OFFLINE)
            continue
        outbound.owner = None
        returned.setdefault(owner, []).append(outbound)
    for owner, messages in returned.items():
        owner.queue = [*messages, *owner.queue]
        if owner.carrier is not carrier and (owner.carrier is not None or owner.link is not None):
            broker.pump(owner)
