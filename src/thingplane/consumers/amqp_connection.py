"""A consumer's connection that speaks AMQP 1.0."""

from collections.abc import Sequence
from typing import Final, cast

import structlog

from thingplane.amqp import (
    Capabilities,
    Condition,
    ConnectionClosed,
    CreditChanged,
    Descriptor,
    Event,
    LinkAttached,
    LinkDetached,
    SaslCode,
    SenderLink,
    ServerConnection,
    Settled,
    SignIn,
)
from thingplane.consumers.channel import Channel, Refused
from thingplane.consumers.hub import Hub
from thingplane.consumers.messages import encode_message
from thingplane.subscriptions.service import Delivery

_log = structlog.get_logger(__name__)

_DRAIN_S: Final = 0.05
"""Seconds that messages have to be found in before a client that drains its link is told that there are no more."""

_CONDITIONS: Final = {
    "sign-in": Condition.UNAUTHORIZED_ACCESS,
    "full": Condition.RESOURCE_LIMIT_EXCEEDED,
    "rate": Condition.RESOURCE_LIMIT_EXCEEDED,
}


class AmqpConnection(Channel[ServerConnection, Event]):
    """A link of a client as the group's delivery sees it. Implements ``Consumer``."""

    __slots__ = ("_link",)

    def __init__(self, hub: Hub, capabilities: Capabilities) -> None:
        super().__init__(hub, hub.amqp, ServerConnection(capabilities, hub.clock.monotonic()))
        self._link: SenderLink | None = None

    # Consumer

    def capacity(self) -> int:
        link = self._link
        return 0 if link is None else self._room(link.capacity())

    def deliver(self, delivery: Delivery) -> None:
        link = self._link
        if link is None or self.login is None:
            delivery.reject()
            return
        message = encode_message(delivery.message, delivery.attempt, base64=self.login.base64)
        if 0 < link.max_message_size < len(message):
            self._counters.too_large += 1
            _log.warning("message exceeds what the consumer takes", size=len(message), **self._who())
            delivery.reject()
            return
        link.send(message, delivery)
        if link.settles_itself:
            self._unwritten.append(delivery)
        self._sent(len(message))
        if link.drain and not link.credit:
            link.drained()

    def drop(self, reason: str) -> None:
        self._forget_link()
        self._core.close(Condition.CONNECTION_FORCED, reason, self._hub.clock.monotonic())
        self._write_later()

    # Protocol

    def _pass_time(self, now: float) -> Sequence[Event]:
        return self._core.tick(now)

    def _receive(self, data: bytes, now: float) -> Sequence[Event]:
        return self._core.receive_data(data, now)

    def _handle(self, event: Event) -> None:
        match event:
            case Settled():
                self._settle(event)
            case CreditChanged():
                self._credit(event.link)
            case SignIn():
                self._hub.run(self._sign_in(event))
            case LinkAttached():
                self._attach(event.link)
            case LinkDetached():
                self._forget_link()
            case ConnectionClosed():
                self._forget_link()
                if event.error and not event.by_peer:
                    self._fault(event.error)

    async def _sign_in(self, request: SignIn) -> None:
        try:
            self.login = await self._check(request.user_name, request.password)
            code = SaslCode.OK if self.login is not None else SaslCode.SYS_TEMP
        except Refused as refusal:
            self._counters.refused[refusal.reason] += 1
            code = SaslCode.AUTH
        self._core.sign_in_outcome(code)
        self.data_received(b"")

    def _attach(self, link: SenderLink) -> None:
        try:
            self._join()
        except Refused as refusal:
            self._counters.refused[refusal.reason] += 1
            link.refuse(_CONDITIONS[refusal.reason], str(refusal))
            return
        self._link = link
        link.accept()

    def _forget_link(self) -> None:
        self._link = None
        self._leave()

    def _credit(self, link: SenderLink) -> None:
        if link is not self._link or self._membership is None:
            return
        self._membership.ready()
        if link.drain:
            self._loop.call_later(_DRAIN_S, self._drained, link)

    def _drained(self, link: SenderLink) -> None:
        if link is self._link:
            link.drained()
            self._write_later()

    def _settle(self, event: Settled) -> None:
        deliveries = cast("list[Delivery]", event.contexts)
        if event.state == Descriptor.ACCEPTED:
            self._accept(deliveries)
        else:
            self._return(deliveries)
        if event.unconfirmed:
            self._hub.run(self._confirm(event))

    async def _confirm(self, event: Settled) -> None:
        """Settle what the client waits for, once it is durable."""
        if await self._durable() and event.link is self._link:
            event.link.confirm(event.unconfirmed, event.state)
            self._write_later()
