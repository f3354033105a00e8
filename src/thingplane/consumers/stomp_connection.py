"""A consumer's connection that speaks STOMP."""

from base64 import b64encode
from collections.abc import Sequence
from typing import cast

from thingplane.consumers.channel import Channel, Refused
from thingplane.consumers.hub import Hub
from thingplane.stomp import (
    Acknowledged,
    Capabilities,
    ConnectionClosed,
    Event,
    ServerConnection,
    SignIn,
    Subscribed,
    Unsubscribed,
)
from thingplane.subscriptions.service import Delivery


class StompConnection(Channel[ServerConnection, Event]):
    """A subscription of a client as the group's delivery sees it. Implements ``Consumer``."""

    __slots__ = ()

    def __init__(self, hub: Hub, capabilities: Capabilities) -> None:
        super().__init__(hub, hub.stomp, ServerConnection(capabilities, hub.clock.monotonic()))

    # Consumer

    def capacity(self) -> int:
        return 0 if self._membership is None else self._room(self._core.capacity())

    def deliver(self, delivery: Delivery) -> None:
        core = self._core
        if not core.subscribed or self.login is None:
            delivery.reject()
            return
        message = delivery.message
        body = b64encode(message.body) if self.login.base64 else message.body
        number = str(message.message_id)
        headers = [
            ("destination", message.topic),
            ("topic", message.topic),
            ("messageId", number),
            ("generateTime", str(message.generated)),
            ("qos", str(message.qos)),
        ]
        if message.tag:
            headers.append(("tag", message.tag))
        core.send(number, headers, body, delivery)
        if core.settles_itself:
            self._unwritten.append(delivery)
        self._sent(len(body) + 2 * len(message.topic))

    def drop(self, reason: str) -> None:
        self._leave()
        self._core.refuse(reason)
        self._write_later()

    # Protocol

    def _pass_time(self, now: float) -> Sequence[Event]:
        return self._core.tick(now)

    def _receive(self, data: bytes, now: float) -> Sequence[Event]:
        return self._core.receive_data(data, now)

    def _handle(self, event: Event) -> None:
        match event:
            case Acknowledged():
                self._settle(event)
            case SignIn():
                self._hub.run(self._sign_in(event))
            case Subscribed():
                self._subscribe(event)
            case Unsubscribed():
                self._leave()
            case ConnectionClosed():
                self._leave()
                if event.error and not event.by_peer:
                    self._fault(event.error)

    async def _sign_in(self, request: SignIn) -> None:
        try:
            self.login = await self._check(request.user_name, request.password)
        except Refused as refusal:
            self._counters.refused[refusal.reason] += 1
            self._core.refuse("wrong user name or password")
        else:
            if self.login is None:
                self._core.refuse("try again later")
            else:
                self._core.accept(self._hub.clock.monotonic())
        self.data_received(b"")

    def _subscribe(self, event: Subscribed) -> None:
        try:
            self._join()
        except Refused as refusal:
            self._counters.refused[refusal.reason] += 1
            self._core.refuse(str(refusal))
            return
        self._core.send_receipt(event.receipt)

    def _settle(self, event: Acknowledged) -> None:
        deliveries = cast("list[Delivery]", event.contexts)
        if event.accepted:
            self._accept(deliveries)
        else:
            self._return(deliveries)
        if event.receipt:
            self._hub.run(self._confirm(event.receipt))
        if self._membership is not None:
            self._membership.ready()

    async def _confirm(self, receipt: str) -> None:
        """Send a receipt once what it confirms is durable."""
        if not await self._durable():
            return
        self._core.send_receipt(receipt)
        self._write_later()
