import pytest

from tests.amqp.wire import (
    D,
    Sent,
    attach,
    attached,
    begin,
    closing,
    detach,
    ending,
    flow,
    opening,
    signed_in,
)
from thingplane.amqp import (
    Capabilities,
    Condition,
    ConnectionClosed,
    CreditChanged,
    LinkAttached,
    LinkDetached,
)
from thingplane.amqp.codec.encode import (
    NULL,
    TRUE,
    composite,
    described,
    mapping,
    sequence,
    string,
    symbol,
    symbols,
    ubyte,
    uint,
    ulong,
)
from thingplane.amqp.codec.outbound import frame

ERROR = described(D.ERROR, sequence([symbol("amqp:internal-error"), string("went wrong")]))


def only(sent: list[Sent], name: str) -> Sent:
    (found,) = [frame for frame in sent if frame.name == name]
    return found


def test_opening_tells_the_limits() -> None:
    (answer,) = signed_in().send(opening())
    assert answer.fields == ["thingplane", None, 65_536, 255, 60_000]


def test_whatever_host_is_named_is_ignored() -> None:
    client = signed_in()
    assert only(client.send(opening("client.1.2", host="contoso.com")), "open").channel == 0
    assert client.server.container_id == "client.1.2"


def test_a_session_is_answered_on_its_channel() -> None:
    client = signed_in()
    client.send(opening())
    answer = only(client.send(begin(channel=7)), "begin")
    assert (answer.channel, answer.fields[0]) == (7, 7)


def test_everything_may_come_at_once() -> None:
    client = signed_in()
    sent = client.send(opening(), begin(), attach(), flow())
    assert [frame.name for frame in sent] == ["open", "begin", "attach"]
    assert client.link.capacity() == 100


def test_the_link_may_be_on_the_second_session() -> None:
    client = signed_in()
    sent = client.send(opening(), begin(0), begin(1), attach(channel=1), flow(5, channel=1))
    assert only(sent, "attach").channel == 1
    client.link.send(b"x", None)
    assert only(client.output(), "transfer").channel == 1


def attach_answer(**options: object) -> Sent:
    client = signed_in()
    return only(client.send(opening(), begin(), attach(**options)), "attach")  # type: ignore[arg-type]


def test_the_answer_repeats_name_modes_source_and_target() -> None:
    source = composite(D.SOURCE, [string("/queue-name"), uint(1), NULL, NULL, NULL, NULL, NULL, NULL, ERROR])
    answer = attach_answer(
        name="mine", modes=(ubyte(0), ubyte(1)), source=source, target=composite(D.TARGET, [string("t")])
    )
    assert answer.fields[:5] == ["mine", 0, False, 0, 1]
    assert answer.fields[5].value[0:2] == ["/queue-name", 1]
    assert answer.fields[6].value == ["t"]
    assert answer.fields[9] == 0  # initial-delivery-count


@pytest.mark.parametrize(
    "source", [NULL, composite(D.SOURCE, []), composite(D.SOURCE, [NULL, uint(0)])], ids=["null", "empty", "unnamed"]
)
def test_a_source_that_has_no_address_gets_one(source: bytes) -> None:
    assert attach_answer(source=source).fields[5].value[0] == "default"


def test_capabilities_of_the_source_are_repeated_and_filters_are_not() -> None:
    filters = mapping([symbol("f"), described(1, string("a > 1"))])
    fields = [
        string("default"),
        *[NULL] * 6,
        filters,
        described(D.MODIFIED, sequence([TRUE])),
        NULL,
        symbols(["queue"]),
    ]
    value = attach_answer(source=composite(D.SOURCE, fields)).fields[5].value
    assert value[7] is None
    assert value[10] == ["queue"]


def test_a_sender_link_is_refused() -> None:
    client = signed_in()
    sent = client.send(opening(), begin(), attach(3, receiver=False))
    answer, refusal = sent[-2:]
    assert (answer.name, answer.fields[2], answer.field(6)) == ("attach", True, None)
    assert (refusal.name, refusal.fields[:2], refusal.error) == ("detach", [1, True], Condition.NOT_ALLOWED)
    assert client.events == []
    assert client.send(detach(3)) == []


def test_a_second_receiver_link_is_refused_on_any_session() -> None:
    client = attached()
    for channel in (0, 1):
        sent = client.send(*([] if channel == 0 else [begin(1)]), attach(5, channel, name="second"))
        answer, refusal = sent[-2:]
        assert (answer.name, answer.field(5)) == ("attach", None)
        assert (refusal.name, refusal.error) == ("detach", Condition.NOT_ALLOWED)
    assert client.link.capacity() == 100


def test_a_refused_client_sees_no_source_and_the_reason() -> None:
    client = signed_in()
    client.send(opening(), begin(), attach(), flow(), decide=False)
    (event,) = client.take_events()
    assert isinstance(event, LinkAttached)
    event.link.refuse(Condition.RESOURCE_LIMIT_EXCEEDED, "full")
    answer, refusal = client.send()
    assert answer.field(5) is None
    assert refusal.error == Condition.RESOURCE_LIMIT_EXCEEDED
    assert client.send(detach(), attach())[0].name == "attach"


def test_a_detached_link_makes_room_for_another() -> None:
    client = attached()
    (answer,) = client.send(detach())
    assert (answer.name, answer.fields) == ("detach", [0, True])
    (event,) = client.take_events()
    assert isinstance(event, LinkDetached)
    assert client.send(attach(name="another"))[0].field(5) is not None


def test_the_end_of_a_session_takes_its_link_along() -> None:
    client = attached()
    assert [sent.name for sent in client.send(ending())] == ["end"]
    assert isinstance(client.events[0], LinkDetached)
    client.take_events()
    client.send(begin(), attach(), flow(1))
    assert client.link.capacity() == 1


def test_close_is_answered_and_the_end() -> None:
    client = attached()
    assert [sent.name for sent in client.send(closing())] == ["close"]
    assert client.is_closed()
    assert client.events == [ConnectionClosed("", by_peer=True)]
    assert client.send(opening()) == []


def test_the_reason_of_a_close_is_reported() -> None:
    client = attached()
    client.send(frame(0, composite(D.CLOSE, [ERROR])))
    assert client.events == [ConnectionClosed("amqp:internal-error: went wrong", by_peer=True)]


def test_a_client_may_close_instead_of_opening() -> None:
    client = signed_in()
    assert [sent.name for sent in client.send(closing())] == ["open", "close"]
    assert client.is_closed()


def test_performatives_may_be_named_by_symbols() -> None:
    client = signed_in()
    body = b"\x00" + symbol("amqp:open:list") + sequence([string("c")])
    assert [sent.name for sent in client.send(frame(0, body))] == ["open"]


def test_the_server_closes_with_a_reason_and_waits_for_the_answer() -> None:
    client = attached()
    client.server.close(Condition.CONNECTION_FORCED, "bye", 0.0)
    (close,) = client.output()
    assert (close.name, close.error) == ("close", Condition.CONNECTION_FORCED)
    assert not client.is_closed()
    assert client.send(flow(), closing()) == []
    assert client.is_closed()
    assert client.events == []


def test_a_client_that_does_not_answer_a_close_is_not_waited_for() -> None:
    client = attached()
    client.server.close(Condition.CONNECTION_FORCED, "bye", 0.0)
    client.tick(1.0)
    assert not client.is_closed()
    client.tick(2.0)
    assert client.is_closed()


END_FAULTS = [
    ("handle in use", [attach(0)], Condition.HANDLE_IN_USE),
    ("detach of an unknown handle", [detach(9)], Condition.UNATTACHED_HANDLE),
    ("flow of an unknown handle", [flow(handle=9)], Condition.UNATTACHED_HANDLE),
    ("transfer on an unknown handle", [frame(0, composite(D.TRANSFER, [uint(9)]) + b"x")], Condition.UNATTACHED_HANDLE),
    ("transfer on the receiver's link", [frame(0, composite(D.TRANSFER, [uint(0)]) + b"x")], Condition.NOT_ALLOWED),
]


@pytest.mark.parametrize(
    ("frames", "condition"), [case[1:] for case in END_FAULTS], ids=[case[0] for case in END_FAULTS]
)
def test_a_broken_session_is_ended(frames: list[bytes], condition: Condition) -> None:
    client = attached()
    (end,) = client.send(*frames)
    assert (end.name, end.error) == ("end", condition)
    assert isinstance(client.take_events()[0], LinkDetached)
    # What was on its way is ignored until the client has ended the session, too; then the channel is free.
    assert client.send(flow(), attach(4), ending()) == []
    assert client.send(begin(), attach(), flow(2))[-1].name == "attach"
    assert client.link.capacity() == 2


CLOSE_FAULTS: list[tuple[str, bytes, Condition]] = [
    ("frame shorter than its header", b"\x00\x00\x00\x07\x02\x00\x00\x00", Condition.FRAMING_ERROR),
    ("frame above max-frame-size", b"\x00\x01\x00\x01\x02\x00\x00\x00", Condition.FRAMING_ERROR),
    ("data offset within the header", b"\x00\x00\x00\x09\x01\x00\x00\x00\x40", Condition.FRAMING_ERROR),
    ("data offset beyond the frame", b"\x00\x00\x00\x09\x03\x00\x00\x00\x40", Condition.FRAMING_ERROR),
    ("SASL frame", frame(0, composite(D.SASL_INIT, []), 1), Condition.FRAMING_ERROR),
    ("body that is no value", frame(0, b"\x01"), Condition.DECODE_ERROR),
    ("body that is not described", frame(0, sequence([])), Condition.DECODE_ERROR),
    ("body that is no list", frame(0, described(D.FLOW, string("x"))), Condition.DECODE_ERROR),
    ("list without an end", frame(0, b"\x00\x53\x13\xc0\xff\x00"), Condition.DECODE_ERROR),
    ("unknown performative", frame(0, composite(0x77, [])), Condition.DECODE_ERROR),
    ("unknown symbolic descriptor", frame(0, b"\x00" + symbol("x:y") + sequence([])), Condition.DECODE_ERROR),
    (
        "more than a performative",
        frame(0, composite(D.FLOW, [NULL, uint(1), uint(1), uint(1)]) + b"\x40"),
        Condition.DECODE_ERROR,
    ),
    ("second open", opening(), Condition.ILLEGAL_STATE),
    ("session begun twice", begin(), Condition.ILLEGAL_STATE),
    ("frame without a session", flow(channel=9), Condition.ILLEGAL_STATE),
    ("end without a session", ending(9), Condition.ILLEGAL_STATE),
    ("channel above channel-max", begin(256), Condition.FRAMING_ERROR),
    ("answer to a session nobody began", begin(1, remote_channel=uint(0)), Condition.INVALID_FIELD),
    ("handle above handle-max", attach(256), Condition.FRAMING_ERROR),
    ("mandatory field missing", frame(0, composite(D.FLOW, [NULL, uint(1)])), Condition.DECODE_ERROR),
    ("number of the wrong type", frame(0, composite(D.FLOW, [string("1")] * 4)), Condition.DECODE_ERROR),
    (
        "number out of range",
        frame(0, composite(D.FLOW, [NULL, ulong(1 << 32), uint(1), uint(1)])),
        Condition.INVALID_FIELD,
    ),
    ("settle mode out of range", attach(7, modes=(ubyte(3), ubyte(0))), Condition.INVALID_FIELD),
    ("credit for no link", flow(handle=None), Condition.INVALID_FIELD),
    ("error that is none", frame(0, composite(D.CLOSE, [uint(1)])), Condition.DECODE_ERROR),
    ("name that is none", frame(0, composite(D.ATTACH, [uint(1), uint(7), TRUE])), Condition.DECODE_ERROR),
    ("flag that is none", frame(0, composite(D.ATTACH, [string("n"), uint(7), uint(1)])), Condition.DECODE_ERROR),
    (
        "state that is none",
        frame(0, composite(D.DISPOSITION, [TRUE, uint(0), NULL, TRUE, uint(1)])),
        Condition.DECODE_ERROR,
    ),
]


@pytest.mark.parametrize(
    ("data", "condition"), [case[1:] for case in CLOSE_FAULTS], ids=[case[0] for case in CLOSE_FAULTS]
)
def test_a_broken_connection_is_closed(data: bytes, condition: Condition) -> None:
    client = attached()
    (close,) = client.send(data)
    assert (close.name, close.error) == ("close", condition)
    (event,) = client.events
    assert isinstance(event, ConnectionClosed)
    assert not event.by_peer
    assert client.send(b"\xff" * 20) == []
    client.tick(2.0)
    assert client.is_closed()
    assert len(client.events) == 1


def test_a_source_that_is_none_closes_the_connection() -> None:
    client = signed_in()
    client.send(opening(), begin())
    assert client.send(attach(source=composite(D.TARGET, [])))[0].error == Condition.DECODE_ERROR


@pytest.mark.parametrize(
    ("first", "condition"),
    [
        (begin(), Condition.ILLEGAL_STATE),
        (frame(0, b"\x01"), Condition.DECODE_ERROR),
        (opening(max_frame_size=511), Condition.INVALID_FIELD),
        (frame(0, composite(D.OPEN, [])), Condition.DECODE_ERROR),
        (b"\x00\x00\x00\x01\x02\x00\x00\x00", Condition.FRAMING_ERROR),
    ],
)
def test_before_it_is_open_a_connection_is_opened_to_be_closed(first: bytes, condition: Condition) -> None:
    sent = signed_in().send(first)
    assert [frame.name for frame in sent] == ["open", "close"]
    assert sent[1].error == condition


def test_other_extended_headers_are_skipped() -> None:
    client = signed_in()
    body = composite(D.OPEN, [string("c")])
    data = (len(body) + 16).to_bytes(4, "big") + b"\x04\x00\x00\x00" + b"extended" + body
    assert [sent.name for sent in client.send(data)] == ["open"]


def test_transfers_on_a_refused_link_are_ignored() -> None:
    client = attached()
    client.send(attach(3, receiver=False))
    assert client.send(frame(0, composite(D.TRANSFER, [uint(3)]) + b"payload")) == []


def test_transactions_are_not_implemented() -> None:
    client = attached()
    client.link.send(b"x", "one")
    client.output()
    state = described(0x34, sequence([NULL]))
    (answer,) = client.send(frame(0, composite(D.DISPOSITION, [TRUE, uint(0), NULL, TRUE, state])))
    assert (answer.name, answer.error) == ("detach", Condition.NOT_IMPLEMENTED)
    assert isinstance(client.events[-1], LinkDetached)
    assert client.send(detach(), attach())[0].name == "attach"


def test_flow_on_a_session_alone_is_reported_for_its_link() -> None:
    client = attached()
    client.send(flow(None, handle=None, count=None))
    assert isinstance(client.events[0], CreditChanged)


def test_limits_are_the_owners() -> None:
    client = signed_in(Capabilities(channel_max=0, container_id="node-7"))
    assert client.send(opening())[0].fields[0] == "node-7"
    assert client.send(begin(1))[0].error == Condition.FRAMING_ERROR
