"""How a group's messages reach its clients, with a clock to set and a log in memory."""

import pytest

from tests.subscriptions.delivery.world import Client, World, settle
from thingplane.subscriptions.delivery.pace import Pace


@pytest.fixture
def world() -> World:
    return World()


async def test_a_new_message_is_pushed_within_the_commit(world: World) -> None:
    client = Client(world.group)
    await settle()
    sent = world.log.commit(1)
    assert client.ids == sent
    assert client.got[0].attempt == 0


async def test_clients_share_evenly_also_single_messages(world: World) -> None:
    clients = [Client(world.group) for _ in range(3)]
    await settle()
    sent = [world.log.commit(1)[0] for _ in range(30)] + world.log.commit(30)
    assert [len(client.got) for client in clients] == [20, 20, 20]
    assert sorted(message for client in clients for message in client.ids) == sent


async def test_who_has_no_credit_takes_no_part(world: World) -> None:
    idle, busy = Client(world.group, credit=0), Client(world.group)
    await settle()
    world.log.commit(10)
    assert (len(idle.got), len(busy.got)) == (0, 10)


async def test_two_groups_get_a_copy_each(world: World) -> None:
    one, two = Client(world.group), Client(world.new_group(2))
    await settle()
    sent = world.log.commit(5, 1, 2)
    assert one.ids == two.ids == sent


async def test_accepted_messages_are_acknowledged_to_the_log(world: World) -> None:
    client = Client(world.group)
    await settle()
    world.log.commit(3)
    client.got[1].accept()
    await settle()
    assert world.log.unsettled[1] == {0, 2}
    client.got[1].accept()
    client.got[1].reject()
    await world.pass_time(200)
    assert len([delivery for delivery in client.got if delivery.message.position == 1]) == 1


async def test_messages_wait_in_order_for_credit(world: World) -> None:
    client = Client(world.group, credit=2)
    await settle()
    sent = world.log.commit(5)
    assert client.ids == sent[:2]
    client.grant(2)
    await settle()
    client.grant(2)
    await settle()
    assert client.ids == sent
    assert world.log.reads == 1  # that of the join: they waited in memory


async def test_what_comes_while_nobody_is_connected_comes_at_the_next_connect(world: World) -> None:
    sent = world.log.commit(3000)
    client = Client(world.group, credit=10_000, settles=True)
    await settle()
    assert client.ids == sent
    assert world.log.waiting(1) == 0


async def test_new_messages_do_not_wait_for_the_backlog(world: World) -> None:
    world.log.commit(2000)
    client = Client(world.group, credit=5, settles=True)
    await settle()
    assert len(client.got) == 5
    client.credit = 1
    (new,) = world.log.commit(1)
    assert client.ids[-1] == new
    client.grant(3000)
    await settle()
    assert len(set(client.ids)) == len(client.ids) == 2001


async def test_a_new_message_that_waits_for_credit_goes_before_the_backlog(world: World) -> None:
    world.log.commit(5)
    client = Client(world.group, credit=2)
    await settle()
    (new,) = world.log.commit(1)
    client.grant(1)
    await settle()
    assert client.ids == [1000, 2000, new]


async def test_an_unsettled_delivery_comes_back_after_its_deadline_and_a_minute(world: World) -> None:
    client = Client(world.group)
    await settle()
    (sent,) = world.log.commit(1)
    await world.pass_time(29)
    assert world.group.consumption.expired == 0
    await world.pass_time(1)
    assert world.group.consumption.expired == 1
    assert client.ids == [sent]
    await world.pass_time(60)
    assert client.ids == [sent, sent]
    assert client.got[1].attempt == 1
    assert client.got[1].message == client.got[0].message


async def test_acceptance_after_the_deadline_still_counts(world: World) -> None:
    client = Client(world.group)
    await settle()
    world.log.commit(1)
    await world.pass_time(35)
    client.got[0].accept()
    await world.pass_time(100)
    assert len(client.got) == 1
    assert world.log.waiting(1) == 0


async def test_a_rejected_message_comes_again_after_a_minute_or_with_a_new_client(world: World) -> None:
    client = Client(world.group)
    await settle()
    (sent,) = world.log.commit(1)
    client.got[0].reject()
    await world.pass_time(59)
    assert client.ids == [sent]
    await world.pass_time(1)
    assert client.ids == [sent, sent]
    client.got[1].reject()
    client.credit = 0
    fresh = Client(world.group)
    await settle()
    assert fresh.ids == [sent]
    assert fresh.got[0].attempt == 2


async def test_a_lost_connection_gives_its_messages_to_others_at_once(world: World) -> None:
    lost = Client(world.group)
    await settle()
    sent = world.log.commit(3)
    lost.got[0].accept()
    other = Client(world.group)
    lost.membership.leave()
    lost.membership.leave()
    await settle()
    assert other.ids == sent[1:]
    assert {delivery.attempt for delivery in other.got} == {1}


async def test_the_last_connection_gives_its_messages_back_to_the_disk(world: World) -> None:
    lost = Client(world.group)
    await settle()
    sent = world.log.commit(3)
    lost.got[1].accept()
    lost.membership.leave()
    assert world.log.listeners == {}
    later = world.log.commit(2)
    back = Client(world.group)
    await settle()
    assert back.ids == [sent[0], sent[2], *later]
    assert [delivery.attempt for delivery in back.got] == [1, 1, 0, 0]


async def test_a_connection_that_breaks_while_it_is_sent_to(world: World) -> None:
    breaking, other = Client(world.group), Client(world.group)
    breaking.leaves_after = 2
    await settle()
    sent = world.log.commit(10)
    await settle()
    assert len(breaking.got) == 2
    assert sorted(other.ids) == sent


async def test_restart_delivers_what_was_not_acknowledged_with_the_same_id(world: World) -> None:
    client = Client(world.group)
    await settle()
    sent = world.log.commit(4)
    client.got[0].accept()
    await settle()
    world.log.listeners.clear()  # the process dies
    back = Client(world.new_group())
    await settle()
    assert back.ids == sent[1:]


async def test_memory_is_bounded_and_nothing_is_lost_beyond() -> None:
    world = World(Pace(window=100))
    client = Client(world.group, credit=1)
    await settle()
    sent = world.log.commit(1000)
    assert world.group._held <= 100
    for _ in range(200):
        client.grant(7)
        await settle()
        assert world.group._held <= 100
        for delivery in client.got:
            delivery.accept()
    await settle()
    assert sorted(client.ids) == sent
    assert world.log.waiting(1) == 0


async def test_large_messages_fill_the_window_sooner() -> None:
    world = World(Pace(window_bytes=1_000_000))
    Client(world.group, credit=5)
    await settle()
    world.log.commit(100, size=100_000)
    assert world.group._bytes <= 1_100_000


async def test_a_client_that_settles_nothing_stops_the_backlog_at_the_window() -> None:
    world = World(Pace(window=50))
    world.log.commit(500)
    client = Client(world.group, credit=10_000)
    await settle()
    assert len(client.got) == 50
    await world.pass_time(95)
    assert {delivery.attempt for delivery in client.got[50:]} == {1}
    for delivery in client.got[50:]:
        delivery.accept()
    client.settles = True
    await settle()
    assert world.log.waiting(1) == 0


async def test_clients_that_settle_nothing_do_not_starve_the_others() -> None:
    world = World(Pace(window=100))
    deaf = [Client(world.group, f"deaf-{number}") for number in range(4)]
    good = Client(world.group, "good", credit=10_000, settles=True)
    ids = world.log.commit(1000)
    await settle()
    assert [len(client.got) for client in deaf] == [20] * 4
    assert len(good.got) == 920
    await world.pass_time(100)
    assert sorted(good.ids) == ids, "what expired came to who settles"
    assert [len(client.got) for client in deaf] == [20] * 4
    # One that settles at last takes part again; and nobody is left out when all are like this.
    deaf[0].got[0].accept()
    good.membership.leave()
    world.log.commit(4)
    await settle()
    assert [len(client.got) for client in deaf] == [24, 20, 20, 20]
    deaf[0].membership.leave()
    await settle()
    assert sum(len(client.got) for client in deaf[1:]) == 64


async def test_backlog_rate_of_a_group() -> None:
    world = World(Pace(backlog_per_second=200))
    world.log.commit(1000)
    client = Client(world.group, credit=10_000, settles=True)
    await settle()
    assert len(client.got) == 200
    await world.pass_time(2)
    assert len(client.got) == 600


async def test_realtime_rate_of_a_connection_leaves_the_rest_to_the_backlog() -> None:
    world = World(Pace(realtime_per_second=10, backlog_per_second=5))
    clients = [Client(world.group, settles=True) for _ in range(2)]
    await settle()
    world.log.commit(100)
    assert [len(client.got) for client in clients] == [10, 10]
    await settle()
    assert sum(len(client.got) for client in clients) == 25
    status = world.group.status()
    assert (status.realtime_per_minute, status.backlog_per_minute, status.backlog) == (20, 5, 75)


async def test_reset_lets_go_of_what_waited(world: World) -> None:
    client = Client(world.group, credit=1)
    await settle()
    world.log.commit(10)
    world.log.unsettled[1].clear()
    world.group.forget()
    client.grant(100)
    await settle()
    assert len(client.got) == 1
    (new,) = world.log.commit(1)
    await settle()
    assert client.ids[1:] == [new]


async def test_status(world: World) -> None:
    assert world.group.status().last_consumed_at is None
    world.log.commit(3)
    client, idle = Client(world.group, "one", settles=True), Client(world.group, "two", credit=0)
    await settle()
    world.log.commit(2)
    await settle()
    status = world.group.status()
    assert (status.backlog, status.backlog_per_minute, status.realtime_per_minute) == (0, 3, 2)
    assert status.last_consumed_at == world.clock.now_ms()
    assert [(one.client_id, one.backlog_per_minute, one.realtime_per_minute) for one in status.clients] == [
        ("one", 3, 2),
        ("two", 0, 0),
    ]
    client.settles = False
    world.log.commit(1)
    assert world.group.status().backlog == 0  # on its way, not in the backlog
    await world.pass_time(30)
    assert world.group.status().backlog == 1
    await world.pass_time(31)
    status = world.group.status()
    assert (status.backlog_per_minute, status.realtime_per_minute) == (0, 0)
    client.membership.leave()
    idle.membership.leave()
    assert world.group.status().clients == []
    assert world.group.status().backlog == 1


async def test_what_is_read_while_it_is_pushed_comes_once(world: World) -> None:
    world.log.commit(3)
    world.log.gate.clear()
    client = Client(world.group, settles=True)
    await settle()
    new = world.log.commit(2)
    world.log.gate.set()
    await settle()
    assert sorted(client.ids) == [1000, 2000, 3000, *new]


async def test_what_was_read_before_the_log_told_of_it_comes_once(world: World) -> None:
    client = Client(world.group)
    callback = world.log.listeners.pop(1)
    world.log.commit(2)
    await settle()
    callback(world.log.messages)
    await settle()
    assert client.ids == [1000, 2000]


async def test_what_is_pushed_while_it_is_being_read_comes_once(world: World) -> None:
    world.log.gate.clear()
    client = Client(world.group)
    callback = world.log.listeners[1]
    world.log.listeners.clear()
    world.log.commit(4)
    await settle()  # they are read, but not given out yet
    world.log.listeners[1] = callback
    callback(world.log.messages)
    client.got[0].accept()
    client.got[1].reject()
    await settle()
    world.log.gate.set()
    await settle()
    assert client.ids == [1000, 2000, 3000, 4000]


async def test_what_comes_while_nothing_was_left_to_read_is_read(world: World) -> None:
    world.log.gate.clear()
    client = Client(world.group, credit=0)
    await settle()
    world.log.commit(2)
    world.log.gate.set()
    await settle()
    client.grant(5)
    await settle()
    assert client.ids == [1000, 2000]


async def test_what_is_being_read_during_a_reset_is_not_delivered(world: World) -> None:
    world.log.commit(3)
    world.log.gate.clear()
    client = Client(world.group)
    await settle()
    world.log.unsettled[1].clear()
    world.group.forget()
    world.log.gate.set()
    await settle()
    assert client.got == []
    (new,) = world.log.commit(1)
    await settle()
    assert client.ids == [new]


async def test_a_log_that_cannot_be_read_is_read_again(world: World) -> None:
    world.log.commit(2)
    world.log.fails = True
    client = Client(world.group)
    await settle()
    assert client.got == []
    world.log.fails = False
    await world.pass_time(1)
    assert client.ids == [1000, 2000]


async def test_what_the_log_knows_and_memory_does_not_is_found_within_a_minute(world: World) -> None:
    client = Client(world.group)
    await settle()
    callback = world.log.listeners.pop(1)
    world.log.commit(2)
    world.log.listeners[1] = callback
    await world.pass_time(61)
    assert client.ids == [1000, 2000]


async def test_looking_for_more_repeats_nothing_that_is_in_memory(world: World) -> None:
    client = Client(world.group)
    await settle()
    world.log.commit(1)  # not settled in time, and waiting to be sent again when everything is read
    await world.pass_time(50)
    world.log.commit(1)  # being delivered then
    callback = world.log.listeners.pop(1)
    world.log.commit(1)
    world.log.listeners[1] = callback
    await world.pass_time(15)
    assert client.ids == [1000, 2000, 3000]


async def test_looking_for_more_does_not_double_what_a_lost_connection_gave_back(world: World) -> None:
    lost, other = Client(world.group, credit=1), Client(world.group, credit=0)
    await settle()
    world.log.commit(1)
    lost.membership.leave()
    callback = world.log.listeners.pop(1)
    world.log.commit(1)
    world.log.listeners[1] = callback
    await world.pass_time(61)
    other.grant(10)
    await settle()
    assert other.ids == [1000, 2000]


async def test_drop_closes_all_connections(world: World) -> None:
    clients = [Client(world.group) for _ in range(2)]
    world.group.drop("the group was deleted")
    assert [client.dropped for client in clients] == [["the group was deleted"]] * 2
    assert world.group.members == []
    world.log.commit(1)
    assert clients[0].got == []


async def test_close_hands_over_all_acknowledgements(world: World) -> None:
    client = Client(world.group)
    await settle()
    world.log.commit(2)
    client.got[0].accept()
    await world.group.close()
    assert world.log.unsettled[1] == {1}
