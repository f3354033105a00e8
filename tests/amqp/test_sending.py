import pytest

from tests.amqp.wire import RELEASED, Client, Sent, attached, detach, disposition, flow, read_output
from thingplane.amqp import Capabilities, Condition, CreditChanged, Descriptor, Settled
from thingplane.amqp.codec.encode import NULL, described, sequence, ubyte, uint
from thingplane.amqp.codec.encode import composite as encode_composite

BIG = bytes(range(256)) * 800


def settled(client: Client) -> list[tuple[int, list[object], list[int]]]:
    return [
        (event.state, event.contexts, event.unconfirmed) for event in client.take_events() if isinstance(event, Settled)
    ]


def send(client: Client, *contexts: object, message: bytes = b"message") -> list[Sent]:
    for context in contexts:
        client.link.send(message, context)
    return client.output()


def test_bytes_of_a_transfer() -> None:
    client = attached()
    client.link.send(b"payload", None)
    assert (
        client.server.data_to_send()
        == bytes.fromhex("00000023 02000000 005314 c00f05 43 7000000000 a00400000000 43 42".replace(" ", ""))
        + b"payload"
    )


def test_deliveries_are_numbered_and_tagged() -> None:
    client = attached()
    sent = send(client, "a", "b", "c")
    assert [frame.fields[1] for frame in sent] == [0, 1, 2]
    assert len({frame.fields[2] for frame in sent}) == 3
    assert {frame.payload for frame in sent} == {b"message"}
    assert all(frame.fields[3:] == [0, False] for frame in sent)


def test_credit_is_used_up_and_given_again() -> None:
    client = attached(credit=2)
    assert client.link.capacity() == 2
    send(client, 1, 2)
    assert client.link.capacity() == 0
    client.send(flow(10, seen=2, count=2))
    assert client.link.capacity() == 10
    client.send(flow(10, seen=2, count=1))
    assert client.link.capacity() == 9


def test_credit_from_before_a_message_counts_that_message() -> None:
    client = attached(credit=5)
    send(client, 1, 2)
    client.send(flow(1, seen=0, count=0))
    assert client.link.capacity() == 0


def test_a_client_may_not_know_counts_yet() -> None:
    client = attached(credit=0)
    client.send(flow(7, seen=None, count=None))
    assert client.link.capacity() == 7


def test_unlimited_credit_is_a_number_like_others() -> None:
    client = attached(credit=0xFFFF_FFFF, window=0xFFFF_FFFF)
    send(client, *range(3))
    assert client.link.credit == 0xFFFF_FFFC
    client.send(flow(0xFFFF_FFFF, seen=3, count=3, window=0xFFFF_FFFF))
    assert client.link.capacity() == 5_000 - 3


def test_the_session_window_limits_too() -> None:
    client = attached(credit=100, window=3)
    assert client.link.capacity() == 3
    send(client, 1, 2, 3)
    assert client.link.capacity() == 0
    client.send(flow(97, seen=2, count=3, window=3))
    assert client.link.capacity() == 2


def test_what_is_unsettled_limits_too() -> None:
    client = attached(credit=100, capabilities=Capabilities(max_unsettled=3))
    send(client, 1, 2, 3)
    assert client.link.capacity() == 0
    client.send(disposition(0, 1))
    assert client.link.capacity() == 2


def test_numbers_start_over_after_the_last() -> None:
    client = attached()
    session = client.link._session
    session.next_delivery_id = session.next_outgoing_id = 0xFFFF_FFFF
    client.link._delivery_count = 0xFFFF_FFFF
    client.send(flow(10, seen=0xFFFF_FFFF, count=0xFFFF_FFFF))
    assert [frame.fields[1] for frame in send(client, "a", "b", "c")] == [0xFFFF_FFFF, 0, 1]
    client.send(flow(10, seen=2, count=2))
    assert client.link.capacity() == 10
    client.send(disposition(0xFFFF_FFFF, 1))
    assert settled(client) == [(Descriptor.ACCEPTED, ["a", "b", "c"], [])]


# Frames


@pytest.mark.parametrize("limit", [512, 8192, 65_536])
def test_a_big_message_is_split_into_frames_that_the_client_takes(limit: int) -> None:
    client = attached(max_frame_size=limit)
    sent = send(client, "big", message=BIG)
    assert len(sent) == -(-len(BIG) // (limit - sent[0].size + len(sent[0].payload)))
    assert max(frame.size for frame in sent) == limit
    assert b"".join(frame.payload for frame in sent) == BIG
    assert [frame.field(5) for frame in sent] == [True] * (len(sent) - 1) + [False]
    assert {(frame.fields[1], frame.fields[2]) for frame in sent} == {(0, bytes(4))}
    client.send(flow(99, seen=len(sent), count=1))
    assert client.link.capacity() == 99
    client.send(disposition(0))
    assert settled(client) == [(Descriptor.ACCEPTED, ["big"], [])]


def test_a_message_that_just_fits_is_one_frame() -> None:
    client = attached(max_frame_size=512)
    room = 512 - (send(client, 1)[0].size - len(b"message"))
    assert len(send(client, 1, message=bytes(room))) == 1
    assert len(send(client, 1, message=bytes(room + 1))) == 2


def test_nothing_overtakes_a_message_that_waits_for_the_window() -> None:
    client = attached(max_frame_size=8192, window=20)
    sent = send(client, "big", message=BIG[:100_000])
    sent += send(client, "bigger", message=BIG)
    sent += send(client, "small", "last")
    assert len(sent) == 20
    while client.link.unsettled > len({frame.fields[1] for frame in sent if not frame.field(5)}):
        sent += client.send(flow(9, seen=len(sent), count=4, window=7))
    numbers = [frame.fields[1] for frame in sent]
    assert numbers == sorted(numbers)
    messages = [b"".join(frame.payload for frame in sent if frame.fields[1] == number) for number in range(4)]
    assert messages == [BIG[:100_000], BIG, b"message", b"message"]
    client.send(flow(9, seen=len(sent), count=4, window=7))
    assert client.link.capacity() == 7


def test_frames_beyond_the_window_wait_for_it() -> None:
    client = attached(max_frame_size=8192, window=10)
    assert len(send(client, "big", message=BIG)) == 10
    assert client.link.capacity() == 0
    sent = client.send(flow(99, seen=10, count=1, window=10))
    assert len(sent) == 10
    assert client.link.capacity() == 0
    sent = client.send(flow(99, seen=20, count=1, window=10))
    assert sent[-1].fields[5] is False
    assert client.link.capacity() == 10 - len(sent)


# Drain and echo


def test_drained_credit_is_gone() -> None:
    client = attached(credit=0)
    client.send(flow(10, drain=True))
    assert isinstance(client.events[-1], CreditChanged)
    assert client.link.drain
    send(client, 1)
    client.link.drained()
    (answer,) = client.output()
    assert answer.name == "flow"
    assert answer.fields[2:] == [1, 0x7FFF_FFFF, 0, 10, 0, 0, True]  # next-outgoing-id … handle, count, credit, drain
    assert client.link.capacity() == 0
    client.link.drained()
    assert client.output() == []


def test_without_credit_a_drain_is_answered_as_well() -> None:
    client = attached(credit=0)
    client.send(flow(0, drain=True))
    client.link.drained()
    assert [frame.name for frame in client.output()] == ["flow"]


def test_echo_is_answered_with_the_links_state() -> None:
    client = attached(credit=10)
    send(client, 1)
    (answer,) = client.send(flow(10, seen=1, count=1, echo=True))
    assert answer.fields[4:] == [0, 1, 10, 0, False]


def test_echo_of_a_session_says_nothing_of_links() -> None:
    client = attached()
    (answer,) = client.send(flow(None, handle=None, count=None, echo=True))
    assert answer.field(4) is None


# Settlement


def test_a_range_is_settled_at_once() -> None:
    client = attached()
    send(client, *"abcdef")
    assert client.send(disposition(1, 3)) == []
    assert settled(client) == [(Descriptor.ACCEPTED, ["b", "c", "d"], [])]
    assert client.link.unsettled == 3


def test_a_range_may_cover_much_more_than_there_is() -> None:
    client = attached()
    send(client, *"ab")
    client.send(disposition(0, 0x7FFF_FFFF))
    assert settled(client) == [(Descriptor.ACCEPTED, ["a", "b"], [])]


def test_what_is_settled_already_is_not_reported_again() -> None:
    client = attached()
    send(client, *"abc")
    for _ in range(3):
        client.send(disposition(0, 1), disposition(0), disposition(7))
    assert settled(client) == [(Descriptor.ACCEPTED, ["a", "b"], [])]


OUTCOMES = [
    (described(Descriptor.REJECTED, sequence([])), Descriptor.REJECTED),
    (RELEASED, Descriptor.RELEASED),
    (described(Descriptor.MODIFIED, sequence([b"\x41", b"\x42"])), Descriptor.MODIFIED),
    (described(Descriptor.ACCEPTED, bytes.fromhex("c00100")), Descriptor.ACCEPTED),
    (described(Descriptor.ACCEPTED, bytes.fromhex("d00000000400000000")), Descriptor.ACCEPTED),
    (b"\x00\xa3\x12amqp:accepted:list\x45", Descriptor.ACCEPTED),
]


@pytest.mark.parametrize("wide", [False, True], ids=["short list", "long list"])
@pytest.mark.parametrize(("state", "descriptor"), OUTCOMES)
def test_every_outcome_is_reported(state: bytes, descriptor: Descriptor, wide: bool) -> None:
    client = attached()
    send(client, *range(300))
    # Twice with each width of the numbers: the second time by the short cut.
    for first, last in ((0, None), (1, None), (2, 4), (5, 7), (256, None), (257, None), (258, 260), (261, 263)):
        client.send(disposition(first, last, state, wide=wide))
        expected = list(range(first, (first if last is None else last) + 1))
        assert settled(client) == [(descriptor, expected, [])]


@pytest.mark.parametrize(("wide", "place"), [(False, 12), (False, 13), (True, 15), (True, 19)])
def test_a_damaged_short_cut_is_as_malformed_as_ever(wide: bool, place: int) -> None:
    client = attached()
    send(client, *range(9))
    good = disposition(1, wide=wide)
    client.send(disposition(0, wide=wide), good)
    assert len(settled(client)) == 2
    bad = bytearray(good)
    bad[place] += 1  # size or count of its fields
    assert client.send(bytes(bad))[0].error == Condition.DECODE_ERROR


def test_a_state_that_is_no_outcome_decides_nothing() -> None:
    client = attached()
    send(client, "a")
    received = described(Descriptor.RECEIVED, sequence([uint(0), uint(3)]))
    assert client.send(disposition(0, state=received, settled=False)) == []
    assert client.send(disposition(0, state=NULL, settled=False)) == []
    assert settled(client) == []
    assert client.link.unsettled == 1


def test_settled_without_a_state_means_accepted() -> None:
    client = attached()
    send(client, "a")
    client.send(disposition(0, state=NULL))
    assert settled(client) == [(Descriptor.ACCEPTED, ["a"], [])]


def test_settled_without_a_state_means_what_the_client_said_at_first() -> None:
    outcome = described(Descriptor.MODIFIED, sequence([b"\x41"]))
    client = attached(source=encode_composite(Descriptor.SOURCE, [NULL] * 8 + [outcome]))
    send(client, "a")
    client.send(disposition(0, state=NULL))
    assert settled(client) == [(Descriptor.MODIFIED, ["a"], [])]


def test_a_client_that_settles_second_is_told() -> None:
    client = attached(modes=(ubyte(0), ubyte(1)))
    send(client, *"abcd")
    assert client.send(disposition(0, 3, settled=False)) == []
    ((state, contexts, unconfirmed),) = settled(client)
    assert (state, contexts, unconfirmed) == (Descriptor.ACCEPTED, ["a", "b", "c", "d"], [0, 1, 2, 3])
    client.send(disposition(2))
    client.link.confirm(unconfirmed, state)
    assert [frame.fields[:4] for frame in client.output()] == [[False, 0, 1, True], [False, 3, None, True]]
    assert client.link.unsettled == 0
    client.link.confirm(unconfirmed, state)
    assert client.output() == []


def test_bytes_of_a_confirmation() -> None:
    client = attached(modes=(ubyte(0), ubyte(1)))
    send(client, "a")
    client.link.confirm([0], Descriptor.ACCEPTED)
    expected = "00000016 02000000 005315 c00906 42 43 40 41 005324 45"
    assert client.server.data_to_send() == bytes.fromhex(expected.replace("c00906", "c00905"))


def test_a_presettled_link_keeps_nothing() -> None:
    client = attached(modes=(ubyte(1), NULL))
    (sent,) = send(client, "a")
    assert sent.fields[4] is True
    assert client.link.settles_itself
    assert client.link.unsettled == 0
    assert all(frame.fields[4] for frame in send(client, "big", message=BIG))


def test_dispositions_of_a_sender_are_ignored() -> None:
    client = attached()
    send(client, "a")
    client.send(disposition(0, receiver=False))
    assert client.link.unsettled == 1


def test_dispositions_without_a_link_are_ignored() -> None:
    client = attached()
    send(client, "a")
    client.send(detach())
    assert client.send(disposition(0, 5), disposition(0, 5)) == []
    assert settled(client) == []


def test_what_is_not_settled_in_time_is_settled_by_the_server() -> None:
    client = attached(capabilities=Capabilities(settle_timeout=10.0, max_unsettled=3, idle_time_out=60_000))
    send(client, "a", "b")
    client.tick(1.0)
    send(client, "c")
    client.tick(2.0)
    assert client.tick(10.9) == []
    (settlement,) = client.tick(11.0)
    assert settlement.name == "disposition"
    assert settlement.fields[:4] == [False, 0, 1, True]
    assert client.link.capacity() == 2
    assert client.tick(12.0)[0].fields[1] == 2
    client.send(disposition(0, 2))
    assert settled(client) == []


def test_output_is_given_once() -> None:
    client = attached()
    client.link.send(b"x", None)
    assert len(read_output(client.server.data_to_send())) == 1
    assert client.server.data_to_send() == b""


def test_nothing_follows_a_close() -> None:
    client = attached()
    send(client, "a", "b")
    link = client.link
    client.send(flow(9, drain=True))
    client.server.close(Condition.CONNECTION_FORCED, "bye", 0.0)
    link.confirm([0, 1], Descriptor.ACCEPTED)
    link.drained()
    assert link.capacity() == 0
    assert [frame.name for frame in client.output()] == ["close"]
