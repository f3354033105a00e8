"""The way in for messages of devices that come by other transports than MQTT: HTTPS, CoAP.

Permissions, handlers, rates, commit and replies are those of MQTT (``gateway.uplinks``); what a transport adds is how
it knows the device, and what it makes of the outcome.
"""

import asyncio
from typing import Final

import msgspec
import structlog

from thingplane import ids
from thingplane.alink import Route, Uplink
from thingplane.gateway.policy import MAX_TOPIC_LENGTH
from thingplane.gateway.ports import ConnectingDevice
from thingplane.gateway.settings import MAX_PAYLOAD, GatewaySettings
from thingplane.gateway.uplinks import Uplinks
from thingplane.mqtt import ReasonCode
from thingplane.mqtt.packets import Publish
from thingplane.storage.timeseries import GroupCommit

_log = structlog.get_logger(__name__)

_MAX_PACED: Final = 100_000
"""Devices whose pace is remembered within one second."""


class Outcome(msgspec.Struct, frozen=True):
    """What became of a message."""

    code: int
    """0, or why it was not handled, as an MQTT 5 reason code: 0x83 the handler failed, 0x87 not permitted (or the
    device is disabled), 0x90 no topic name, 0x95 too large, 0x97 too many messages, 0x80 it could not be stored."""
    replies: list[tuple[str, bytes]] = []
    """(topic, payload) of what the platform answers to the device, in order."""
    message_id: int = 0
    """Of this message, for transports that tell it."""


class _Visit:
    """One message on its way through; looks like a connection to ``Uplinks``."""

    __slots__ = ("_done", "_error", "device", "heard", "identity", "prefix", "publishes", "second", "subs", "turn")

    def __init__(self, device: ConnectingDevice) -> None:
        self.device: ConnectingDevice | None = device
        self.identity = f"/{device.product_key}/{device.name}"
        self.prefix = f"/sys{self.identity}/"
        self.turn: list[Uplink] = []
        self.second = 0
        self.publishes = 0
        self.subs: None = None  # nobody is logged in over a visit
        self.heard: dict[str, tuple[ConnectingDevice, Route]] = {}
        self._done = asyncio.Event()
        self._error: BaseException | None = None

    def settled(self, uplink: Uplink) -> None:
        uplink.waiting = False
        self._done.set()

    def failed(self, error: BaseException) -> None:
        self._error = error
        self._done.set()

    async def finished(self) -> BaseException | None:
        """Return when handlers that wait are done: what went wrong, or None."""
        await self._done.wait()
        return self._error


class Entrance:
    """Takes messages from devices that a transport has authenticated."""

    def __init__(self, uplinks: Uplinks, commit: GroupCommit, settings: GatewaySettings) -> None:
        self._uplinks = uplinks
        self._commit = commit
        self._paced = bool(settings.publishes_per_second)
        self._pace: dict[int, tuple[int, int]] = {}

    async def publish(self, device: ConnectingDevice, topic: str, payload: bytes, qos: int = 1) -> Outcome:
        """Handle a message and return when everything that was stored for it is durable.

        Args:
            device: who publishes; authenticated by the transport.
            topic: full MQTT topic.
            payload: the message.
            qos: 0 or 1; what slices are told.
        """
        if not device.enabled:
            return Outcome(ReasonCode.NOT_AUTHORIZED)
        if not is_topic_name(topic):
            return Outcome(ReasonCode.TOPIC_NAME_INVALID)
        if len(payload) > MAX_PAYLOAD:
            return Outcome(ReasonCode.PACKET_TOO_LARGE)
        visit = _Visit(device)
        if self._paced:
            visit.second, visit.publishes = self._pace.get(device.id, (0, 0))
        self._uplinks.take(visit, Publish(topic, payload, min(qos, 1)))
        if self._paced:
            self._remember(device.id, visit)
        error = await self._stored(visit)
        if error is not None:
            _log.error("message could not be stored", device=visit.identity, topic=topic[:256], error=repr(error))
            return Outcome(ReasonCode.UNSPECIFIED_ERROR)
        refusal = next((uplink.refusal for uplink in visit.turn if uplink.refusal), 0)
        if refusal == ReasonCode.UNSPECIFIED_ERROR:
            refusal = ReasonCode.IMPLEMENTATION_SPECIFIC_ERROR
        replies = [reply for uplink in visit.turn for reply in uplink.replies]
        # The one that subscribers see, if there are any.
        message_id = next((uplink.message_id for uplink in visit.turn if uplink.message_id), 0)
        return Outcome(refusal, replies, message_id or ids.message_id())

    async def _stored(self, visit: _Visit) -> BaseException | None:
        if any(uplink.waiting for uplink in visit.turn):
            return await visit.finished()
        try:
            await self._commit.durable()
        except Exception as error:  # noqa: BLE001 - whatever failed, the device must learn that it has to send again
            return error
        return None

    def _remember(self, device_id: int, visit: _Visit) -> None:
        if len(self._pace) >= _MAX_PACED:
            self._pace.clear()
        self._pace[device_id] = (visit.second, visit.publishes)


def is_topic_name(topic: str) -> bool:
    """Tell whether MQTT would take this as the topic of a message: what no codec has looked at must be checked here."""
    if not topic or "+" in topic or "#" in topic or "\0" in topic:
        return False
    try:
        return len(topic.encode()) <= MAX_TOPIC_LENGTH
    except UnicodeEncodeError:  # surrogates
        return False
