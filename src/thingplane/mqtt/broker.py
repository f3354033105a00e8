"""The broker: sessions, subscriptions, retained messages and time."""

from collections.abc import Callable
from uuid import uuid4

from thingplane.mqtt.carrying import reclaim
from thingplane.mqtt.link import Link
from thingplane.mqtt.message import Delivery, Message
from thingplane.mqtt.numbers import MQTT_5, NEVER, ReasonCode
from thingplane.mqtt.packets import Connect, Publish, Subscription
from thingplane.mqtt.policy import Closed, Policy
from thingplane.mqtt.retained import RetainedMessages
from thingplane.mqtt.session import Outbound, Session, delivery_properties, wanted_alias
from thingplane.mqtt.subscriptions import Entry, SubscriptionIndex
from thingplane.mqtt.wheel import TimingWheel


class Broker:
    """An MQTT server without sockets, clock or storage: bytes go through links, decisions through the policy.

    Attributes:
        policy: who decides.
        capabilities: the policy's, read once.
        now: s, the time of the last `tick`; everything that needs a time uses it.
        sessions: live sessions by key, connected or not.
        links: open network connections.
        retained: retained messages.
        waiting: bytes of all messages of QoS 1 and 2 that wait or are in flight, with `Outbound.cost` for each.
        new_client_id: makes identifiers for clients that sent none.
    """

    def __init__(self, policy: Policy, now: float, new_client_id: Callable[[], str] | None = None) -> None:
        """Make a broker.

        Args:
            policy: who decides.
            now: s of any clock that never goes back; the same clock as for `tick`.
            new_client_id: makes identifiers for clients that sent none; random ones when not given.
        """
        self.policy = policy
        self.capabilities = policy.capabilities
        self.now = now
        self.sessions: dict[str, Session] = {}
        self.links: set[Link] = set()
        self.retained = RetainedMessages(self.capabilities.max_retained)
        self.waiting = 0
        self.new_client_id = new_client_id or (lambda: uuid4().hex)
        self.max_qos = self.capabilities.max_qos
        self.retains = self.capabilities.retain == "supported"
        self._index = SubscriptionIndex()
        self._link_wheel: TimingWheel[Link] = TimingWheel(now)
        self._session_wheel: TimingWheel[Session] = TimingWheel(now)

    def open(self, on_output: Callable[[Link], None] | None = None, context: object | None = None) -> Link:
        """Return the link of a new network connection."""
        link = Link(self, on_output, context)
        self.links.add(link)
        self._link_wheel.schedule(link, self.now + self.capabilities.connect_timeout)
        return link

    # Messages

    def message(self, packet: Publish) -> Message:
        """Make a message of an inbound packet; its expiry interval starts now."""
        properties = packet.properties
        expires_at = None
        if properties is not None and properties.message_expiry_interval is not None:
            expires_at = self.now + properties.message_expiry_interval
        return Message(packet.topic, packet.payload, packet.qos, packet.retain, properties, expires_at)

    def deliver(self, session: Session, message: Message, qos: int | None = None) -> Delivery:
        """Deliver to one session without looking at its subscriptions, with the message's QoS or the given one.

        The RETAIN flag goes with the message as its sender set it; nothing is retained here.

        Messages of QoS 1 and 2 wait in the session while it is not connected; `Policy.delivered` or `Policy.dropped`
        follows for each that was SENT or QUEUED.
        """
        if qos is None:
            qos = message.qos
        retain = message.retain
        if qos:
            return self._deliver(session, Outbound(message, qos, retain))
        return self._send(session, message, retain=retain)

    def route(self, message: Message, publisher: Session | None = None) -> int:
        """Retain the message if asked to and deliver it to every matching subscription; the number of sessions."""
        if message.retain and self.retains:
            self.retained.store(message)
        entries = self._index.match(message.topic)
        if not entries:
            return 0
        receivers = _receivers(entries, publisher)
        for session, subscriptions in receivers.items():
            qos = min(message.qos, max(item.qos for item in subscriptions))
            retain = message.retain and any(item.retain_as_published for item in subscriptions)
            identifiers = tuple(item.identifier for item in subscriptions if item.identifier)
            if qos:
                self._deliver(session, Outbound(message, qos, retain, identifiers))
            else:
                self._send(session, message, retain=retain, identifiers=identifiers)
        return len(receivers)

    def _send(
        self, session: Session, message: Message, *, retain: bool = False, identifiers: tuple[int, ...] = ()
    ) -> Delivery:
        """Deliver with QoS 0."""
        link = session.link if session.carrier is None else session.carrier.link
        if link is None or link.congested:
            return Delivery.OFFLINE
        if message.expires_at is not None and message.expires_at <= self.now:
            return Delivery.EXPIRED
        properties = b""
        if link.connection.version == MQTT_5:
            properties = delivery_properties(message, identifiers, self.now)
        if not link.connection.publish(
            message.topic, message.payload, 0, retain=retain, properties=properties, alias=wanted_alias(message)
        ):
            return Delivery.TOO_LARGE
        link.notify()
        return Delivery.SENT

    def _deliver(self, session: Session, outbound: Outbound) -> Delivery:
        """Deliver with QoS 1 or 2."""
        expires_at = outbound.message.expires_at
        if expires_at is not None and expires_at <= self.now:
            return Delivery.EXPIRED
        limits = self.capabilities.max_queued, self.capabilities.max_queued_bytes
        if not session.has_room(outbound.message, *limits):
            for expired in session.purge(self.now):
                self.settled(expired)
                self.policy.dropped(session, expired.message, Delivery.EXPIRED)
            if not session.has_room(outbound.message, *limits):
                return Delivery.QUEUE_FULL
        if self.waiting + outbound.cost > self.capabilities.max_waiting_bytes:
            return Delivery.QUEUE_FULL
        self.waiting += outbound.cost
        holder = session.carrier or session
        if not (holder.inflight or holder.queue or holder.behind):
            holder.acknowledged_at = self.now
        session.queue.append(outbound)
        if self.pump(session, outbound):
            return Delivery.TOO_LARGE
        return Delivery.QUEUED if session.queue else Delivery.SENT

    def pump(self, session: Session, fresh: Outbound | None = None) -> bool:
        """Send what waits in a session as far as its window allows; whether the fresh message was given up."""
        if session.carrier is not None:
            session.waits_behind(session.carrier)
            session = session.carrier
        fresh_given_up = False
        for outbound, why in session.pump(self.now):
            self.settled(outbound)
            if outbound is fresh:
                fresh_given_up = True
            else:
                self.policy.dropped(session, outbound.message, why)
        link = session.link
        if link is not None and link.connection.has_output:
            link.notify()
        return fresh_given_up

    def settled(self, outbound: Outbound) -> None:
        """Take note that a message waits no longer and is in flight no longer, whatever became of it."""
        self.waiting -= outbound.cost

    # Subscriptions

    def subscribe(self, session: Session, subscription: Subscription) -> None:
        """Add or replace a subscription of a session, without an answer to anybody."""
        session.subscriptions[subscription.topic_filter] = subscription
        self._index.add(session, subscription)

    def unsubscribe(self, session: Session, topic_filter: str) -> bool:
        """Remove a subscription of a session; returns whether there was one."""
        if session.subscriptions.pop(topic_filter, None) is None:
            return False
        return self._index.remove(session, topic_filter)

    def send_retained(self, session: Session, subscription: Subscription) -> None:
        """Deliver the retained messages a subscription matches."""
        identifiers = (subscription.identifier,) if subscription.identifier else ()
        for message in self.retained.match(subscription.topic_filter, self.now):
            qos = min(message.qos, subscription.qos)
            if qos:
                self._deliver(session, Outbound(message, qos, retain=True, identifiers=identifiers))
            else:
                self._send(session, message, retain=True, identifiers=identifiers)

    # Sessions

    def restore(self, session: Session) -> None:
        """Take in a session from a store, not connected; one without `expires_at` begins to expire now.

        Raises:
            ValueError: there is a live session with the same key.
        """
        if session.key in self.sessions:
            raise ValueError(f"session {session.key!r} exists")
        self.sessions[session.key] = session
        self.waiting += sum(item.cost for item in session.held())
        for subscription in session.subscriptions.values():
            self._index.add(session, subscription)
        if session.expires_at is None and session.expiry_interval != NEVER:
            session.expires_at = self.now + session.expiry_interval
        self._schedule(session)

    def drop(self, session: Session, reason: int = ReasonCode.ADMINISTRATIVE_ACTION) -> None:
        """End a session for good; its connection is closed with the reason."""
        if session.link is not None:
            session.link.close(reason)
        self._finish(session)

    def begin(self, link: Link, key: str, packet: Connect, expiry: int) -> tuple[Session, bool]:
        """Attach an accepted link to its session, taking it over or making it; for `Link.accept`.

        Returns:
            The session, and whether it was there before.
        """
        session = self.sessions.get(key)
        if session is not None and session.link is not None:
            session.link.close(ReasonCode.SESSION_TAKEN_OVER, "the client connected again")
        if session is not None and packet.clean_start:
            self._finish(session)
        session = self.sessions.get(key)
        present = session is not None
        if session is None:
            session = self.sessions[key] = Session(key)
        session.client_id = link.client_id
        session.expiry_interval = expiry
        session.will = packet.will
        session.will_at = None
        self._session_wheel.cancel(session)
        link.session = session
        link.received_at = session.acknowledged_at = self.now
        session.attach(link, min(link.connection.receive_maximum, self.capabilities.max_inflight))
        if link.keepalive:
            self._link_wheel.schedule(link, _deadline(link))
        else:
            self._link_wheel.cancel(link)
        return session, present

    def carry(self, key: str, carrier: Session, *, client_id: str, clean: bool, expiry: int) -> tuple[Session, bool]:
        """Reach a session over the connection of another one, taking it over or making it.

        What waits in it is not sent before ``pump``, so that the carrier can be told first.

        Args:
            key: the session's; one with this key must be neither connected nor carried.
            carrier: a connected session.
            client_id: as the client gave it.
            clean: start anew.
            expiry: s that it outlives its being carried.

        Returns:
            The session, and whether it was there before.
        """
        session = self.sessions.get(key)
        if session is not None and clean:
            self._finish(session)
            session = None
        present = session is not None
        if session is None:
            session = self.sessions[key] = Session(key)
        self._session_wheel.cancel(session)
        session.client_id = client_id
        session.expiry_interval = expiry
        session.expires_at = None
        session.carrier = carrier
        return session, present

    def release(self, session: Session) -> None:
        """Carry a session no longer: it expires from now on."""
        carrier = session.carrier
        if carrier is None:
            return
        session.carrier = None
        if carrier.behind:
            carrier.behind.pop(session, None)
        if session.expiry_interval == 0:
            self._finish(session)
            return
        if session.expiry_interval != NEVER:
            session.expires_at = self.now + session.expiry_interval
        self._schedule(session)

    def detach(self, link: Link, closed: Closed) -> None:
        """Forget a link that has ended; for `Link.end`."""
        self.links.discard(link)
        self._link_wheel.cancel(link)
        session = link.session
        if session is not None:
            session.link = None
            session.resend.clear()
            reclaim(self, session)
            if session.expiry_interval != NEVER:
                session.expires_at = self.now + session.expiry_interval
        if link.packet is not None:
            self.policy.closed(link, closed)
        if session is None or session.link is not None:
            return
        if session.expiry_interval == 0:
            self._finish(session)
            return
        if session.will is not None:
            properties = session.will.properties
            session.will_at = self.now + ((properties.will_delay_interval or 0) if properties is not None else 0)
            if session.will_at <= self.now:
                self._publish_will(session)
        self._schedule(session)

    def _finish(self, session: Session) -> None:
        """End a session: it is forgotten and its will, if still due, is published."""
        if self.sessions.get(session.key) is not session:
            return
        del self.sessions[session.key]
        self.waiting -= sum(item.cost for item in session.held())
        self._session_wheel.cancel(session)
        if session.carrier is not None and session.carrier.behind:
            session.carrier.behind.pop(session, None)
        for topic_filter in session.subscriptions:
            self._index.remove(session, topic_filter)
        self._publish_will(session)
        self.policy.ended(session)

    def _publish_will(self, session: Session) -> None:
        will = session.will
        session.will = session.will_at = None
        if will is not None:
            packet = Publish(will.topic, will.payload, will.qos, will.retain, properties=will.properties)
            self.policy.will(self, session, self.message(packet))

    # Time

    def tick(self, now: float) -> None:
        """Pass the time on (about once a second): keep alive, connect timeout, session expiry, delayed wills.

        A link is closed between 1.5 times its keep alive and two seconds more after the last data (3.1.2.10).
        """
        self.now = now
        for link in self._link_wheel.due(now):
            if link.session is None:
                link.close(ReasonCode.MAXIMUM_CONNECT_TIME, "not connected in time")
            elif _deadline(link) > now:
                self._link_wheel.schedule(link, _deadline(link))
            else:
                link.close(ReasonCode.KEEP_ALIVE_TIMEOUT, "nothing received in time")
        for session in self._session_wheel.due(now):
            if session.will_at is not None and session.will_at <= now:
                self._publish_will(session)
            if session.expires_at is not None and session.expires_at <= now:
                self._finish(session)
            else:
                self._schedule(session)

    def _schedule(self, session: Session) -> None:
        times = [at for at in (session.will_at, session.expires_at) if at is not None]
        if times and session.link is None:
            self._session_wheel.schedule(session, min(times))

    def close(self, reason: int = ReasonCode.SERVER_SHUTTING_DOWN) -> None:
        """Close every link, for a shutdown; sessions stay."""
        for link in list(self.links):
            link.close(reason)


def _deadline(link: Link) -> float:
    # The clock moves once a second: data may have come up to a second later than noted.
    return link.received_at + 1.5 * link.keepalive + 1


def _receivers(entries: list[Entry], publisher: Session | None) -> dict[Session, list[Subscription]]:
    """Return the sessions a message goes to, each once, with the subscriptions that matched."""
    receivers: dict[Session, list[Subscription]] = {}
    for entry in entries:
        for session, subscription in entry.sessions.items():
            if not (subscription.no_local and session is publisher):
                receivers.setdefault(session, []).append(subscription)
        for group in entry.groups.values():
            session, subscription = group.choose()
            receivers.setdefault(session, []).append(subscription)
    return receivers
