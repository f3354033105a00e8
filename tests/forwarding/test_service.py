"""Forwarding: who gets what, in which order, what waits, and what a restart keeps."""

import asyncio
from collections.abc import Iterable
from pathlib import Path

from msgspec.structs import replace
from tests.common.clock import FakeClock
from tests.common.forwarding import SOURCE, AllTo, forwarding

from thingplane.forwarding.service import Forwarded, Forwarder, Kind
from thingplane.storage.database import Database

TOPIC = "/a1pk/dev1/user/update"


async def subscribe(forwarder: Forwarder, *references: str) -> list[int]:
    """Let subscribers have everything."""
    members = [await forwarder.enroll("group", reference) for reference in references]
    forwarder.add_router(AllTo(members))
    return members


def forward(forwarder: Forwarder, count: int = 1, **options: object) -> list[int | None]:
    return [
        forwarder.forward(Kind.CUSTOM, SOURCE, TOPIC, b"%d" % number, **options)  # type: ignore[arg-type]
        for number in range(count)
    ]


def bodies(messages: list[Forwarded]) -> list[bytes]:
    return [message.body for message in messages]


async def test_what_nobody_wants_is_not_written(tmp_path: Path, clock: FakeClock, database: Database) -> None:
    async with forwarding(tmp_path, clock, database) as forwarder:
        assert not forwarder.wanted(Kind.CUSTOM, 2, TOPIC)
        assert forward(forwarder) == [None]
        member = await forwarder.enroll("group", "1")
        assert not forwarder.wanted(Kind.CUSTOM, 2, TOPIC)
        router = AllTo()
        forwarder.add_router(router)
        assert forward(forwarder) == [None]
        router.members = [member]
        assert forward(forwarder) == [None]
        forwarder.routes_changed()
        assert forwarder.wanted(Kind.CUSTOM, 2, TOPIC)
        assert isinstance(forward(forwarder)[0], int)


class ByProduct:
    """A router that sends messages of a product to the subscriber with the same number."""

    def subscribers(self, kind: Kind, product_id: int, topic: str) -> Iterable[int]:  # noqa: ARG002 - as the protocol
        return [product_id]


async def test_a_topic_whose_device_moved_to_a_copy_of_its_product_has_that_one_s_subscribers(
    tmp_path: Path, clock: FakeClock, database: Database
) -> None:
    async with forwarding(tmp_path, clock, database) as forwarder:
        members = [await forwarder.enroll("group", reference) for reference in "12"]
        forwarder.add_router(ByProduct())
        for product_id in (members[0], members[1], members[0], 99):
            forwarder.forward(Kind.CUSTOM, replace(SOURCE, product_id=product_id), TOPIC, b"%d" % product_id)
        await forwarder.durable()
        for member, count in zip(members, (2, 1), strict=True):
            assert bodies(await forwarder.read(member, -1, 9)) == [b"%d" % member] * count


async def test_a_message_is_heard_when_it_is_durable_and_waits_until_acknowledged(
    tmp_path: Path, clock: FakeClock, database: Database
) -> None:
    async with forwarding(tmp_path, clock, database) as forwarder:
        one, two = await subscribe(forwarder, "1", "2")
        heard: list[Forwarded] = []
        stop = forwarder.listen(one, heard.extend)
        message_ids = forward(forwarder, 3, qos=1, tag="t")
        assert heard == []
        assert forwarder.waiting(one) == 0
        await forwarder.durable()
        await asyncio.sleep(0)
        assert [message.message_id for message in heard] == message_ids
        assert (heard[0].kind, heard[0].topic, heard[0].body, heard[0].qos, heard[0].tag) == (
            Kind.CUSTOM,
            TOPIC,
            b"0",
            1,
            "t",
        )
        assert heard[0].generated == clock.now_ms()
        assert (forwarder.waiting(one), forwarder.waiting(two)) == (3, 3)
        assert await forwarder.read(two, -1, 10) == heard

        forwarder.acknowledge(one, [heard[1].position])
        forwarder.acknowledge(one, [heard[1].position, heard[1].position])
        assert forwarder.waiting(one) == 2
        assert bodies(await forwarder.read(one, -1, 10)) == [b"0", b"2"]
        assert bodies(await forwarder.read(one, heard[0].position, 10)) == [b"2"]
        assert bodies(await forwarder.read(two, -1, 2)) == [b"0", b"1"]
        stop()
        forward(forwarder)
        await forwarder.durable()
        await asyncio.sleep(0)
        assert len(heard) == 3


async def test_what_waits_outlives_a_restart(tmp_path: Path, clock: FakeClock, database: Database) -> None:
    async with forwarding(tmp_path, clock, database) as forwarder:
        one, two = await subscribe(forwarder, "1", "2")
        forward(forwarder, 2000)
        await forwarder.durable()
        positions = [message.position for message in await forwarder.read(one, -1, 2000)]
        forwarder.acknowledge(one, positions[:1500] + positions[1900:])
        await forwarder.acknowledged()
        assert forwarder.waiting(one) == 400
    async with forwarding(tmp_path, clock, database) as forwarder:
        assert await forwarder.enroll("group", "1") == one
        assert (forwarder.waiting(one), forwarder.waiting(two)) == (400, 2000)
        assert bodies(await forwarder.read(one, -1, 2)) == [b"1500", b"1501"]
        # Who subscribes later has no claim to what was there before.
        late = await forwarder.enroll("rule", "1")
        assert (late, forwarder.waiting(late)) == (max(one, two) + 1, 0)
        forwarder.add_router(AllTo([late]))
        forward(forwarder)
        await forwarder.durable()
        (message,) = await forwarder.read(late, -1, 10)
        assert message.position > positions[-1]
        assert forwarder.waiting(one) == 400


async def test_subscribers_that_are_named_get_it_and_nobody_else(
    tmp_path: Path, clock: FakeClock, database: Database
) -> None:
    async with forwarding(tmp_path, clock, database) as forwarder:
        one, two = await subscribe(forwarder, "1", "2")
        forward(forwarder)
        forwarder.forward(Kind.RULE, SOURCE, TOPIC, b"made", to=[two, 99], message_id=7)
        assert forwarder.forward(Kind.RULE, SOURCE, TOPIC, b"made", to=[99]) is None
        heard: dict[int, list[bytes]] = {one: [], two: []}
        for member, own in heard.items():
            forwarder.listen(member, lambda messages, own=own: own.extend(bodies(messages)))  # type: ignore[misc]
        await forwarder.durable()
        await asyncio.sleep(0)
        assert heard == {one: [b"0"], two: [b"0", b"made"]}
        assert (await forwarder.read(two, -1, 9))[-1].message_id == 7


async def test_a_subscriber_that_is_removed_is_forgotten(tmp_path: Path, clock: FakeClock, database: Database) -> None:
    async with forwarding(tmp_path, clock, database) as forwarder:
        one, two = await subscribe(forwarder, "1", "2")
        forward(forwarder, 5)
        await forwarder.durable()
        await forwarder.remove(two)
        assert forwarder.waiting(two) == 0
        assert await forwarder.read(two, -1, 9) == []
        forwarder.acknowledge(two, [1])
        forward(forwarder)
        await forwarder.durable()
        assert forwarder.waiting(one) == 6
        again = await forwarder.enroll("group", "2")
        assert again > two
        assert forwarder.waiting(again) == 0
    async with forwarding(tmp_path, clock, database) as forwarder:
        assert (forwarder.waiting(one), forwarder.waiting(two), forwarder.waiting(again)) == (6, 0, 0)


async def test_reset_lets_everything_count_as_acknowledged(
    tmp_path: Path, clock: FakeClock, database: Database
) -> None:
    async with forwarding(tmp_path, clock, database) as forwarder:
        one, two = await subscribe(forwarder, "1", "2")
        forward(forwarder, 5)
        await forwarder.durable()
        await forwarder.reset(one)
        assert (forwarder.waiting(one), forwarder.waiting(two)) == (0, 5)
        forward(forwarder)
        await forwarder.durable()
        assert forwarder.waiting(one) == 1
    async with forwarding(tmp_path, clock, database) as forwarder:
        assert forwarder.waiting(one) == 1


async def test_a_failing_listener_holds_up_nobody(tmp_path: Path, clock: FakeClock, database: Database) -> None:
    async with forwarding(tmp_path, clock, database) as forwarder:
        one, two = await subscribe(forwarder, "1", "2")
        heard: list[Forwarded] = []
        reported: list[object] = []
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _loop, context: reported.append(context["exception"]))

        def fail(_messages: object) -> None:
            raise RuntimeError("broken")

        forwarder.listen(one, fail)
        forwarder.listen(two, heard.extend)
        forward(forwarder)
        await forwarder.durable()
        await asyncio.sleep(0)
        loop.set_exception_handler(None)
        assert len(heard) == 1
        assert [str(error) for error in reported] == ["broken"]
