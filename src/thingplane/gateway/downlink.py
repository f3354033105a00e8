"""Messages to devices: delivery by session, and requests that wait for an answer."""

import asyncio
from typing import cast

from thingplane import ids
from thingplane.bus import (
    ConnectionLostError,
    DeviceBusyError,
    DeviceOfflineError,
    DownlinkMessage,
    RequestTimeoutError,
)
from thingplane.gateway.metrics import Counters
from thingplane.gateway.publish_properties import publish_properties
from thingplane.gateway.registry import Registry
from thingplane.gateway.sessions import Sessions, subscribed
from thingplane.gateway.settings import GatewaySettings
from thingplane.mqtt import Broker, Delivery, Message, ReasonCode, Session


class GatewayDownlink:
    """Implements ``bus.Downlink`` for devices on connections of this node, their own or those of their gateways."""

    def __init__(self, sessions: Sessions, registry: Registry, counters: Counters, settings: GatewaySettings) -> None:
        self._sessions = sessions
        self._registry = registry
        self._counters = counters
        self._keep_for = settings.offline_seconds
        self._patience = settings.unacknowledged_seconds
        self._requests: dict[int, dict[int, asyncio.Future[bytes]]] = {}

    @property
    def _broker(self) -> Broker:
        return self._sessions.broker

    def online(self, device_id: int) -> bool:
        return self._registry.reach(device_id) is not None

    def custom_rrpc(self, device_id: int) -> bool:
        connection = self._registry.reach(device_id)
        return connection is not None and bool(connection.extensions & 1)

    async def send(self, message: DownlinkMessage) -> bool:
        """Deliver or keep a message; see ``bus.Downlink``.

        At most ``offline_messages_per_device`` messages wait for one device; further ones are refused (False). Kept
        messages are dropped after ``offline_seconds``, or sooner if the message says so.
        """
        session = self._sessions.live(message.device_id)
        if session is None and message.qos:
            session = await self._sessions.find(message.device_id)
        if session is None:
            return self._lost(Delivery.OFFLINE.value)
        return await self._deliver(session, message)

    def offer(self, message: DownlinkMessage) -> bool | None:
        session = self._sessions.live(message.device_id)
        if session is None:
            return None if message.qos else self._lost(Delivery.OFFLINE.value)
        if message.qos and self._sessions.state(session).stored:
            return None
        try:
            taken = self._hand_over(session, message) is not None
        except DeviceBusyError:
            return None
        self._counters.downlinks += taken
        return taken

    async def _deliver(self, session: Session, message: DownlinkMessage) -> bool:
        outbound = self._hand_over(session, message)
        if outbound is None:
            return False
        if outbound.tag is not None:
            # Sent at once, but promised only when it is durable; the device's acknowledgement deletes it after this.
            self._sessions.store.keep(message.device_id, cast("int", outbound.tag), outbound, self._broker.now)
            await self._sessions.store.durable()
        self._counters.downlinks += 1
        return True

    def _hand_over(self, session: Session, message: DownlinkMessage) -> Message | None:
        """Give a message to the broker; None: it is lost. One with a tag has to be kept.

        Raises:
            DeviceBusyError: it would be lost but must not be.
        """
        state = self._sessions.state(session)
        if message.needs_subscription:
            wanted = subscribed(session, message.topic)
        else:
            wanted = state.wants(session, message.topic)
        if not wanted:
            self._lost("not subscribed")
            return None
        kept = bool(message.qos) and state.stored
        seconds = message.expiry
        if message.qos:
            seconds = self._keep_for if seconds is None else min(seconds, self._keep_for)
        outbound = Message(
            message.topic,
            message.payload,
            min(message.qos, 1),
            retain=message.retain,
            properties=publish_properties(message.properties),
            expires_at=None if seconds is None else self._broker.now + seconds,
            tag=ids.message_id() if kept else None,
        )
        outcome = self._broker.deliver(session, outbound)
        if outcome is Delivery.QUEUE_FULL:
            self._check_pace(session if session.carrier is None else session.carrier)
        if outcome is Delivery.QUEUE_FULL and message.needs_room and self.online(message.device_id):
            raise DeviceBusyError
        if outcome.dropped:
            self._lost(outcome.value)
            return None
        return outbound

    def _check_pace(self, session: Session) -> None:
        """End the connection of a device whose queue is full and which has not acknowledged anything for long."""
        link = session.link
        if link is not None and self._broker.now - session.acknowledged_at > self._patience:
            link.close(ReasonCode.QUOTA_EXCEEDED, "its queue is full and it acknowledges nothing")

    def _lost(self, reason: str) -> bool:
        self._counters.downlinks_lost[reason] += 1
        return False

    async def request(self, message: DownlinkMessage, message_id: int, timeout_ms: int) -> bytes:
        session = self._sessions.live(message.device_id)
        if session is None or not self.online(message.device_id):
            raise DeviceOfflineError
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        waiting = self._requests.setdefault(message.device_id, {})
        if message_id in waiting:
            raise ValueError(f"message id {message_id} is in use")
        waiting[message_id] = future
        try:
            if not await self._deliver(session, message):
                raise DeviceOfflineError
            async with asyncio.timeout(timeout_ms / 1000):
                return await future
        except TimeoutError:
            raise RequestTimeoutError from None
        finally:
            del waiting[message_id]
            if not waiting and self._requests.get(message.device_id) is waiting:
                del self._requests[message.device_id]

    def resolve(self, device_id: int, message_id: int, payload: bytes) -> bool:
        future = self._requests.get(device_id, {}).get(message_id)
        if future is None or future.done():
            return False
        future.set_result(payload)
        return True

    def connection_lost(self, device_id: int) -> None:
        """Fail the requests that wait for a device that has lost its connection."""
        for future in self._requests.get(device_id, {}).values():
            if not future.done():
                future.set_exception(ConnectionLostError())
