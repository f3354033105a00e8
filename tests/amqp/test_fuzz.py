from hypothesis import given, settings
from hypothesis import strategies as st

from tests.amqp.wire import (
    D,
    attach,
    begin,
    closing,
    detach,
    disposition,
    ending,
    flow,
    opening,
    read_output,
    sasl_init,
)
from thingplane.amqp import (
    Capabilities,
    ConnectionClosed,
    Event,
    LinkAttached,
    SaslCode,
    ServerConnection,
    Settled,
    SignIn,
)
from thingplane.amqp.codec.encode import NULL, composite, ubyte, uint
from thingplane.amqp.codec.outbound import frame
from thingplane.amqp.numbers import AMQP_HEADER, SASL_HEADER

small = st.integers(0, 3)
modes = st.sampled_from([(NULL, NULL), (ubyte(1), ubyte(1))])
FRAMES: list[st.SearchStrategy[bytes]] = [
    st.builds(begin, small, st.integers(0, 50)),
    st.builds(
        attach, small, small, receiver=st.booleans(), modes=st.sampled_from([(NULL, NULL), (ubyte(1), ubyte(1))])
    ),
    st.builds(
        flow,
        st.none() | st.integers(0, 50),
        channel=small,
        handle=st.none() | small,
        seen=st.none() | st.integers(0, 50),
        window=st.integers(0, 50),
        count=st.none() | st.integers(0, 50),
        drain=st.booleans(),
        echo=st.booleans(),
    ),
    st.builds(
        disposition, st.integers(0, 50), st.none() | st.integers(0, 60), settled=st.booleans(), wide=st.booleans()
    ),
    st.builds(detach, small, closed=st.booleans()),
    st.builds(ending, small),
    small.map(lambda handle: frame(0, composite(D.TRANSFER, [uint(handle)]) + b"x")),
    st.just(b"\x00\x00\x00\x08\x02\x00\x00\x00"),
    st.just(closing()),
    st.just(opening()),
]
START = SASL_HEADER + sasl_init() + AMQP_HEADER + opening(max_frame_size=512) + begin() + attach() + flow()
conversations = st.lists(st.one_of(FRAMES), max_size=25).map(lambda frames: START + b"".join(frames))
cuts = st.lists(st.integers(0, 5_000), max_size=12)


def _describe(event: Event) -> object:
    if isinstance(event, Settled):
        return "settled", event.state, event.contexts, event.unconfirmed
    if isinstance(event, SignIn | ConnectionClosed):
        return event
    return type(event).__name__, event.link.name


class _Server:
    """A server that answers everything at once; sends a message whenever it may."""

    def __init__(self) -> None:
        self.connection = ServerConnection(Capabilities(max_unsettled=30), 0.0)
        self.events: list[object] = []
        self.output = b""
        self.sent = 0

    def receive(self, data: bytes) -> None:
        events = self.connection.receive_data(data, 0.0)
        while events:
            self.events += [_describe(event) for event in events]
            for event in events:
                self._answer(event)
            events = self.connection.receive_data(b"", 0.0)
        self.output += self.connection.data_to_send()

    def _answer(self, event: Event) -> None:
        if isinstance(event, SignIn):
            self.connection.sign_in_outcome(SaslCode.OK)
        elif isinstance(event, LinkAttached):
            event.link.accept()
        elif isinstance(event, Settled) and event.unconfirmed:
            event.link.confirm(event.unconfirmed, event.state)

    def send(self) -> None:
        link = self.connection.link
        while link is not None and link.capacity() > 0:
            self.sent += 1
            link.send(bytes(700 if self.sent % 3 == 0 else 10), self.sent)
        if link is not None and link.attached:
            link.drained()
        self.output += self.connection.data_to_send()


def _cut(data: bytes, places: list[int]) -> list[bytes]:
    ends = sorted({place % (len(data) + 1) for place in places})
    return [data[start:end] for start, end in zip([0, *ends], [*ends, len(data)], strict=True)]


def _listen(pieces: list[bytes]) -> tuple[list[object], bytes]:
    server = _Server()
    for piece in pieces:
        server.receive(piece)
    return server.events, server.output


@given(conversations, cuts)
def test_any_cut_of_the_stream_gives_the_same_events_and_answers(data: bytes, places: list[int]) -> None:
    assert _listen(_cut(data, places)) == _listen([data])


@settings(max_examples=30)
@given(conversations)
def test_bytes_one_by_one_give_the_same_events_and_answers(data: bytes) -> None:
    assert _listen([data[index : index + 1] for index in range(len(data))]) == _listen([data])


@given(conversations, st.lists(st.tuples(st.integers(0, 5_000), st.integers(0, 255)), max_size=5), cuts)
def test_whatever_arrives_the_answers_are_well_formed_and_nothing_is_raised(
    data: bytes, changes: list[tuple[int, int]], places: list[int]
) -> None:
    damaged = bytearray(data)
    for place, value in changes:
        damaged[place % len(damaged)] = value
    server = _Server()
    for piece in _cut(bytes(damaged), places):
        server.receive(piece)
        server.send()
    closed = [event for event in server.events if isinstance(event, ConnectionClosed)]
    sent = read_output(server.output)
    assert len(closed) <= 1
    if closed and not closed[0].by_peer and "open" in {frame.name for frame in sent}:
        assert sent[-1].name == "close"
        assert sent[-1].error.startswith("amqp:")
    server.connection.tick(1_000.0)
    server.connection.tick(2_000.0)
    assert server.connection.closed


@given(st.binary(max_size=300), cuts)
def test_random_bytes_after_the_sign_in_are_answered_in_order(data: bytes, places: list[int]) -> None:
    start = SASL_HEADER + sasl_init() + AMQP_HEADER
    assert _listen([start, *_cut(data, places)]) == _listen([start, data])


@given(st.binary(max_size=100), cuts)
def test_random_bytes_of_strangers_raise_nothing(data: bytes, places: list[int]) -> None:
    assert _listen(_cut(data, places)) == _listen([data])
