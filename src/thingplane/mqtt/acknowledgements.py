"""What clients answer to outbound messages, and the second half of inbound QoS 2 (MQTT 5.0, 4.3)."""

from typing import TYPE_CHECKING

from thingplane.mqtt.connection import ServerConnection
from thingplane.mqtt.errors import ProtocolError
from thingplane.mqtt.message import Delivery
from thingplane.mqtt.numbers import ReasonCode
from thingplane.mqtt.packets import Event, Puback, Pubcomp, Pubrec, Pubrel
from thingplane.mqtt.session import Session

if TYPE_CHECKING:
    from thingplane.mqtt.broker import Broker


def handle_acknowledgement(broker: "Broker", connection: ServerConnection, session: Session, event: Event) -> None:
    """Handle PUBACK, PUBREC, PUBREL or PUBCOMP.

    Raises:
        ProtocolError: any other packet.
    """
    match event:
        case Puback():
            _finished(broker, session, event, 1)
        case Pubrec():
            reason, refused = session.received(event.packet_id, event.reason)
            if reason >= 0:
                connection.pubrel(event.packet_id, reason)
            if refused is not None:
                broker.settled(refused)
                broker.policy.dropped(session, refused.message, Delivery.REFUSED)
                broker.pump(session)
        case Pubrel():
            known = session.inbound.pop(event.packet_id, None) is not None
            connection.pubcomp(event.packet_id, 0 if known else ReasonCode.PACKET_IDENTIFIER_NOT_FOUND)
        case Pubcomp():
            _finished(broker, session, event, 2)
        case _:
            raise ProtocolError(f"{type(event).__name__} is not supported here", ReasonCode.PROTOCOL_ERROR)


def _finished(broker: "Broker", session: Session, event: Puback | Pubcomp, qos: int) -> None:
    outbound = session.acknowledged(event.packet_id, qos)
    if outbound is None:
        return
    session.acknowledged_at = broker.now
    broker.settled(outbound)
    if event.reason >= 0x80 and qos == 1:
        broker.policy.dropped(session, outbound.message, Delivery.REFUSED)
    else:
        broker.policy.delivered(session, outbound.message)
    broker.pump(session)
