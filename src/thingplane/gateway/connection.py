"""One device's connection: moves bytes between its transport and the MQTT core, and answers after the commit."""

import asyncio
from collections import deque
from functools import partial
from typing import Final, cast

import structlog

from thingplane.alink import Route, Uplink
from thingplane.gateway.hub import Hub
from thingplane.gateway.portions import Portioned
from thingplane.gateway.ports import ConnectingDevice
from thingplane.gateway.sessions import DeviceState
from thingplane.gateway.sub_device import SubDevice
from thingplane.gateway.transport import Peer, Transport
from thingplane.mqtt import Link, ReasonCode, Session
from thingplane.mqtt.packets import Publish

_log = structlog.get_logger(__name__)

_HIGH_WATER = 65_536
"""Bytes waiting from which on a device counts as not reading: QoS 0 is dropped, QoS 1 waits in the session."""
_MAX_CONTROLS: Final = 10
"""Subscribes and unsubscribes of a connection that wait for the database before nothing more is read from it."""

CLOSED: Final = 400
"""The end of a connection that nobody on the platform has ended."""


class Connection(Portioned):
    """One connection of a device.

    Messages are handled as they are read. What their handlers appended to the history is committed once for all
    connections at the end of the loop turn; then acknowledgements and replies leave in one write. A message whose
    handler waits holds back the answers of those behind it, so that acknowledgements keep the order of the messages.
    """

    __slots__ = (
        "_busy",
        "_full",
        "_hub",
        "_line",
        "_under_way",
        "_waiting_controls",
        "certified",
        "controls",
        "device",
        "end_code",
        "extensions",
        "heard",
        "identity",
        "ip",
        "link",
        "peer",
        "prefix",
        "publishes",
        "second",
        "secure",
        "state",
        "subs",
        "token_id",
        "turn",
    )

    def __init__(self, hub: Hub, peer: Peer) -> None:
        super().__init__()
        self._hub = hub
        self._line: deque[Uplink] | None = None  # answers behind a message that still waits
        self._busy = False  # answering: output is written when all of it is there
        self._full = False  # the transport asked to pause
        self._under_way = 0  # messages that are not committed yet
        self._waiting_controls = 0
        self.link: Link = hub.broker.open(_on_output, self)
        self.peer = peer
        self.ip = peer.ip
        self.secure = peer.secure
        self.certified = False
        """Whether a certificate let it in."""
        self.token_id = ""
        """The client id whose token let it in, if one did."""
        self.device: ConnectingDevice | None = None
        """Set when the connection was accepted."""
        self.prefix = ""
        """``/sys/{productKey}/{deviceName}/``"""
        self.identity = ""
        """``/{productKey}/{deviceName}``"""
        self.end_code = CLOSED
        """Why it ends, as messages about that carry it."""
        self.extensions = 0
        """The ``ext`` bitmap of the clientId."""
        self.state: DeviceState | None = None
        """The platform's part of its session, from when it was accepted."""
        self.subs: dict[str, SubDevice] | None = None
        """Sub-devices that are logged in over it, by identity; None until there has been one."""
        self.heard: dict[str, tuple[ConnectingDevice, Route]]
        """As ``Sender`` says; set with ``subs``."""
        self.turn: list[Uplink] = []
        """Messages of the present turn, in order."""
        self.controls: asyncio.Task[None] | None = None
        """Last subscribe or unsubscribe that could not be answered at once."""
        self.second = 0
        """Second of the clock in which ``publishes`` were counted; with a rate limit only."""
        self.publishes = 0

    # Transport

    def attach(self, transport: Transport) -> None:
        self._transport = transport
        transport.set_write_buffer_limits(high=_HIGH_WATER)
        self._hub.begin(self)

    def handle(self, data: bytes) -> None:
        self.link.receive_data(data)
        self.handled()

    def handled(self) -> None:
        """Have what was just handled committed and answered."""
        turn = self.turn
        if not turn or self.link.closing:
            self.flush()
        if turn:
            self.turn = []
            self._under_way += len(turn)
            self._hub.commit.after(partial(self._committed, turn))
            self._regulate()

    def lost_connection(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio passes it
        self._hub.end(self)
        if self.link.packet is None:
            self._hub.counters.rejected["no connect"] += 1
        self.link.connection_lost()

    def pause_writing(self) -> None:
        self._full = True
        self.link.pause_writing()

    def resume_writing(self) -> None:
        self._full = False
        self.link.resume_writing()
        self.flush()

    @property
    def is_over(self) -> bool:
        return self.link.closing

    @property
    def lost(self) -> bool:
        """Whether the transport is gone."""
        return self._transport is None

    @property
    def quiet_ms(self) -> int:
        """For how long nothing has come."""
        return max(0, round((self._hub.clock.monotonic() - self.link.received_at) * 1000))

    def abort(self) -> None:
        """Drop the transport without sending what is left."""
        if self._transport is not None:
            self._transport.abort()

    def flush(self) -> None:
        """Write the output of the link, and close if it says so."""
        transport = self._transport
        if transport is None:
            return
        data = self.link.data_to_send()
        if data:
            transport.write(data)
            if self._full:
                self.check_buffer()
        if self.link.closing and self._transport is not None:
            transport.close()
            self._hub.close(self)

    def check_buffer(self) -> None:
        """End the connection if too much waits for a device that does not read."""
        transport = self._transport
        if transport is None or not self._full or transport.get_write_buffer_size() <= self._hub.settings.write_buffer:
            return
        self._hub.counters.overflows += 1
        waiting = self._hub.settings.write_buffer
        _log.warning("device does not read, connection closed", device=self.identity or self.ip, waiting=waiting)
        self._transport = None  # the loop tells of the loss only later
        transport.abort()

    def tell(self, topic: str, payload: bytes) -> None:
        """Send a message of QoS 0 that answers nothing, unless the device has unsubscribed its topic."""
        if self.state is None or self._wants(self.state, self.link.session, topic):
            self.link.publish(topic, payload)

    # Answers

    def settled(self, uplink: Uplink) -> None:
        """Take note that a message that waited is handled and durable."""
        uplink.waiting = False
        if self._line is not None:
            self._drain()
            self._finish()

    def failed(self, error: BaseException) -> None:
        """End the connection because messages could not be stored: without an answer the device sends them again."""
        self._hub.counters.commit_failures += 1
        _log.error("messages could not be stored, connection closed", device=self.identity, error=repr(error))
        self.link.close(ReasonCode.UNSPECIFIED_ERROR, "storage failure")
        self.flush()
        self.give_up()

    def _committed(self, turn: list[Uplink], error: BaseException | None) -> None:
        self._under_way -= len(turn)
        if error is not None:
            self.failed(error)
            return
        self._busy = True
        if self._line is None:
            for position, uplink in enumerate(turn):
                if uplink.waiting:
                    self._line = deque(turn[position:])
                    break
                self._answer(uplink)
        else:
            self._line.extend(turn)
            self._drain()
        self._finish()

    def _answer(self, uplink: Uplink) -> None:
        link = self.link
        packet: Publish = uplink.origin  # type: ignore[assignment]  # cast() would cost a call
        if packet.qos:
            link.acknowledge(packet, uplink.refusal)
        state, session = self.state, link.session
        if self.subs and uplink.device is not self.device:
            sub = self.subs.get(f"/{uplink.device.product_key}/{uplink.device.name}")
            if sub is not None:
                state, session = sub.state, sub.session
        for topic, payload in uplink.replies:
            if state is None or not state.muted or self._wants(state, session, topic):
                link.publish(topic, payload)

    @staticmethod
    def _wants(state: DeviceState, session: Session | None, topic: str) -> bool:
        return session is None or state.wants(session, topic)

    def _drain(self) -> None:
        self._busy = True
        line = self._line
        while line and not line[0].waiting:
            self._answer(line.popleft())
        if not line:
            self._line = None

    def _finish(self) -> None:
        self._busy = False
        self.flush()
        self._regulate()

    # Pace

    def control_waits(self) -> None:
        """Take note that a subscribe or unsubscribe can't be answered yet."""
        self._waiting_controls += 1
        self._regulate()

    def control_done(self) -> None:
        """Take note that one that waited is over."""
        self._waiting_controls -= 1
        self._regulate()

    def _regulate(self) -> None:
        """Read nothing more while too much is under way."""
        pending = self._under_way if self._line is None else self._under_way + len(self._line)
        if pending > self._hub.settings.max_pending or self._waiting_controls > _MAX_CONTROLS:
            self.hold()
        elif self._held:
            self.release()

    def on_output(self) -> None:
        """Write what came up outside reading, unless an answer is being put together."""
        if not self._busy:
            self.flush()


def _on_output(link: Link) -> None:
    cast("Connection", link.context).on_output()
