"""Who is there to be sent to, and subscriptions on behalf of devices."""

import itertools
from collections.abc import Sequence

from thingplane.bus import DeviceOfflineError, Receiver, SubscriptionRefusedError
from thingplane.gateway.policy import MAX_SUBSCRIPTIONS
from thingplane.gateway.ports import ConnectingDevice, Topics
from thingplane.gateway.registry import Registry
from thingplane.gateway.sessions import Sessions, matching_filters
from thingplane.gateway.topics import may_subscribe
from thingplane.mqtt.packets import Subscription
from thingplane.mqtt.topics import SHARE, is_valid_filter


class GatewayAudience:
    """Implements ``bus.Audience`` for devices on connections of this node, their own or those of their gateways."""

    def __init__(self, sessions: Sessions, registry: Registry, topics: Topics) -> None:
        self._sessions = sessions
        self._registry = registry
        self._topics = topics
        self._turns = itertools.count()

    def online(self, product_id: int) -> list[Receiver]:
        registry = self._registry
        own = [connection.device for connection in registry.of_product(product_id)]
        subs = [sub.device for sub in registry.subs_of_product(product_id)]
        return [Receiver(device.id, device.product_key, device.name) for device in (*own, *subs) if device is not None]

    def subscribers(self, product_id: int, topic: str) -> list[Receiver]:
        found = []
        groups: dict[str, list[Receiver]] = {}
        for receiver in self.online(product_id):
            session = self._sessions.live(receiver.device_id)
            if session is None:
                continue
            matching = matching_filters(session, topic)
            shared = [item for item in matching if item.startswith(SHARE)]
            if len(shared) < len(matching):
                found.append(receiver)
            else:
                for item in shared:
                    groups.setdefault(item, []).append(receiver)
        # Each group gets one copy, its members take turns (MQTT 5.0, 4.8.2).
        turn = next(self._turns)
        chosen = (members[turn % len(members)] for members in groups.values())
        return [*found, *dict.fromkeys(chosen)]

    async def subscribe(self, device_id: int, topic_filters: Sequence[str]) -> None:
        device = self._device(device_id)
        if device is None:
            raise DeviceOfflineError
        permissions = await self._topics.permissions(device.product_id)
        # Nothing from here on may wait: until the store has it, the session must be the one that is looked at.
        session = self._sessions.live(device_id)
        if session is None or self._device(device_id) is None:
            raise DeviceOfflineError
        identity = f"/{device.product_key}/{device.name}"
        for topic_filter in topic_filters:
            if not is_valid_filter(topic_filter) or not may_subscribe(identity, topic_filter, permissions):
                raise SubscriptionRefusedError(f"The device may not subscribe {topic_filter}.")
        if len(session.subscriptions.keys() | set(topic_filters)) > MAX_SUBSCRIPTIONS:
            raise SubscriptionRefusedError(f"A device has at most {MAX_SUBSCRIPTIONS} subscriptions.")
        state = self._sessions.state(session)
        state.muted -= set(topic_filters)
        for topic_filter in topic_filters:
            subscription = Subscription(topic_filter, 1)
            self._sessions.broker.subscribe(session, subscription)
            if state.stored:
                self._sessions.store.subscribe(state.device_id, subscription)
        if state.stored:
            await self._sessions.store.durable()

    def _device(self, device_id: int) -> ConnectingDevice | None:
        connection = self._registry.get(device_id)
        if connection is not None:
            return connection.device
        sub = self._registry.sub(device_id)
        return None if sub is None else sub.device
