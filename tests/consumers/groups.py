"""Consumer groups without a platform behind them: the other side of what listeners use."""

import asyncio
from collections import deque
from dataclasses import dataclass, field

from thingplane.forwarding.message import Forwarded, Kind
from thingplane.subscriptions.service import Consumer, Delivery, GroupFull, GroupRef, Login, SignInRefused

USER = "consumer-0|authMode=aksign,signMethod=hmacsha1,timestamp=1573489088171,authId=LTAItest,consumerGroupId=G|"
PASSWORD = "LhlbM0zgqB4Cngq0KUfcLlxIoF4="
TOPIC = "/a1ExampleK1/sensor-01/thing/event/property/post"


def forwarded(number: int = 1, body: bytes = b"{}", *, topic: str = TOPIC, qos: int = 1, tag: str = "") -> Forwarded:
    return Forwarded(
        position=number,
        message_id=1_000_000_000_000_000_000 + number,
        kind=Kind.PROPERTY,
        instance_id=1,
        product_id=1,
        product_key="a1ExampleK1",
        device_id=1,
        device_name="sensor-01",
        topic=topic,
        body=body,
        generated=1_700_000_000_123,
        qos=qos,
        tag=tag,
    )


@dataclass
class FakeMembership:
    groups: "FakeGroups"
    consumer: Consumer
    address: str
    gone: bool = False

    def ready(self) -> None:
        if not self.gone:
            self.groups.send()

    def leave(self) -> None:
        if not self.gone:
            self.gone = True
            self.groups.members.remove(self)


@dataclass
class FakeGroups:
    """One group: what waits goes to the first member that takes it."""

    members: list[FakeMembership] = field(default_factory=list)
    waiting: deque[Delivery] = field(default_factory=deque)
    accepted_ids: list[int] = field(default_factory=list)
    rejected_ids: list[int] = field(default_factory=list)
    failure: Exception | None = None
    full: bool = False
    not_durable: asyncio.Event | None = None
    joined: int = 0

    async def sign_in(self, user_name: str, password: str) -> Login:
        if self.failure is not None:
            raise self.failure
        if password != PASSWORD:
            raise SignInRefused("wrong password")
        group = GroupRef(1, 1, "G")
        return Login(user_name.split("|", maxsplit=1)[0], group, "LTAItest", "encode=base64" in user_name)

    def join(self, login: Login, consumer: Consumer, address: str) -> FakeMembership:
        if self.full:
            raise GroupFull(f"group {login.group.group_id} is full")
        member = FakeMembership(self, consumer, address)
        self.members.append(member)
        self.joined += 1
        return member

    async def acknowledged(self) -> None:
        if self.not_durable is not None:
            await self.not_durable.wait()
        if self.failure is not None:
            raise self.failure

    def add(self, *messages: Forwarded, attempt: int = 0) -> None:
        for message in messages:
            self.waiting.append(Delivery(self, message, attempt, None, realtime=True, deadline=0.0))
        self.send()

    def send(self) -> None:
        for member in list(self.members):
            while self.waiting and member.consumer.capacity() > 0:
                member.consumer.deliver(self.waiting.popleft())

    def accepted(self, delivery: Delivery) -> None:
        self.accepted_ids.append(delivery.message.position)

    def rejected(self, delivery: Delivery) -> None:
        self.rejected_ids.append(delivery.message.position)
