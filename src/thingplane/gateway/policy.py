"""The platform's rules on top of the MQTT broker core (device-protocol reference, 1.2 and 1.6 to 1.9)."""

import asyncio
from collections.abc import Callable, Iterable
from typing import cast

import structlog

from thingplane.alink import Code
from thingplane.gateway.admission import Admission
from thingplane.gateway.connection import Connection
from thingplane.gateway.hub import Hub
from thingplane.gateway.ports import Topics
from thingplane.gateway.registry import Registry
from thingplane.gateway.session_codes import SessionCode
from thingplane.gateway.sessions import Sessions
from thingplane.gateway.settings import MAX_PAYLOAD, GatewaySettings
from thingplane.gateway.sub_devices import SubDevices
from thingplane.gateway.subscribers import Permissions, Subscriber, may, subscriber_of
from thingplane.gateway.topics import is_system_filter
from thingplane.mqtt import Broker, Capabilities, Closed, ClosedBy, Delivery, Link, Message, ReasonCode, Session
from thingplane.mqtt.packets import Connect, Publish, Subscribe, Subscription, Unsubscribe
from thingplane.mqtt.topics import split_shared

_log = structlog.get_logger(__name__)

MAX_FILTERS = 8
"""Topic filters of one SUBSCRIBE packet."""
MAX_SUBSCRIPTIONS = 100
"""Subscriptions of one device."""
MAX_TOPIC_LENGTH = 1024
"""Bytes of any topic; custom topics are shorter. PostgreSQL could not index much longer ones."""
_BREACHES = frozenset(
    {
        ReasonCode.MALFORMED_PACKET,
        ReasonCode.PROTOCOL_ERROR,
        ReasonCode.TOPIC_NAME_INVALID,
        ReasonCode.RECEIVE_MAXIMUM_EXCEEDED,
        ReasonCode.TOPIC_ALIAS_INVALID,
        ReasonCode.PACKET_TOO_LARGE,
        ReasonCode.QUOTA_EXCEEDED,
        ReasonCode.QOS_NOT_SUPPORTED,
    }
)
"""What a connection is closed for that breaks a limit or the protocol."""


def capabilities(settings: GatewaySettings) -> Capabilities:
    """Return the limits that the MQTT core enforces for the platform."""
    return Capabilities(
        connect_timeout=settings.connect_timeout,
        max_connect_size=16_384,
        max_session_expiry=settings.offline_seconds,
        session_expiry_3x=settings.offline_seconds,
        wills="ignored",
        max_packet_size=MAX_PAYLOAD + MAX_TOPIC_LENGTH + 4_096,  # room for MQTT 5 properties
        max_qos=1,
        retain="ignored",
        receive_maximum=settings.max_pending,
        max_topic_length=MAX_TOPIC_LENGTH,
        reason_strings=True,
        subscription_identifiers=False,
        max_subscriptions=MAX_SUBSCRIPTIONS,
        max_queued=settings.offline_messages_per_device,
        max_queued_bytes=settings.offline_bytes_per_device,
        max_waiting_bytes=settings.offline_bytes,
        topic_aliases_out=0,
    )


class PlatformPolicy:
    """Decides what the broker asks; everything that comes in ends here or in the given ``publish``."""

    def __init__(  # noqa: PLR0917 - each is of a type of its own
        self,
        settings: GatewaySettings,
        admission: Admission,
        sessions: Sessions,
        registry: Registry,
        topics: Topics,
        publish: Callable[[Link, Publish], None],
        subs: SubDevices,
    ) -> None:
        self.capabilities = capabilities(settings)
        self.publish = publish
        self.hub: Hub
        """Set once, when broker and policy know each other."""
        self.on_lost: Callable[[int], None] = lambda _device_id: None
        """Called with the key of a device that has lost its connection, perhaps to a new one."""
        self._admission = admission
        self._sessions = sessions
        self._registry = registry
        self._topics = topics
        self._subs = subs

    def connect(self, link: Link, packet: Connect) -> None:
        self._admission.connect(self.hub, cast("Connection", link.context), packet)

    def will(self, broker: Broker, session: Session, message: Message) -> None:
        """Wills are ignored."""

    def closed(self, link: Link, closed: Closed) -> None:
        connection = cast("Connection", link.context)
        device = connection.device
        if closed.by is ClosedBy.SERVER and closed.reason in _BREACHES:
            reason = ReasonCode(closed.reason).name.lower().replace("_", " ")
            self.hub.counters.breaches[reason] += 1
            device_or_address = connection.identity or connection.ip
            _log.warning("connection closed", device=device_or_address, reason=reason, detail=closed.detail)
        if device is None:
            return
        if connection.subs:
            self._subs.end_all(connection)
        if closed.reason == ReasonCode.SESSION_TAKEN_OVER:
            connection.end_code = SessionCode.ELSEWHERE
        self._registry.leave(connection)
        self.on_lost(device.id)
        session = link.session
        if session is not None:
            self._sessions.disconnected(session)
        _log.debug(
            "disconnected", device=connection.identity, by=closed.by.value, reason=closed.reason, detail=closed.detail
        )

    def delivered(self, _session: Session, message: Message) -> None:
        if message.tag is not None:
            self._sessions.store.forget(cast("int", message.tag))

    def dropped(self, _session: Session, message: Message, why: Delivery) -> None:
        self.hub.counters.downlinks_lost[why.value] += 1
        if message.tag is not None:
            self._sessions.store.forget(cast("int", message.tag))

    def ended(self, session: Session) -> None:
        self._sessions.ended(session)

    # Subscriptions

    def subscribe(self, link: Link, packet: Subscribe) -> None:
        filters = [split_shared(item.topic_filter)[1] for item in packet.subscriptions]
        self._in_order(link, filters, lambda permissions: self._subscribe(link, packet, filters, permissions))

    def unsubscribe(self, link: Link, packet: Unsubscribe) -> None:
        self._in_order(link, packet.topic_filters, lambda _permissions: self._unsubscribe(link, packet))

    def _in_order(self, link: Link, filters: Iterable[str], action: Callable[[Permissions], None]) -> None:
        """Act with the permissions of the products: now, if they and nothing before it have to be awaited."""
        connection = cast("Connection", link.context)
        device = connection.device
        if device is None:
            return
        products = {device.product_id}
        if connection.subs:
            products.update(subscriber_of(connection, item).product_id for item in filters)
        permissions = {product_id: self._topics.cached(product_id) for product_id in products}
        if None not in permissions.values() and connection.controls is None:
            action(cast("Permissions", permissions))
            return
        before = connection.controls
        connection.control_waits()
        connection.controls = asyncio.get_running_loop().create_task(self._later(connection, before, products, action))

    async def _later(
        self,
        connection: Connection,
        before: asyncio.Task[None] | None,
        products: Iterable[int],
        action: Callable[[Permissions], None],
    ) -> None:
        try:
            if before is not None:
                await asyncio.wait([before])
            action({product_id: await self._topics.permissions(product_id) for product_id in products})
        except Exception as error:  # noqa: BLE001 - whatever failed, the device must not wait for ever
            connection.failed(error)
        finally:
            connection.control_done()
            if connection.controls is asyncio.current_task():
                connection.controls = None

    def _subscribe(self, link: Link, packet: Subscribe, filters: list[str], permissions: Permissions) -> None:
        connection = cast("Connection", link.context)
        if link.session is None or connection.lost:
            return
        owners = [subscriber_of(connection, item) for item in filters]
        held = {owner.session.key: set(owner.session.subscriptions) for owner in owners}
        codes: list[int] = []
        for position, (item, owner) in enumerate(zip(packet.subscriptions, owners, strict=True)):
            if position >= MAX_FILTERS:
                # Not even looked at: each could cost a log line.
                codes.append(item.refusal or ReasonCode.QUOTA_EXCEEDED)
                continue
            code = item.refusal or self._subscribe_code(owner, item, permissions)
            if code < 0x80:
                mine = held[owner.session.key]
                mine.add(item.topic_filter)
                if len(mine) > MAX_SUBSCRIPTIONS:
                    mine.discard(item.topic_filter)
                    code = ReasonCode.QUOTA_EXCEEDED
            codes.append(code)
        must_wait = False
        for item, owner, code in zip(packet.subscriptions, owners, codes, strict=True):
            if code < 0x80:
                state = self._sessions.state(owner.session)
                state.muted -= {item.topic_filter}
                if state.stored:
                    must_wait = True
                    self._sessions.store.subscribe(state.device_id, item)

        def answer() -> None:
            # Sub-devices may have been logged out meanwhile.
            present = [
                code if owner.is_present(link) else ReasonCode.NOT_AUTHORIZED
                for code, owner in zip(codes, owners, strict=True)
            ]
            link.grant(packet, present, [owner.session for owner in owners])

        if must_wait:
            self._when_durable(connection, answer)
        else:
            answer()

    def _subscribe_code(self, owner: Subscriber, item: Subscription, permissions: Permissions) -> int:
        if may(owner, split_shared(item.topic_filter)[1], permissions):
            return min(item.qos, 1)
        _log.info(
            "subscription refused",
            code=int(Code.TOPIC_NOT_PERMITTED),
            device=owner.identity,
            topic_filter=item.topic_filter,
        )
        return ReasonCode.NOT_AUTHORIZED

    def _unsubscribe(self, link: Link, packet: Unsubscribe) -> None:
        connection = cast("Connection", link.context)
        if link.session is None or connection.lost:
            return
        store = self._sessions.store
        owners = [subscriber_of(connection, split_shared(item)[1]) for item in packet.topic_filters]
        must_wait = False
        for topic_filter, owner in dict(zip(packet.topic_filters, owners, strict=True)).items():
            state = self._sessions.state(owner.session)
            must_wait = must_wait or state.stored
            is_muted = topic_filter in state.muted
            if not is_muted and is_system_filter(owner.identity, topic_filter) and len(state.muted) < MAX_SUBSCRIPTIONS:
                state.muted |= {topic_filter}
                if state.stored:
                    store.subscribe(state.device_id, Subscription(topic_filter), muted=True)
            elif state.stored and not is_muted and topic_filter in owner.session.subscriptions:
                store.unsubscribe(state.device_id, topic_filter)
        sessions = [owner.session for owner in owners]
        if must_wait:
            self._when_durable(connection, lambda: link.revoke(packet, None, sessions))
        else:
            link.revoke(packet, None, sessions)

    def _when_durable(self, connection: Connection, answer: Callable[[], None]) -> None:
        connection.control_waits()

        def act(error: BaseException | None) -> None:
            connection.control_done()
            if error is None:
                answer()
            else:
                connection.failed(error)

        self._sessions.store.after(act)
