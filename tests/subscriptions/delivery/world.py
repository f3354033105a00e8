"""A log in memory and clients that remember, around the delivery engine."""

import asyncio
from collections.abc import Callable, Iterable, Sequence

from tests.common.clock import FakeClock
from thingplane.forwarding.message import Forwarded, Kind
from thingplane.subscriptions.delivery.engine import GroupDelivery
from thingplane.subscriptions.delivery.member import Member
from thingplane.subscriptions.delivery.pace import Pace
from thingplane.subscriptions.delivery.parties import Delivery

DEFAULTS = Pace()


class MemoryLog:
    """The forwarder as the engine sees it. ``gate`` holds back what ``read`` found until it is set."""

    def __init__(self) -> None:
        self.messages: list[Forwarded] = []
        self.unsettled: dict[int, set[int]] = {}
        self.listeners: dict[int, Callable[[Sequence[Forwarded]], None]] = {}
        self.reads = 0
        self.fails = False
        self.acknowledged = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()

    def listen(self, subscriber: int, callback: Callable[[Sequence[Forwarded]], None]) -> Callable[[], None]:
        assert subscriber not in self.listeners
        self.listeners[subscriber] = callback

        def end() -> None:
            del self.listeners[subscriber]

        return end

    async def read(self, subscriber: int, after: int, limit: int) -> list[Forwarded]:
        self.reads += 1
        if self.fails:
            raise OSError("the disk is gone")
        waiting = self.unsettled.setdefault(subscriber, set())
        found = [message for message in self.messages if message.position > after and message.position in waiting]
        await self.gate.wait()
        return found[:limit]

    def acknowledge(self, subscriber: int, positions: Iterable[int]) -> None:
        self.unsettled[subscriber].difference_update(positions)
        self.acknowledged.set()

    def waiting(self, subscriber: int) -> int:
        return len(self.unsettled.get(subscriber, ()))

    def commit(self, count: int, *subscribers: int, size: int = 10) -> list[int]:
        """Add messages that are due to these subscribers (default: 1), and return their ids."""
        new = []
        for _ in range(count):
            position = len(self.messages)
            new.append(
                Forwarded(
                    position=position,
                    message_id=(position + 1) * 1000,
                    kind=Kind.CUSTOM,
                    instance_id=1,
                    product_id=1,
                    product_key="a1",
                    device_id=1,
                    device_name="d",
                    topic="/a1/d/user/x",
                    body=b"x" * size,
                    generated=0,
                    qos=0,
                    tag="",
                )
            )
            self.messages.append(new[-1])
        for subscriber in subscribers or (1,):
            self.unsettled.setdefault(subscriber, set()).update(message.position for message in new)
            if subscriber in self.listeners:
                self.listeners[subscriber](new)
        return [message.message_id for message in new]


class Client:
    """A connection with credit. ``settles`` accepts everything within the delivery."""

    def __init__(self, group: GroupDelivery, name: str = "c", *, credit: int = 1000, settles: bool = False) -> None:
        self.credit = credit
        self.settles = settles
        self.got: list[Delivery] = []
        self.dropped: list[str] = []
        self.leaves_after: int | None = None
        self.membership: Member = group.join(self, client_id=name, access_key_id="key", address="127.0.0.1:1")

    def capacity(self) -> int:
        return self.credit

    def deliver(self, delivery: Delivery) -> None:
        assert self.credit > 0
        self.credit -= 1
        self.got.append(delivery)
        if self.settles:
            delivery.accept()
        if self.leaves_after is not None and len(self.got) >= self.leaves_after:
            self.membership.leave()

    def drop(self, reason: str) -> None:
        self.dropped.append(reason)

    def grant(self, credit: int) -> None:
        self.credit += credit
        self.membership.ready()

    @property
    def ids(self) -> list[int]:
        return [delivery.message.message_id for delivery in self.got]


class World:
    """A group with a clock to set."""

    def __init__(self, pace: Pace = DEFAULTS) -> None:
        self.clock = FakeClock()
        self.log = MemoryLog()
        self.pace = pace
        self.group = self.new_group()

    def new_group(self, subscriber: int = 1) -> GroupDelivery:
        return GroupDelivery(subscriber, self.log, self.clock, self.pace)

    async def pass_time(self, seconds: int) -> None:
        """Let the clock run with a tick a second."""
        for _ in range(seconds):
            self.clock.advance(1)
            self.group.tick()
            await settle()


async def settle() -> None:
    """Let everything happen that needs no time."""
    for _ in range(12):
        await asyncio.sleep(0)
