"""One network connection as the broker sees it."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from thingplane.mqtt.connection import ServerConnection
from thingplane.mqtt.numbers import ReasonCode
from thingplane.mqtt.packets import Connect, Publish, Subscribe, Unsubscribe
from thingplane.mqtt.properties import Properties
from thingplane.mqtt.session import Session

if TYPE_CHECKING:
    from thingplane.mqtt.broker import Broker


class Link:
    """One network connection; made by `Broker.open`, owned by whatever moves the bytes.

    The owner calls `receive_data` with what it read, then writes `data_to_send()` and closes the transport after
    writing when `closing` is set. It calls `connection_lost` once when the transport is gone for whatever reason.

    Attributes:
        broker: the broker it belongs to.
        connection: the protocol state below.
        session: set while an accepted connection lasts (and still readable after it ended).
        closing: the transport has to be closed once the output is written.
        on_output: called when output came up outside `receive_data`, at most once until `data_to_send` is called.
        context: free for the owner.
        packet: the CONNECT packet, once received.
    """

    broker: "Broker"
    connection: ServerConnection
    session: Session | None
    packet: Connect | None
    closing: bool
    on_output: Callable[["Link"], None] | None
    context: object | None

    def receive_data(self, data: bytes) -> None:
        """Handle bytes from the peer. Never raises for what the peer sent: it answers, and sets `closing`."""
        raise NotImplementedError

    def data_to_send(self) -> bytes:
        """Return and forget the output; b"" when there is none."""
        raise NotImplementedError

    def connection_lost(self) -> None:
        """Tell that the transport is gone."""
        raise NotImplementedError

    def pause_writing(self) -> None:
        """Tell that the peer does not read: QoS 0 is dropped and QoS 1 and 2 wait in the session until resumed."""
        raise NotImplementedError

    def resume_writing(self) -> None:
        """Tell that the transport takes data again."""
        raise NotImplementedError

    # What a policy answers

    def accept(
        self,
        session_key: str | None = None,
        *,
        client_id: str | None = None,
        keepalive: int | None = None,
        session_expiry: int | None = None,
        properties: Properties | None = None,
        context: object | None = None,
    ) -> Session:
        """Accept the connection: send CONNACK, take over or make the session, resend what is unacknowledged.

        Packets that arrived in the meantime are handled before this returns when it is called outside `receive_data`.

        Args:
            session_key: identity of the session; the client identifier when not given. A session with this key that is
                connected elsewhere is taken over.
            client_id: identifier to assign instead of the client's (MQTT 5 clients are told).
            keepalive: s, instead of what the client asked for (MQTT 5 clients are told; for 3.x it only applies here).
            session_expiry: s, instead of what the client asked for (MQTT 5 clients are told).
            properties: further CONNACK properties for MQTT 5 clients; set fields win over what the broker would send.
            context: becomes `Link.context` before anything else happens when not None.

        Returns:
            The session, already attached; one that ended at once if the link is already lost.
        """
        raise NotImplementedError

    def refuse(self, code: int, reason_string: str | None = None) -> None:
        """Refuse the connection with a `ConnackCode` or a `ReasonCode`; it is translated for the client's version."""
        raise NotImplementedError

    def acknowledge(self, packet: Publish, reason: int = 0) -> None:
        """Acknowledge an inbound message of QoS 1 or 2; does nothing for QoS 0. Reasons are sent in MQTT 5 only."""
        raise NotImplementedError

    def grant(self, packet: Subscribe, codes: Sequence[int] | None = None) -> None:
        """Answer SUBSCRIBE, activate what is granted and send retained messages.

        Args:
            packet: the packet passed to the policy.
            codes: one per subscription in order: granted QoS (capped by the broker) or a reason code from 0x80, sent to
                3.x clients as 0x80. None grants what was asked for. A subscription with a `refusal` stays refused.
        """
        raise NotImplementedError

    def revoke(self, packet: Unsubscribe, codes: Sequence[int] | None = None) -> None:
        """Answer UNSUBSCRIBE; filters with a code from 0x80 stay subscribed, None removes all."""
        raise NotImplementedError

    # What an application sends

    def publish(self, topic: str, payload: bytes) -> bool:
        """Send a QoS 0 message on this connection (hot path); False when the peer does not keep up or it is closed."""
        raise NotImplementedError

    def route(self, packet: Publish) -> int:
        """Fan an inbound message out: `broker.route(broker.message(packet), session)`."""
        raise NotImplementedError

    def close(self, reason: int = ReasonCode.ADMINISTRATIVE_ACTION, detail: str = "") -> None:
        """End the connection from this side: DISCONNECT with the reason in MQTT 5, the will is published."""
        raise NotImplementedError
