"""What AMQP and STOMP connections have in common: moving bytes, writing once a turn, knowing when to stop sending."""

import asyncio
from abc import abstractmethod
from collections.abc import Sequence
from typing import Final, Generic, Protocol, TypeVar, cast

import structlog

from thingplane.consumers.hub import Hub
from thingplane.consumers.metrics import Counters
from thingplane.subscriptions.service import (
    Delivery,
    GroupFull,
    Login,
    Membership,
    SignInRefused,
    TooManyConnects,
)

_log = structlog.get_logger(__name__)

_HIGH_WATER: Final = 65_536
"""Bytes waiting in the transport from which on the client counts as not reading."""
_BUDGET: Final = 262_144
"""Bytes put together before they have to be written: a deaf client costs not much more than this."""
_UNREAD: Final = 1_048_576
"""Bytes of answers that may pile up, messages apart, while a client does not read."""
_CLOSE_S: Final = 5.0
"""Seconds in which a client has to read what was written before its connection is closed."""
_USUAL_SIZE: Final = 512
"""Bytes of a message as long as none was sent."""


class Core(Protocol):
    """What both protocol cores offer."""

    closed: bool

    def data_to_send(self) -> bytes:
        """Return and forget the output."""


class Refused(Exception):  # noqa: N818 - it is the answer to a request, not a fault
    """A client may not join its group."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason
        """For the metric."""


AnyCore = TypeVar("AnyCore", bound=Core)
AnyEvent = TypeVar("AnyEvent")


class Channel(asyncio.Protocol, Generic[AnyCore, AnyEvent]):
    """One connection of a consumer, whatever it speaks.

    Messages are put together as they are delivered and leave in one write at the end of the loop's turn.
    """

    __slots__ = (
        "_address",
        "_average",
        "_closed_at",
        "_congested",
        "_core",
        "_counters",
        "_hub",
        "_is_limited",
        "_loop",
        "_membership",
        "_pending",
        "_scheduled",
        "_transport",
        "_unread",
        "_unwritten",
        "login",
    )

    def __init__(self, hub: Hub, counters: Counters, core: AnyCore) -> None:
        self._hub = hub
        self._counters = counters
        self._core = core
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._membership: Membership | None = None
        self._address = ""
        self._congested = False  # the transport asked to pause
        self._is_limited = False  # the budget, not the client, was what allowed no more
        self._scheduled = False  # a write at the end of the turn
        self._pending = 0  # bytes of messages since the last write
        self._average = _USUAL_SIZE  # bytes of a message, lately
        self._unread = 0  # bytes written although the transport asked to pause
        self._closed_at = 0.0  # s of the clock when the transport was told to close
        self._unwritten: list[Delivery] = []  # settled when they are written
        self.login: Login | None = None
        """Set when the client has signed in."""

    # Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=_HIGH_WATER)
        peer = transport.get_extra_info("peername")
        self._address = f"{peer[0]}:{peer[1]}" if peer else ""
        if not self._hub.has_room:
            self._counters.refused["connections"] += 1
            _log.warning("too many connections of consumers, a new one was closed", address=self._address)
            self.abort()
            return
        self._hub.begin(self)

    def data_received(self, data: bytes) -> None:
        now = self._hub.clock.monotonic()
        events = self._receive(data, now)
        while events:
            for event in events:
                self._handle(event)
            # What had to wait for an answer.
            events = self._receive(b"", now)
        self.flush()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio passes it
        self._transport = None
        self._leave()
        self._hub.end(self)

    def pause_writing(self) -> None:
        self._congested = True

    def resume_writing(self) -> None:
        self._congested = False
        self._unread = 0
        if self._membership is not None:
            self._membership.ready()

    def flush(self) -> None:
        """Write what there is, and close if the protocol is at its end."""
        self._scheduled = False
        self._pending = 0
        transport = self._transport
        if transport is None:
            return
        data = self._core.data_to_send()
        if data:
            self._counters.sent_bytes += len(data)
            is_deaf = self._congested and self._is_deaf(len(data))
            transport.write(data)
            if is_deaf:
                self._transport = None  # the loop tells of the loss only later
                transport.abort()
                return
        if self._unwritten:
            written, self._unwritten = self._unwritten, []
            self._accept(written)
        if self._core.closed:
            self._leave()
            self._closed_at = self._closed_at or self._hub.clock.monotonic()
            transport.close()
        elif self._is_limited and not self._congested and self._membership is not None:
            self._is_limited = False
            self._membership.ready()

    def _is_deaf(self, count: int) -> bool:
        """Tell whether a client goes on asking without reading the answers, which, unlike messages, don't wait."""
        self._unread += count
        if self._unread <= _UNREAD:
            return False
        self._fault("the client does not read")
        return True

    def _write_later(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self.flush)

    def tick(self) -> None:
        """Let time pass: about once a second."""
        now = self._hub.clock.monotonic()
        for event in self._pass_time(now):
            self._handle(event)
        self.flush()
        if self._closed_at and now - self._closed_at > _CLOSE_S:
            self.abort()

    def shut_down(self) -> None:
        """Close, telling the client that the server goes."""
        self.drop("the server shuts down")
        self.flush()

    def abort(self) -> None:
        """Drop the transport."""
        if self._transport is not None:
            self._transport.abort()

    # Consumer

    @abstractmethod
    def capacity(self) -> int:
        """Return how many messages may be delivered now."""

    @abstractmethod
    def deliver(self, delivery: Delivery) -> None:
        """Send a message."""

    @abstractmethod
    def drop(self, reason: str) -> None:
        """Close the connection."""

    # Protocol

    @abstractmethod
    def _pass_time(self, now: float) -> Sequence[AnyEvent]:
        """Let the core look at what is due."""

    @abstractmethod
    def _receive(self, data: bytes, now: float) -> Sequence[AnyEvent]:
        """Let the core decode what arrived."""

    @abstractmethod
    def _handle(self, event: AnyEvent) -> None:
        """Do what an event asks for."""

    # Group

    async def _check(self, user_name: str, password: str) -> Login | None:
        """Return the login of a client. Raises Refused; None means that it can't be told now."""
        try:
            return await self._hub.groups.sign_in(user_name, password)
        except SignInRefused as refusal:
            _log.info("consumer refused", address=self._address, reason=str(refusal))
            raise Refused("sign-in", str(refusal)) from None
        except Exception:  # noqa: BLE001 - whatever kept the service from answering, the client may try again
            _log.exception("a consumer's sign-in could not be checked", address=self._address)
            return None

    def _join(self) -> None:
        """Join the group. Raises Refused."""
        if self.login is None:
            raise Refused("sign-in", "not signed in")
        try:
            self._membership = self._hub.groups.join(self.login, self, self._address)
        except (SignInRefused, GroupFull, TooManyConnects) as refusal:
            reason = {GroupFull: "full", TooManyConnects: "rate"}.get(type(refusal), "sign-in")
            _log.info("consumer refused", address=self._address, client_id=self.login.client_id, reason=str(refusal))
            raise Refused(reason, str(refusal)) from None
        self._counters.connects += 1
        self._counters.connections += 1
        _log.info("consumer joined", **self._who())

    def _leave(self) -> None:
        """Give back what was not settled."""
        self._unwritten.clear()
        if self._membership is not None:
            membership, self._membership = self._membership, None
            self._counters.connections -= 1
            _log.info("consumer left", **self._who())
            membership.leave()

    def _who(self) -> dict[str, str]:
        login = self.login
        if login is None:
            return {"address": self._address}
        return {"address": self._address, "client_id": login.client_id, "group": login.group.group_id}

    def _fault(self, error: str) -> None:
        self._counters.faults += 1
        _log.info("consumer disconnected", error=error, **self._who())

    # Messages

    def _room(self, capacity: int) -> int:
        """Return how many of the messages that the client takes fit into the next write."""
        if self._congested:
            return 0
        left = _BUDGET - self._pending
        fitting = max(left // self._average, 1) if left > 0 else 0
        if fitting < capacity:
            self._is_limited = True
            return fitting
        return capacity

    def _sent(self, size: int) -> None:
        """Take note of a message that the core has got."""
        self._counters.messages += 1
        self._pending += size
        self._average += (size - self._average) // 8
        if not self._scheduled:
            self._write_later()

    def _accept(self, deliveries: Sequence[Delivery]) -> None:
        self._counters.accepted += len(deliveries)
        for delivery in deliveries:
            delivery.accept()

    async def _durable(self) -> bool:
        """Wait until what the client accepted is on disk; False when that failed and the connection is closed."""
        try:
            await self._hub.groups.acknowledged()
        except Exception:  # noqa: BLE001 - whatever it was, the client must not believe that it is done
            _log.exception("acknowledgements could not be stored", **self._who())
            self.drop("acknowledgements could not be stored")
            return False
        return True

    def _return(self, deliveries: Sequence[Delivery]) -> None:
        self._counters.returned += len(deliveries)
        for delivery in deliveries:
            delivery.reject()
