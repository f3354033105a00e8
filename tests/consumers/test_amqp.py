import asyncio
from base64 import b64encode
from collections.abc import Sequence
from typing import Any, cast

import pytest

from tests.amqp.wire import RELEASED, attach, begin, detach, disposition, flow, opening
from tests.consumers.groups import USER, forwarded
from tests.consumers.support import Listening, amqp_peer
from thingplane.amqp import Event, SaslCode
from thingplane.amqp.codec.decode import read_value
from thingplane.amqp.codec.encode import NULL, ubyte
from thingplane.amqp.numbers import AMQP_HEADER, SASL_HEADER
from thingplane.consumers.amqp_connection import AmqpConnection


def body_of(payload: bytes) -> Any:
    position = 0
    section: Any = None
    while position < len(payload):
        section, position = read_value(payload, position, len(payload))
    return section.value


@pytest.mark.parametrize("tls", [True, False], ids=["TLS", "plain"])
async def test_messages_reach_a_client_and_are_settled(listening: Listening, tls: bool) -> None:
    peer = await amqp_peer(listening, tls=tls)
    await peer.attach()
    listening.groups.add(forwarded(1, b"one"), forwarded(2, b"two"))
    assert body_of((await peer.receive_until("transfer")).payload) == b"one"
    assert body_of((await peer.receive_until("transfer")).payload) == b"two"
    peer.write(disposition(1), disposition(0, state=RELEASED))
    await listening.until(lambda: listening.groups.accepted_ids == [2] and listening.groups.rejected_ids == [1])


async def test_the_group_learns_where_a_client_is(listening: Listening) -> None:
    peer = await amqp_peer(listening)
    await peer.attach()
    host, port = peer.writer.get_extra_info("sockname")
    assert listening.groups.members[0].address == f"{host}:{port}"


async def test_a_wrong_password_has_outcome_1(listening: Listening) -> None:
    peer = await amqp_peer(listening)
    assert await peer.sign_in(password="wrong") == SaslCode.AUTH
    assert await peer.is_gone()
    assert listening.consumers.reading()["amqp_refused_total:sign-in"] == 1


async def test_a_sign_in_that_cannot_be_checked_may_be_repeated(listening: Listening) -> None:
    listening.groups.failure = OSError("no database")
    peer = await amqp_peer(listening)
    assert await peer.sign_in() == SaslCode.SYS_TEMP
    assert await peer.is_gone()


async def test_a_client_too_many_is_refused_at_its_link(listening: Listening) -> None:
    listening.groups.full = True
    peer = await amqp_peer(listening)
    assert (await peer.attach()).field(5) is None
    refusal = await peer.receive_until("detach")
    assert refusal.error == "amqp:resource-limit-exceeded"
    assert listening.consumers.reading()["amqp_refused_total:full"] == 1


async def test_messages_wait_for_credit(listening: Listening) -> None:
    peer = await amqp_peer(listening)
    await peer.attach(credit=1)
    listening.groups.add(forwarded(1), forwarded(2))
    await peer.receive_until("transfer")
    assert len(listening.groups.waiting) == 1
    peer.write(flow(1, seen=1, count=1))
    await peer.receive_until("transfer")


async def test_a_lost_connection_leaves_the_group(listening: Listening) -> None:
    peer = await amqp_peer(listening, tls=True)
    await peer.attach()
    listening.groups.add(forwarded())
    peer.writer.transport.abort()
    await listening.until(lambda: listening.groups.members == [])
    assert listening.groups.accepted_ids == []
    assert listening.consumers.reading()["amqp_connections"] == 0


async def test_a_detached_link_leaves_the_group_and_may_come_back(listening: Listening) -> None:
    peer = await amqp_peer(listening)
    await peer.attach()
    peer.write(detach())
    await peer.receive_until("detach")
    assert listening.groups.members == []
    peer.write(attach(), flow(1))
    await peer.receive_until("attach")
    assert len(listening.groups.members) == 1


async def test_a_dropped_client_learns_why(listening: Listening) -> None:
    peer = await amqp_peer(listening)
    await peer.attach()
    member = listening.groups.members[0]
    member.leave()
    member.consumer.drop("the group was deleted")
    close = await peer.receive_until("close")
    assert close.fields[0].value == ["amqp:connection:forced", "the group was deleted"]
    peer.close_properly()
    assert await peer.is_gone()


async def test_a_client_that_breaks_the_protocol_is_counted(listening: Listening) -> None:
    peer = await amqp_peer(listening)
    await peer.attach()
    peer.write(begin())
    assert (await peer.receive_until("close")).error == "amqp:illegal-state"
    assert listening.groups.members == []
    assert listening.consumers.reading()["amqp_faults_total"] == 1


async def test_base64_is_an_option_of_the_user_name(listening: Listening) -> None:
    peer = await amqp_peer(listening)
    await peer.sign_in(USER.replace("authId", "encode=base64,authId"))
    peer.write(AMQP_HEADER, opening(), begin(), attach(), flow())
    await peer.receive_until("attach")
    listening.groups.add(forwarded(body=b"\xff\xfe"))
    assert body_of((await peer.receive_until("transfer")).payload) == b64encode(b"\xff\xfe")


async def test_presettled_messages_count_as_accepted_when_written(listening: Listening) -> None:
    peer = await amqp_peer(listening)
    await peer.attach(modes=(ubyte(1), NULL))
    listening.groups.add(forwarded())
    assert listening.groups.accepted_ids == []
    await peer.receive_until("transfer")
    assert listening.groups.accepted_ids == [1]


async def test_a_client_that_settles_second_is_told_what_is_durable(listening: Listening) -> None:
    listening.groups.not_durable = asyncio.Event()
    peer = await amqp_peer(listening)
    await peer.attach(modes=(ubyte(0), ubyte(1)))
    listening.groups.add(forwarded(1))
    await peer.receive_until("transfer")
    peer.write(disposition(0, settled=False), flow(echo=True, seen=1))
    await peer.receive_until("flow")
    assert listening.groups.accepted_ids == [1]
    listening.groups.not_durable.set()
    settlement = await peer.receive_until("disposition")
    assert settlement.fields[:4] == [False, 0, None, True]


async def test_a_client_is_closed_when_its_settlement_cannot_be_stored(listening: Listening) -> None:
    peer = await amqp_peer(listening)
    await peer.attach(modes=(ubyte(0), ubyte(1)))
    listening.groups.add(forwarded(1))
    await peer.receive_until("transfer")
    listening.groups.failure = OSError("disk full")
    peer.write(disposition(0, settled=False))
    assert (await peer.receive_until("close")).error == "amqp:connection:forced"


async def test_a_message_that_the_client_does_not_take_is_returned(listening: Listening) -> None:
    peer = await amqp_peer(listening)
    await peer.attach(more=(NULL, NULL, NULL, b"\x53\xff"))
    listening.groups.add(forwarded(1, bytes(300)), forwarded(2, b""))
    assert body_of((await peer.receive_until("transfer")).payload) == b""
    assert listening.groups.rejected_ids == [1]
    assert listening.consumers.reading()["amqp_too_large_total"] == 1


async def test_a_drained_client_gets_what_there_is_and_is_told(listening: Listening) -> None:
    peer = await amqp_peer(listening)
    await peer.attach(credit=0)
    listening.groups.add(forwarded(1), forwarded(2))
    peer.write(flow(5, drain=True))
    await peer.receive_until("transfer")
    await peer.receive_until("transfer")
    answer = await peer.receive_until("flow")
    assert answer.fields[5:7] == [5, 0]


async def test_a_drain_is_over_with_the_last_credit(listening: Listening) -> None:
    peer = await amqp_peer(listening)
    await peer.attach(credit=0)
    peer.write(flow(1, drain=True, echo=True))
    await peer.receive_until("flow")
    listening.groups.add(forwarded(1))
    await peer.receive_until("transfer")
    assert (await peer.receive_until("flow")).fields[5:7] == [1, 0]


@pytest.mark.parametrize("tls", [True, False], ids=["TLS", "plain"])
async def test_a_client_that_does_not_read_costs_bounded_memory(listening: Listening, tls: bool) -> None:
    peer = await amqp_peer(listening, tls=tls)
    await peer.attach(credit=100_000, window=100_000)
    transport = cast("asyncio.Transport", peer.writer.transport)

    transport.pause_reading()
    # More than the kernel keeps for both sockets.
    listening.groups.add(*[forwarded(number, bytes(100_000)) for number in range(400)])
    (connection,) = listening.consumers.hub._open
    before = -1
    while before != len(listening.groups.waiting):
        before = len(listening.groups.waiting)
        for _ in range(20):
            await asyncio.sleep(0)
    assert before > 100
    assert connection._transport.get_write_buffer_size() < 1_500_000  # type: ignore[attr-defined]
    transport.resume_reading()
    for _ in range(400):
        while (await peer.receive_until("transfer")).field(5):
            pass
    assert not listening.groups.waiting


@pytest.mark.parametrize("tls", [True, False], ids=["TLS", "plain"])
async def test_a_client_that_asks_on_and_on_without_reading_is_disconnected(listening: Listening, tls: bool) -> None:
    peer = await amqp_peer(listening, tls=tls)
    await peer.attach(credit=0)
    (connection,) = listening.consumers.hub._open
    channel = cast("Any", connection)
    peer.writer.transport.pause_reading()  # type: ignore[attr-defined]
    answers = 0
    async with asyncio.timeout(20):
        while listening.consumers.hub._open:
            # As a stranger to the window of TCP would: no room is left for answers.
            channel.pause_writing()
            channel.data_received(flow(0, echo=True) * 500)
            answers += 500
            await asyncio.sleep(0)
    assert answers < 100_000
    assert listening.consumers.reading()["amqp_faults_total"] == 1
    assert channel._unread < 1_200_000


async def test_there_are_only_so_many_connections(listening: Listening) -> None:
    listening.consumers.hub._max_connections = 2
    held = [await amqp_peer(listening, tls=False) for _ in range(2)]
    await listening.until(lambda: not listening.consumers.hub.has_room)
    refused = await amqp_peer(listening, tls=False)
    assert await refused.is_gone()
    assert listening.consumers.reading()["amqp_refused_total:connections"] == 1
    held[0].writer.transport.abort()
    await listening.until(lambda: listening.consumers.hub.has_room)
    assert await (await amqp_peer(listening, tls=False)).sign_in() == 0


async def test_what_is_delivered_in_one_turn_leaves_in_one_write(
    listening: Listening, monkeypatch: pytest.MonkeyPatch
) -> None:
    peer = await amqp_peer(listening)
    await peer.attach()
    (connection,) = listening.consumers.hub._open
    writes: list[int] = []
    count = connection._core.data_to_send  # type: ignore[attr-defined]

    def counting() -> bytes:
        data: bytes = count()
        if data:
            writes.append(len(data))
        return data

    class Core:
        def __init__(self, core: Any) -> None:
            self.core = core
            self.data_to_send = counting

        def __getattr__(self, name: str) -> Any:
            return getattr(self.core, name)

    monkeypatch.setattr(connection, "_core", Core(connection._core))  # type: ignore[attr-defined]
    listening.groups.add(*[forwarded(number) for number in range(50)])
    for _ in range(50):
        await peer.receive_until("transfer")
    assert len(writes) == 1


async def test_silence_is_broken_and_clients_that_are_silent_are_closed(listening: Listening) -> None:
    peer = await amqp_peer(listening)
    await peer.attach()
    listening.pass_time(10)
    listening.pass_time(10)
    assert (await peer.receive_until("heartbeat")).size == 8
    listening.pass_time(120)
    assert (await peer.receive_until("close")).error == "amqp:resource-limit-exceeded"
    listening.pass_time(3)
    assert await peer.is_gone()


async def test_a_connection_that_fails_does_not_stop_the_time_of_others(
    listening: Listening, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = await amqp_peer(listening)
    await one.attach()
    [broken] = listening.consumers.hub._open
    pass_time = AmqpConnection._pass_time

    def failing(connection: AmqpConnection, now: float) -> Sequence[Event]:
        if connection is broken:
            raise RuntimeError("a bug")
        return pass_time(connection, now)

    monkeypatch.setattr(AmqpConnection, "_pass_time", failing)
    other = await amqp_peer(listening)
    await other.attach()
    listening.pass_time(10)
    listening.pass_time(10)
    assert await one.is_gone()
    assert (await other.receive_until("heartbeat")).size == 8


async def test_a_stranger_is_closed_after_15_seconds(listening: Listening) -> None:
    peer = await amqp_peer(listening)
    peer.write(SASL_HEADER)
    await peer.receive_until("sasl_mechanisms")
    listening.pass_time(15)
    assert await peer.is_gone()


async def test_stopping_takes_leave_of_clients(listening: Listening) -> None:
    peer = await amqp_peer(listening)
    await peer.attach()
    stopping = asyncio.create_task(listening.consumers.stop())
    close = await peer.receive_until("close")
    assert close.fields[0].value == ["amqp:connection:forced", "the server shuts down"]
    assert listening.groups.members == []
    peer.close_properly()
    assert await peer.is_gone()
    await stopping
    with pytest.raises(OSError):  # noqa: PT011 - which one differs
        await amqp_peer(listening)


async def test_a_client_that_does_not_take_leave_is_dropped(listening: Listening) -> None:
    peer = await amqp_peer(listening)
    await peer.attach()
    await listening.consumers.stop()
    assert await peer.is_gone()
