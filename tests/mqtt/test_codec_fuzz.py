from hypothesis import given, settings
from hypothesis import strategies as st

from tests.mqtt import strategies
from tests.mqtt.packet_cases import CASES
from tests.mqtt.wire import read_packets
from thingplane.mqtt.capabilities import Capabilities
from thingplane.mqtt.codec.encode import encode
from thingplane.mqtt.connection import ServerConnection
from thingplane.mqtt.errors import ProtocolError
from thingplane.mqtt.packets import Connect, Disconnect, Event, Packet
from thingplane.mqtt.properties import Properties

CAPABILITIES = Capabilities(receive_maximum=65_535)


@st.composite
def packets(draw: st.DrawFn) -> tuple[int, Packet]:
    version = draw(strategies.versions)
    kinds = (strategies.client_packet, strategies.connect, strategies.disconnect)
    return version, draw(st.one_of(*(kind(version) for kind in kinds)))


@st.composite
def conversations(draw: st.DrawFn) -> tuple[int, list[Packet]]:
    """CONNECT and what a client may send afterwards."""
    version = draw(strategies.versions)
    connect = draw(strategies.connect(version))
    rest: list[Packet] = draw(st.lists(strategies.client_packet(version), max_size=8))
    if draw(st.booleans()):
        rest.append(draw(strategies.disconnect(version)))
    return version, [connect, *rest]


def _listen(pieces: list[bytes]) -> tuple[list[Event], str]:
    """Feed a connection that accepts everybody; returns its events and the reason it gave up, if it did."""
    connection = ServerConnection(CAPABILITIES)
    events: list[Event] = []
    try:
        for piece in pieces:
            fresh = connection.receive_data(piece)
            events += fresh
            if fresh and isinstance(fresh[-1], Connect):
                connection.connack(0)
                events += connection.receive_data(b"")
    except ProtocolError as error:
        return events + error.events, error.reason.name
    return events, ""


def _cut(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({cut % (len(data) + 1) for cut in cuts})
    return [data[start:end] for start, end in zip([0, *places], [*places, len(data)], strict=True)]


@settings(deadline=None)
@given(packets())
def test_what_is_encoded_decodes_to_the_same(case: tuple[int, Packet]) -> None:
    version, packet = case
    assert read_packets(encode(packet, version), version) == ([packet], b"")


@settings(deadline=None)
@given(conversations(), st.lists(st.integers(0, 10_000), max_size=30))
def test_any_cut_of_the_stream_gives_the_same_events(case: tuple[int, list[Packet]], cuts: list[int]) -> None:
    version, conversation = case
    data = b"".join(encode(packet, version) for packet in conversation)
    assert _listen(_cut(data, cuts)) == (conversation, "")


@settings(deadline=None)
@given(conversations())
def test_bytes_one_by_one_give_the_same_events(case: tuple[int, list[Packet]]) -> None:
    version, conversation = case
    data = b"".join(encode(packet, version) for packet in conversation)
    assert _listen([data[index : index + 1] for index in range(len(data))]) == (conversation, "")


@settings(deadline=None)
@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=5))
def test_random_bytes_raise_nothing_but_protocol_errors(data: bytes, cuts: list[int]) -> None:
    assert _listen([data])[0] == _listen(_cut(data, cuts))[0]


@settings(deadline=None)
@given(
    st.sampled_from(CASES),
    strategies.versions,
    st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=4),
    st.lists(st.integers(0, 10_000), max_size=5),
)
def test_damaged_packets_raise_nothing_but_protocol_errors(
    case: object, version: int, changes: list[tuple[int, int]], cuts: list[int]
) -> None:
    body = bytearray(case.data)  # type: ignore[attr-defined]
    for place, value in changes:
        body[place % len(body)] = value
    start = b"" if body[0] >> 4 == 1 else encode(Connect("a", version), version)
    data = start + bytes(body)
    whole = _listen([data])
    assert _listen(_cut(data, cuts)) == whole


@settings(deadline=None)
@given(conversations(), st.integers(0, 10_000))
def test_a_damaged_packet_does_not_swallow_what_came_before(case: tuple[int, list[Packet]], place: int) -> None:
    version, conversation = case
    if isinstance(conversation[-1], Disconnect):
        conversation.pop()
    whole = [encode(packet, version) for packet in conversation]
    events, reason = _listen([b"".join(whole) + b"\x00\x00"])
    assert events == conversation
    assert reason == "MALFORMED_PACKET"
    assert _listen(_cut(b"".join(whole) + b"\x00\x00", [place])) == (events, reason)


def test_empty_properties_are_no_properties() -> None:
    assert read_packets(encode(Disconnect(0, Properties()), 5), 5) == ([Disconnect()], b"")
