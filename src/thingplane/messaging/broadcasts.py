"""Messages to many devices at once, and subscriptions on behalf of devices (device-protocol, 9.3; guide 4.14.3)."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from thingplane import ids
from thingplane.bus import Audience, DeviceOfflineError, Downlink, DownlinkMessage, Receiver, SubscriptionRefusedError
from thingplane.clock import Clock
from thingplane.devices.service import Device
from thingplane.messaging import errors
from thingplane.messaging.topics import is_topic
from thingplane.products.service import ProductService
from thingplane.topics.errors import INVALID_FORMATTED_TOPIC_NAME, TOPIC_TEMPLATE_IS_NOT_FOUND

MAX_PAYLOAD: Final = 64 * 1024
"""Longest broadcast, in bytes."""
MAX_SUBSCRIBERS: Final = 1000
EVERY_S: Final = 60
"""Seconds between two broadcasts to all devices of a product, of one account."""
_AT_ONCE: Final = 100
"""Devices that are sent to before others get a turn of the loop."""

TopicOf = Callable[[Receiver], str]


class BroadcastService:
    """Broadcasts: QoS 0, to whoever is online."""

    def __init__(
        self,
        downlink: Downlink,
        audience: Audience,
        products: ProductService,
        clock: Clock,
        *,
        max_subscribers: int = MAX_SUBSCRIBERS,
        limited: bool = False,
    ) -> None:
        """Wire the service.

        Args:
            downlink: the way to devices.
            audience: tells who is there.
            products: finds products.
            clock: for the documented rate.
            max_subscribers: devices that one topic may reach.
            limited: whether an account is held to the documented rate of broadcasts to all devices, one a minute.
        """
        self._downlink = downlink
        self._audience = audience
        self._products = products
        self._clock = clock
        self._max_subscribers = max_subscribers
        self._limited = limited
        self._last: dict[str, float] = {}

    async def to_all(self, instance_id: int, product_key: str, payload: bytes, account_id: str) -> int:
        """Send to all devices of a product that are online, and return the MessageId, which is part of the topic.

        Raises:
            BusinessError: iot.prod.NotExistedProduct, iot.messagebroker.PublishMessageFailed,
                iot.messagebroker.RateLimit. Nothing was sent.
        """
        product = await self._products.get(instance_id, product_key)
        _check_size(payload)
        if self._limited:
            now = self._clock.monotonic()
            if now < self._last.get(account_id, now - EVERY_S) + EVERY_S:
                raise errors.RATE_LIMIT("All devices of a product can be sent to once a minute.")
            self._last[account_id] = now
        message_id = ids.message_id()
        receivers = self._audience.online(product.id)
        await self._send(receivers, payload, lambda to: _system_topic(to, message_id), needs_subscription=False)
        return message_id

    async def to_subscribers(self, instance_id: int, product_key: str, payload: bytes, topic: str) -> int:
        """Send to those devices of a product that are online and have subscribed a topic; return the MessageId.

        Raises:
            BusinessError: iot.prod.NotExistedProduct, iot.messagebroker.InvalidFormattedTopicName,
                iot.messagebroker.PublishMessageFailed, also when the topic has too many subscribers. Nothing was sent.
        """
        product = await self._products.get(instance_id, product_key)
        prefix = f"/broadcast/{product_key}/"
        if not is_topic(topic) or not topic.startswith(prefix) or "" in topic[1:].split("/"):
            raise INVALID_FORMATTED_TOPIC_NAME("The topic of a broadcast is /broadcast/{ProductKey}/ and some text.")
        _check_size(payload)
        receivers = self._audience.subscribers(product.id, topic)
        if len(receivers) > self._max_subscribers:
            raise errors.PUBLISH_MESSAGE_FAILED(f"More than {self._max_subscribers} devices have subscribed the topic.")
        await self._send(receivers, payload, lambda _: topic, needs_subscription=True)
        return ids.message_id()

    async def _send(
        self, receivers: Sequence[Receiver], payload: bytes, topic: TopicOf, *, needs_subscription: bool
    ) -> None:
        for position, receiver in enumerate(receivers, 1):
            message = DownlinkMessage(
                device_id=receiver.device_id,
                topic=topic(receiver),
                payload=payload,
                needs_subscription=needs_subscription,
            )
            await self._downlink.send(message)
            if position % _AT_ONCE == 0:
                await asyncio.sleep(0)

    async def subscribe(self, device: Device, topics: Sequence[str]) -> None:
        """Subscribe topics on behalf of a device that is online: its own ones, all or none.

        Raises:
            BusinessError: iot.device.InactiveDevice, iot.messagebroker.OFFLINE,
                iot.messagebroker.InvalidFormattedTopicName; iot.messagebroker.TopicTemplateIsNotFound for a topic that
                the device may not subscribe, or that would be one too many.
        """
        identity = f"/{device.product_key}/{device.name}/"
        for topic in topics:
            plain = topic.replace("+", "").replace("#", "")
            if not is_topic(plain) or not topic.startswith((identity, "/sys" + identity)):
                raise INVALID_FORMATTED_TOPIC_NAME(f"{topic[:128]} is no topic of the device.")
        try:
            await self._audience.subscribe(device.id, topics)
        except DeviceOfflineError as error:
            raise (errors.OFFLINE() if device.activated_at is not None else errors.INACTIVE_DEVICE()) from error
        except SubscriptionRefusedError as error:
            raise TOPIC_TEMPLATE_IS_NOT_FOUND(str(error)) from error


def _check_size(payload: bytes) -> None:
    if len(payload) > MAX_PAYLOAD:
        raise errors.PUBLISH_MESSAGE_FAILED(f"A broadcast has at most {MAX_PAYLOAD} bytes.")


def _system_topic(receiver: Receiver, message_id: int) -> str:
    return f"/sys/{receiver.product_key}/{receiver.name}/broadcast/request/{message_id}"
