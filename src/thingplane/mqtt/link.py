"""One network connection as the broker sees it."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from thingplane.mqtt.acknowledgements import handle_acknowledgement
from thingplane.mqtt.connecting import (
    check_connect,
    connack_properties,
    effective_client_id,
    requested_expiry,
    server_keepalive,
)
from thingplane.mqtt.connection import ServerConnection
from thingplane.mqtt.errors import ProtocolError
from thingplane.mqtt.numbers import MQTT_5, ConnackCode, ReasonCode, connack_code
from thingplane.mqtt.packets import Connect, Disconnect, Event, Ping, Publish, Subscribe, Unsubscribe
from thingplane.mqtt.policy import Closed, ClosedBy
from thingplane.mqtt.properties import Properties
from thingplane.mqtt.session import Session
from thingplane.mqtt.subscribing import activate, deactivate, mark_refusals

if TYPE_CHECKING:
    from thingplane.mqtt.broker import Broker


class Link:
    """One network connection; made by `Broker.open`, owned by whatever moves the bytes.

    The owner calls `receive_data` with what it read, then writes `data_to_send()` and closes the transport after
    writing when `closing` is set. It calls `connection_lost` once when the transport is gone for whatever reason.

    Attributes:
        broker: the broker it belongs to.
        connection: the protocol state below.
        session: set once accepted; it stays readable after the connection ended.
        packet: the CONNECT packet, once received.
        client_id: in force, once accepted: the client's own or the assigned one.
        keepalive: in force, once accepted, s; 0 = off.
        closing: the transport has to be closed once the output is written.
        congested: the peer does not read, see `pause_writing`.
        received_at: s of the broker's clock when data arrived last.
        on_output: called when output came up outside `receive_data` or `closing` was set there, at most once until
            `data_to_send` is called. May be called while another link handles its data (a takeover, a delivery), so it
            must not raise.
        context: free for the owner.
    """

    __slots__ = (
        "_ended",
        "_notified",
        "_receiving",
        "broker",
        "client_id",
        "closing",
        "congested",
        "connection",
        "context",
        "keepalive",
        "on_output",
        "packet",
        "received_at",
        "session",
    )

    def __init__(self, broker: "Broker", on_output: "Callable[[Link], None] | None", context: object | None) -> None:
        self.broker = broker
        self.connection = ServerConnection(broker.capabilities)
        self.session: Session | None = None
        self.packet: Connect | None = None
        self.client_id = ""
        self.keepalive = 0
        self.closing = False
        self.congested = False
        self.received_at = broker.now
        self.on_output = on_output
        self.context = context
        self._ended = False  # detached from broker and session; Policy.closed was called
        self._notified = False  # the owner knows that it has to call data_to_send
        self._receiving = False

    # What the owner calls

    def receive_data(self, data: bytes) -> None:
        """Handle bytes from the peer. Never raises for what the peer sent: it answers, and sets `closing`."""
        if self._ended:
            return
        self.received_at = self.broker.now
        self._notified = self._receiving = True
        try:
            self._receive(data)
        finally:
            self._receiving = False
            self._notified = self.closing or self.connection.has_output

    def data_to_send(self) -> bytes:
        """Return and forget the output; b"" when there is none."""
        self._notified = False
        return self.connection.data_to_send()

    def connection_lost(self) -> None:
        """Tell that the transport is gone."""
        self.closing = True
        self.end(Closed(ClosedBy.NETWORK))

    def pause_writing(self) -> None:
        """Tell that the peer does not read: QoS 0 is dropped and QoS 1 and 2 wait in the session until resumed.

        Answers are still produced: an owner that wants the output bounded also stops reading from the peer.
        """
        self.congested = True

    def resume_writing(self) -> None:
        """Tell that the transport takes data again."""
        self.congested = False
        if self.session is not None and not self._ended:
            self.broker.pump(self.session)

    # Inbound

    def _receive(self, data: bytes) -> None:
        broken: ProtocolError | None = None
        while True:
            try:
                events = self.connection.receive_data(data)
            except ProtocolError as error:
                events = error.events
                broken = error
            try:
                for event in events:
                    if self._ended:
                        return
                    if type(event) is Publish:
                        self._publish(event)
                    else:
                        self._dispatch(event)
            except ProtocolError as error:
                broken = error
            if broken is not None:
                self._fail(broken)
                return
            # CONNECT is always alone; what came behind it is decoded once it is accepted.
            if not events or type(events[0]) is not Connect or not self.connection.is_open:
                return
            data = b""

    def _publish(self, packet: Publish) -> None:
        broker = self.broker
        if packet.qos > broker.max_qos:
            raise ProtocolError(f"QoS {packet.qos} is not supported", ReasonCode.QOS_NOT_SUPPORTED)
        if packet.retain and not broker.retains:
            if broker.capabilities.retain == "refused":
                raise ProtocolError("retained messages are not supported", ReasonCode.RETAIN_NOT_SUPPORTED)
            packet.retain = False
        if packet.qos == 2 and not self._is_new(packet.packet_id):
            return
        broker.policy.publish(self, packet)

    def _is_new(self, packet_id: int) -> bool:
        """Note a QoS 2 packet identifier; acknowledge it again when it is a repetition (4.3.3)."""
        session = self._session()
        if packet_id not in session.inbound:
            session.inbound[packet_id] = False
            return True
        if session.inbound[packet_id]:
            self.connection.pubrec(packet_id)
        return False

    def _session(self) -> Session:
        if self.session is None:
            raise RuntimeError("the connection is not accepted")
        return self.session

    def _dispatch(self, event: Event) -> None:
        match event:
            case Ping():
                pass
            case Connect():
                self.packet = event
                check_connect(event, self.broker.capabilities)
                self.broker.policy.connect(self, event)
            case Subscribe():
                mark_refusals(event, self.broker.capabilities)
                self.broker.policy.subscribe(self, event)
            case Unsubscribe():
                self.broker.policy.unsubscribe(self, event)
            case Disconnect():
                self._disconnected(event)
            case _:
                handle_acknowledgement(self.broker, self.connection, self._session(), event)

    def _disconnected(self, packet: Disconnect) -> None:
        expiry = packet.properties.session_expiry_interval if packet.properties is not None else None
        session = self.session
        if session is not None and expiry is not None:
            if expiry and not session.expiry_interval:
                raise ProtocolError("DISCONNECT prolongs a session that was not to be kept", ReasonCode.PROTOCOL_ERROR)
            session.expiry_interval = min(expiry, self.broker.capabilities.max_session_expiry)
        if session is not None and packet.reason == ReasonCode.SUCCESS:
            session.will = None
        self.closing = True
        self.end(Closed(ClosedBy.CLIENT, packet.reason))

    def _fail(self, error: ProtocolError) -> None:
        if self._ended:
            return
        if self.session is not None:
            self.connection.disconnect(error.reason, str(error))
        elif self.connection.version == MQTT_5 or error.reason in (
            ReasonCode.UNSUPPORTED_PROTOCOL_VERSION,
            ReasonCode.CLIENT_IDENTIFIER_NOT_VALID,
        ):
            self._refuse(error.reason, None)
        self._close(Closed(ClosedBy.SERVER, error.reason, str(error)))

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
    ) -> Session | None:
        """Accept the connection: send CONNACK, take over or make the session, resend what is unacknowledged.

        Packets that arrived in the meantime are handled before this returns when it is called outside `receive_data`.

        Args:
            session_key: identity of the session; the client identifier when not given. A session with this key that is
                connected elsewhere is taken over.
            client_id: identifier to assign instead of the client's (MQTT 5 clients are told).
            keepalive: s, instead of what the client asked for (MQTT 5 clients are told; for 3.x it only applies here).
            session_expiry: s the session outlives the connection, instead of what the client asked for (MQTT 5 clients
                are told).
            properties: further CONNACK properties for MQTT 5 clients; set fields win over what the broker would send.
            context: becomes `Link.context` before anything else happens when not None.

        Returns:
            The session, attached; None when the connection ended before it was accepted.

        Raises:
            RuntimeError: there was no CONNECT yet, or it is accepted already.
        """
        packet = self.packet
        if self._ended:
            return None
        if packet is None or self.session is not None:
            raise RuntimeError("there is no CONNECT to accept")
        capabilities = self.broker.capabilities
        if context is not None:
            self.context = context
        self.client_id = effective_client_id(packet, client_id, self.broker.new_client_id)
        self.keepalive = server_keepalive(packet, capabilities) if keepalive is None else keepalive
        kept_for = requested_expiry(packet, capabilities) if session_expiry is None else session_expiry
        session, present = self.broker.begin(self, session_key or self.client_id, packet, kept_for)
        self.connection.connack(
            ConnackCode.ACCEPTED,
            session_present=present,
            properties=connack_properties(
                packet,
                capabilities,
                expiry=kept_for,
                keepalive=self.keepalive,
                client_id=self.client_id,
                extra=properties,
            ),
        )
        packet.password = None  # nobody needs the secret any more
        self.broker.pump(session)
        if not self._receiving:
            self.notify()
            self._receive(b"")
        return session

    def refuse(self, code: int, reason_string: str | None = None) -> None:
        """Refuse the connection with a `ConnackCode` or a `ReasonCode`; it is translated for the client's version."""
        if self._ended:
            return
        if self.packet is None or self.session is not None:
            raise RuntimeError("there is no CONNECT to refuse")
        self._refuse(code, reason_string)
        self._close(Closed(ClosedBy.SERVER, connack_code(code, MQTT_5), reason_string or "refused"))

    def _refuse(self, code: int, reason_string: str | None) -> None:
        properties = Properties(reason_string=reason_string) if reason_string is not None else None
        self.connection.connack(connack_code(code, self.connection.version), properties=properties)

    def acknowledge(self, packet: Publish, reason: int = 0) -> None:
        """Acknowledge an inbound message of QoS 1 or 2; does nothing for QoS 0. Reasons are sent in MQTT 5 only."""
        if packet.qos == 1:
            if self._ended:
                return
            self.connection.puback(packet.packet_id, reason)
            if not self._notified:
                self.notify()
        elif packet.qos == 2:
            session = self._session()
            if reason >= 0x80:
                session.inbound.pop(packet.packet_id, None)
            elif packet.packet_id in session.inbound:
                session.inbound[packet.packet_id] = True
            # The client may have come back on another link meanwhile, and waits there.
            current = session.link
            if current is not None:
                current.connection.pubrec(packet.packet_id, reason)
                current.notify()

    def grant(
        self, packet: Subscribe, codes: Sequence[int] | None = None, sessions: Sequence[Session] | None = None
    ) -> None:
        """Answer SUBSCRIBE, activate what is granted and send retained messages.

        Args:
            packet: the packet passed to the policy.
            codes: one per subscription in order: granted QoS (capped by the broker) or a reason code from 0x80, sent to
                3.x clients as 0x80. None grants what was asked for. A subscription with a `refusal` stays refused.
            sessions: whose each subscription is, when some are of sessions that this link's session carries.
        """
        if self._ended:
            return
        owners = sessions or [self._session()] * len(packet.subscriptions)
        results, retained = activate(self.broker, owners, packet, codes)
        self.connection.suback(packet.packet_id, results)
        for session, item in retained:
            self.broker.send_retained(session, item)
        self.notify()

    def revoke(
        self, packet: Unsubscribe, codes: Sequence[int] | None = None, sessions: Sequence[Session] | None = None
    ) -> None:
        """Answer UNSUBSCRIBE; filters with a code from 0x80 stay subscribed, None removes all; `sessions` as above."""
        if self._ended:
            return
        owners = sessions or [self._session()] * len(packet.topic_filters)
        self.connection.unsuback(packet.packet_id, deactivate(self.broker, owners, packet, codes))
        self.notify()

    # What an application sends

    def publish(self, topic: str, payload: bytes) -> bool:
        """Send a QoS 0 message on this connection (hot path).

        Returns:
            False when the connection is closed, does not keep up, or takes only smaller packets.
        """
        if self._ended or self.congested or not self.connection.publish(topic, payload):
            return False
        if not self._notified:
            self.notify()
        return True

    def route(self, packet: Publish) -> int:
        """Fan an inbound message out; the number of sessions it was for."""
        return self.broker.route(self.broker.message(packet), self.session)

    def close(self, reason: int = ReasonCode.ADMINISTRATIVE_ACTION, detail: str = "") -> None:
        """End the connection from this side: DISCONNECT with the reason in MQTT 5, the will is published."""
        if self._ended:
            return
        if self.session is not None:
            self.connection.disconnect(reason, detail)
        self._close(Closed(ClosedBy.SERVER, reason, detail))

    def _close(self, closed: Closed) -> None:
        self.closing = True
        self.end(closed)
        self.notify()

    def end(self, closed: Closed) -> None:
        """Detach from session and broker and tell the policy, once."""
        if not self._ended:
            self._ended = True
            self.broker.detach(self, closed)

    def notify(self) -> None:
        """Tell the owner that there is something to write, unless it knows."""
        if not self._notified:
            self._notified = True
            if self.on_output is not None:
                self.on_output(self)
