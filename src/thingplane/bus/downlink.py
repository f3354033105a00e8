"""Sending to devices, wherever they are connected."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import msgspec


class DeviceOfflineError(Exception):
    """The device has no connection, and the message is not one that is kept for later."""


class DeviceBusyError(Exception):
    """The device is connected, but has as many messages waiting as it may."""


class RequestTimeoutError(Exception):
    """The device did not answer in time."""


class ConnectionLostError(RequestTimeoutError):
    """The connection was lost while the answer was awaited."""


class SubscriptionRefusedError(Exception):
    """A device may not subscribe a topic, or has too many subscriptions; the text says which."""


class Receiver(NamedTuple):
    """A device that is online."""

    device_id: int
    product_key: str
    name: str


class DownlinkMessage(msgspec.Struct, frozen=True, kw_only=True):
    """One MQTT message to one device."""

    device_id: int
    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False
    expiry: int | None = None
    """Seconds after which a message that is still waiting is dropped (MQTT 5 message expiry interval)."""
    properties: dict[str, object] = {}
    """MQTT 5 properties by name: content_type, response_topic, correlation_data, payload_format, topic_alias (for
    clients that take it), user (pairs)."""
    needs_subscription: bool = False
    """True for custom topics: a device that did not subscribe does not get the message. System topics need none."""
    needs_room: bool = False
    """True: when a connected device has no room for the message, ``send`` raises instead of losing it."""


class Downlink(Protocol):
    """What the gateway does for slices."""

    def online(self, device_id: int) -> bool:
        """Tell whether the device has a connection (or, later, a session through a gateway)."""

    def custom_rrpc(self, device_id: int) -> bool:
        """Tell whether the device announced ``ext`` bit 0: RRPC on ``/ext/rrpc/{id}/{topic}``."""

    async def send(self, message: DownlinkMessage) -> bool:
        """Hand a message to the device, or keep it for the device's persistent session when it has QoS 1.

        Returns:
            True when it was written or is durably kept, False when it will never arrive (offline without a session
            that keeps it, or not subscribed).

        Raises:
            DeviceBusyError: see ``needs_room``.
        """

    def offer(self, message: DownlinkMessage) -> bool | None:
        """Send a message as ``send`` does if that takes no waiting; None: it does, and nothing was done."""

    async def request(self, message: DownlinkMessage, message_id: int, timeout_ms: int) -> bytes:
        """Send a message and wait for the device's answer with this message id (RRPC, synchronous services).

        Raises:
            DeviceOfflineError: no connection; nothing was sent.
            RequestTimeoutError: no answer within ``timeout_ms``; ``ConnectionLostError`` if the connection was lost
                meanwhile, which is known before the time is up.
        """

    def resolve(self, device_id: int, message_id: int, payload: bytes) -> bool:
        """Complete a waiting ``request`` with the device's answer; False when nobody waits (late or unknown)."""


class Audience(Protocol):
    """Who is there to be sent to: what the gateway does for broadcasts."""

    def online(self, product_id: int) -> list[Receiver]:
        """Return the devices of a product that are online, also through gateways."""

    def subscribers(self, product_id: int, topic: str) -> list[Receiver]:
        """Return those of them that have subscribed a topic."""

    async def subscribe(self, device_id: int, topic_filters: Sequence[str]) -> None:
        """Subscribe on behalf of a device that is online, all or none; durable as the device's session is.

        Raises:
            DeviceOfflineError: it is not.
            SubscriptionRefusedError: it may not, or would have too many subscriptions.
        """
