"""Whatever clients do and in whatever order: every message is accepted or waits, and none reaches two at once."""

import asyncio

import hypothesis
from hypothesis import strategies as st

from tests.subscriptions.delivery.world import Client, World, settle
from thingplane.subscriptions.delivery.pace import Pace

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("commit"), st.integers(1, 30)),
        st.tuples(st.just("join"), st.integers(0, 20)),
        st.tuples(st.just("leave"), st.integers(0, 3)),
        st.tuples(st.just("grant"), st.integers(1, 40)),
        st.tuples(st.just("accept"), st.integers(1, 30)),
        st.tuples(st.just("reject"), st.integers(1, 10)),
        st.tuples(st.just("late"), st.integers(0, 50)),
        st.tuples(st.just("time"), st.sampled_from([1, 31, 61])),
        st.tuples(st.just("gate"), st.integers(0, 1)),
        st.tuples(st.just("settle"), st.just(0)),
    ),
    max_size=40,
)


async def run(steps: list[tuple[str, int]], pace: Pace) -> None:
    world = World(pace)
    clients: list[Client] = []
    accepted: set[int] = set()
    for step, number in steps:
        present = [client for client in clients if not client.membership.gone]
        one = present[number % len(present)] if present else None
        if step == "commit":
            world.log.commit(number)
        elif step == "join":
            clients.append(Client(world.group, credit=number))
        elif step == "gate":
            world.log.gate.set() if number else world.log.gate.clear()
        elif step == "time":
            await world.pass_time(number)
        elif step == "settle":
            await settle()
        elif one is not None and step == "leave":
            one.membership.leave()
        elif one is not None and step == "grant":
            one.grant(number)
        elif one is not None and step in ("accept", "reject"):
            for delivery in one.got[-number:]:
                if world.group._in_flight.get(delivery.message.position) is delivery:
                    if step == "accept":
                        delivery.accept()
                        assert delivery.message.position not in accepted
                        accepted.add(delivery.message.position)
                    else:
                        delivery.reject()
        elif one is not None and step == "late" and number < len(one.got):
            delivery = one.got[number]
            before = world.group.consumption.backlog + world.group.consumption.realtime
            delivery.accept()
            if world.group.consumption.backlog + world.group.consumption.realtime > before:
                accepted.add(delivery.message.position)
        assert 0 <= world.group._held <= pace.window + 30
    world.log.gate.set()
    for client in clients:
        client.membership.leave()
    await settle()
    last = Client(world.group, credit=10_000, settles=True)
    await settle()
    await world.pass_time(2)
    positions = {delivery.message.position for delivery in last.got}
    assert len(positions) == len(last.got)
    assert positions | accepted == set(range(len(world.log.messages)))
    assert not positions & accepted
    assert world.log.waiting(1) == 0
    assert world.group._held == world.group._bytes == 0


@hypothesis.given(STEPS, st.sampled_from([5, 50, 20_000]))
@hypothesis.settings(max_examples=150)
def test_every_message_is_settled_or_waiting(steps: list[tuple[str, int]], window: int) -> None:
    asyncio.run(run(steps, Pace(window=window)))
