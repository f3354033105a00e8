"""The way of a device's message from its transport to the slice that handles it (hot path)."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol, cast

import structlog

from thingplane.alink import Code, HandlerTable, Route, Uplink, raw, read_request
from thingplane.clock import Clock
from thingplane.gateway.metrics import Counters
from thingplane.gateway.ports import GATEWAY, ConnectingDevice, TopicPermissions, Topics
from thingplane.gateway.publish_properties import application_properties
from thingplane.gateway.session_codes import SessionCode, error_topic, named, session_message
from thingplane.gateway.settings import MAX_PAYLOAD, GatewaySettings
from thingplane.gateway.sub_device import SubDevice, sub_device_in, sub_device_of_system_topic
from thingplane.gateway.topics import family_of, identity_in, is_custom_size
from thingplane.mqtt import Link, ReasonCode
from thingplane.mqtt.packets import Publish
from thingplane.storage.timeseries import GroupCommit

_log = structlog.get_logger(__name__)

_RRPC = "/ext/rrpc/"
_SCRIPT_SUFFIX = "?_sn=default"
_MAX_HEARD = 10_000
"""Topics of sub-devices that are remembered for one connection."""

Resolve = Callable[[int, int, bytes], bool]
CustomHandler = Callable[[Uplink], Awaitable[None] | None]


# Answers to notices that gateways get about sub-devices that have no session (any more).
_NOTICE_REPLIES = tuple(f"/thing/{notice}_reply" for notice in ("disable", "enable", "delete"))


class Speaker(Protocol):
    """Who says a message: the device of a connection, or a sub-device that is logged in over it."""

    @property
    def device(self) -> ConnectingDevice | None:
        """The device."""

    identity: str
    prefix: str
    second: int
    publishes: int


class Sender(Speaker, Protocol):
    """What a message comes from: an MQTT connection, or a visit through the entrance of other transports."""

    turn: list[Uplink]

    @property
    def subs(self) -> Mapping[str, SubDevice] | None:
        """Sub-devices that are logged in over it, by identity."""

    @property
    def heard(self) -> dict[str, tuple[ConnectingDevice, Route]]:
        """What ``Uplinks`` knows of topics of these sub-devices; emptied when one comes or goes."""

    def settled(self, uplink: Uplink) -> None:
        """Take note that a message that waited is handled and durable."""

    def failed(self, error: BaseException) -> None:
        """Take note that messages could not be stored."""


def _ignore(_uplink: Uplink) -> None:
    """Custom messages have no destination until somebody sets one."""


class Uplinks:
    """Takes what devices publish, checks that they may, and calls the handlers."""

    def __init__(  # noqa: PLR0917 - each is of a type of its own
        self,
        table: HandlerTable,
        topics: Topics,
        commit: GroupCommit,
        clock: Clock,
        counters: Counters,
        settings: GatewaySettings,
        resolve: Resolve,
    ) -> None:
        """Wire.

        Args:
            table: the slices' handlers; may still be filled afterwards.
            topics: permissions on custom topics.
            commit: makes durable what handlers append to the history.
            clock: tells when messages arrive.
            counters: where to count.
            settings: limits.
            resolve: takes the answers to requests: device, message id, payload; whether somebody waits for it.
        """
        self.on_custom_message: CustomHandler = _ignore
        """Called with messages on custom topics; ``?_sn=default`` is the uplink's capture, not part of its topic."""
        self._table = table
        self._exact = table.exact
        self._topics = topics
        self._commit = commit
        self._now = clock.now_ms
        self._monotonic = clock.monotonic
        self._counters = counters
        self._rate = settings.publishes_per_second
        self._resolve = resolve
        self._tasks: set[asyncio.Task[None]] = set()
        table.add("rrpc/response/+", self._rrpc_response)

    def publish(self, link: Link, packet: Publish) -> None:
        """Handle one message of an MQTT connection; its answer leaves with those of the loop turn, after the commit."""
        if len(packet.payload) > MAX_PAYLOAD:
            link.close(ReasonCode.PACKET_TOO_LARGE, "payload")
            return
        # cast() would cost a call.
        connection: Sender = link.context  # type: ignore[assignment]
        if connection.device is None:
            link.close(ReasonCode.NOT_AUTHORIZED, "registration")
            return
        self.take(connection, packet)

    def take(self, connection: Sender, packet: Publish) -> None:
        """Handle one message of an admitted device; the sender's ``turn`` then has its uplink."""
        self._counters.publishes += 1
        device: ConnectingDevice = connection.device  # type: ignore[assignment]
        topic = packet.topic
        if self._rate and self._is_too_fast(_speaker(connection, topic)):
            self._drop(connection, packet, "rate", ReasonCode.QUOTA_EXCEEDED)
            return
        prefix = connection.prefix
        if topic.startswith(prefix):
            suffix = topic[len(prefix) :]
            route = self._exact.get(suffix) or self._table.find(suffix)
            if route is None:
                self._undefined(connection, device, packet, suffix)
                return
        else:
            known = (connection.heard.get(topic) or self._hear(connection, topic)) if connection.subs else None
            if known is None:
                self._other(connection, packet)
                return
            device, route = known
        uplink = Uplink(
            device,
            topic,
            route.capture,
            packet.payload,
            self._now(),
            qos=packet.qos,
            reply_tail=route.reply_tail,
            origin=packet,
            properties=None if packet.properties is None else application_properties(packet.properties),
        )
        connection.turn.append(uplink)
        try:
            if not route.is_request or read_request(uplink, route.method):
                pending = route.handler(uplink)
                if pending is not None:
                    self._wait(connection, uplink, pending)
        except Exception:  # noqa: BLE001 - the other messages of the turn must not suffer for it
            self._handler_failed(uplink)

    def _hear(self, connection: Sender, topic: str) -> tuple[ConnectingDevice, Route] | None:
        """Return which sub-device says a message on a system topic, and its handler; remembered for the next one."""
        sub = sub_device_of_system_topic(connection.subs or {}, topic)
        if sub is None or not topic.startswith(sub.prefix):
            return None
        suffix = topic[len(sub.prefix) :]
        route = self._exact.get(suffix)
        if route is None:
            # Topics that hold ids are too many to be remembered.
            route = self._table.find(suffix)
            return None if route is None else (sub.device, route)
        if len(connection.heard) >= _MAX_HEARD:
            connection.heard.clear()
        known = connection.heard[topic] = (sub.device, route)
        return known

    # Other topics

    def _other(self, connection: Sender, packet: Publish) -> None:
        if self._said_by(connection, connection, packet):
            return
        sub = sub_device_in(connection.subs, packet.topic) if connection.subs else None
        if sub is None:
            self._deny(connection, packet)
        elif packet.topic.startswith(sub.prefix):
            self._undefined(connection, sub.device, packet, packet.topic[len(sub.prefix) :])
        elif not self._said_by(connection, sub, packet):
            self._deny(connection, packet)

    def _said_by(self, connection: Sender, speaker: Speaker, packet: Publish) -> bool:
        """Handle a message if it is on a topic of the given device."""
        device: ConnectingDevice = speaker.device  # type: ignore[assignment]
        topic = packet.topic
        identity = speaker.identity
        if topic.startswith(identity + "/"):
            permissions = self._topics.cached(device.product_id)
            mark = _SCRIPT_SUFFIX if topic.endswith(_SCRIPT_SUFFIX) else ""
            uplink = self._uplink(device, packet, topic.removesuffix(mark), mark)
            connection.turn.append(uplink)
            if permissions is None:
                self._wait(connection, uplink, self._custom_later(identity, uplink))
            else:
                self._call(connection, uplink, lambda item: self._custom(identity, item, permissions))
            return True
        if topic.startswith(_RRPC):
            message_id, _, target = topic[len(_RRPC) :].partition("/")
            if ("/" + target).startswith((identity + "/", "/sys" + identity + "/")):
                uplink = self._uplink(device, packet, topic, message_id)
                connection.turn.append(uplink)
                self._call(connection, uplink, self._rrpc_response)
                return True
            return False
        family = family_of(identity, topic)
        if family is None:
            return False
        route = self._table.find(family)
        if route is None:
            self._undefined(connection, device, packet)
            return True
        uplink = self._uplink(device, packet, topic, route.capture)
        connection.turn.append(uplink)
        self._call(connection, uplink, route.handler)
        return True

    def _uplink(self, device: ConnectingDevice, packet: Publish, topic: str, capture: str = "") -> Uplink:
        return Uplink(
            device,
            topic,
            capture,
            packet.payload,
            self._now(),
            qos=packet.qos,
            origin=packet,
            properties=None if packet.properties is None else application_properties(packet.properties),
        )

    def _call(self, connection: Sender, uplink: Uplink, handler: CustomHandler) -> None:
        try:
            pending = handler(uplink)
            if pending is not None:
                self._wait(connection, uplink, pending)
        except Exception:  # noqa: BLE001 - as above
            self._handler_failed(uplink)

    def _custom(self, identity: str, uplink: Uplink, permissions: TopicPermissions) -> Awaitable[None] | None:
        if is_custom_size(uplink.topic) and permissions.may_publish(uplink.topic[len(identity) + 1 :]):
            self._counters.custom += 1
            return self.on_custom_message(uplink)
        uplink.refusal = ReasonCode.NOT_AUTHORIZED
        self._log_denied(identity, uplink.topic)
        return None

    async def _custom_later(self, identity: str, uplink: Uplink) -> None:
        pending = self._custom(identity, uplink, await self._topics.permissions(uplink.device.product_id))
        if pending is not None:
            await pending

    @raw
    def _rrpc_response(self, uplink: Uplink) -> None:
        """Hand a device's answer to whoever waits for it."""
        text = uplink.capture
        is_number = text.isascii() and text.isdecimal() and len(text) < 20
        if not is_number or not self._resolve(uplink.device.id, int(text), uplink.payload):
            self._counters.dropped["late response"] += 1
            _log.debug("nobody waits for this response", device=uplink.device.id, message_id=text[:64])

    # What is not handled

    def _undefined(self, connection: Sender, device: ConnectingDevice, packet: Publish, suffix: str = "") -> None:
        """Answer a message on a system topic that nobody handles, where the answer has a topic.

        Args:
            connection: where it came from.
            device: whose topic it is.
            packet: the message.
            suffix: what follows ``/sys/{productKey}/{deviceName}/``; empty for other topics.
        """
        topic = packet.topic
        self._counters.dropped["undefined topic"] += 1
        _log.info("topic is not defined", code=int(Code.NOT_DEFINED), device=connection.identity, topic=topic[:256])
        uplink = self._uplink(device, packet, topic)
        connection.turn.append(uplink)
        # Answers to what the platform has sent are not answered, nor are topics without a reply topic.
        if suffix and not suffix.endswith(("_reply", "_raw")) and not suffix.startswith(("rrpc/", "broadcast/")):
            # Only its id and sys.ack matter.
            read_request(uplink, b'""')
            uplink.replies.clear()
            uplink.reply(Code.TOPIC_PARSE_ERROR)

    def _deny(self, connection: Sender, packet: Publish) -> None:
        device = connection.device
        stranger = identity_in(packet.topic) if device is not None and device.node_type == GATEWAY else None
        if stranger is not None and packet.topic.endswith(_NOTICE_REPLIES):
            self._drop(connection, packet, "no session", ReasonCode.SUCCESS)
            return
        self._log_denied(connection.identity, packet.topic)
        uplink = self._drop(connection, packet, None, ReasonCode.NOT_AUTHORIZED)
        if stranger is not None:
            # The gateway has to know that it must log this device in (device-protocol, 4.6).
            message = session_message(SessionCode.NO_SESSION, named(*stranger))
            uplink.replies.append((error_topic(connection.identity), message))

    def _log_denied(self, identity: str, topic: str) -> None:
        self._counters.dropped["not permitted"] += 1
        _log.info("publish not permitted", code=int(Code.TOPIC_NOT_PERMITTED), device=identity, topic=topic[:256])

    def _drop(self, connection: Sender, packet: Publish, reason: str | None, code: int) -> Uplink:
        """Acknowledge a message without handling it, so that the device does not send it again."""
        if reason is not None:
            self._counters.dropped[reason] += 1
        uplink = self._uplink(cast("ConnectingDevice", connection.device), packet, packet.topic)
        uplink.refusal = code
        connection.turn.append(uplink)
        return uplink

    def _is_too_fast(self, speaker: Speaker) -> bool:
        second = int(self._monotonic())
        if speaker.second != second:
            speaker.second = second
            speaker.publishes = 0
        speaker.publishes += 1
        return speaker.publishes > self._rate

    # Handlers that wait

    def _wait(self, connection: Sender, uplink: Uplink, pending: Awaitable[None]) -> None:
        uplink.waiting = True
        task = asyncio.get_running_loop().create_task(self._finish(connection, uplink, pending))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _finish(self, connection: Sender, uplink: Uplink, pending: Awaitable[None]) -> None:
        try:
            await pending
        except Exception:  # noqa: BLE001 - as above
            self._handler_failed(uplink)
        try:
            await self._commit.durable()
        except Exception as error:  # noqa: BLE001 - whatever failed, without an answer it is sent again
            connection.failed(error)
        else:
            connection.settled(uplink)

    def _handler_failed(self, uplink: Uplink) -> None:
        """Log an unexpected exception and answer 500."""
        self._counters.dropped["handler failed"] += 1
        _log.exception(
            "handler failed", product_key=uplink.device.product_key, device_name=uplink.device.name, topic=uplink.topic
        )
        uplink.replies.clear()
        if uplink.topic.startswith("/sys/") and not uplink.topic.endswith(("_reply", "_raw")):
            uplink.reply(Code.SYSTEM_ERROR)
        uplink.refusal = ReasonCode.UNSPECIFIED_ERROR

    async def close(self, seconds: float) -> None:
        """Give the handlers that wait so long to finish."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=seconds)


def _speaker(connection: Sender, topic: str) -> Speaker:
    """Return whose pace a message counts for."""
    if not connection.subs or topic.startswith((connection.prefix, connection.identity + "/")):
        return connection
    return sub_device_in(connection.subs, topic) or connection
