from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thingplane.stomp import (
    Acknowledged,
    Capabilities,
    ConnectionClosed,
    Event,
    ServerConnection,
    SignIn,
    Subscribed,
    Unsubscribed,
)
from thingplane.stomp.frames import FrameReader

LOGIN = "login:user|a=b|\npasscode:p:w==\n"
SUBSCRIBE = b"SUBSCRIBE\nid:1\ndestination:/topic/#\nack:auto\n\n\0"
VERSIONS = ["1.0", "1.1", "1.2"]


class Sent(NamedTuple):
    command: str
    headers: dict[str, str]
    body: bytes


def read_output(data: bytes, version: str) -> list[Sent]:
    """Split what a server sent; only MESSAGE, ERROR and RECEIPT are escaped."""
    reader = FrameReader(100_000, 1_000_000)
    reader.version = version
    if data.startswith(b"CONNECTED"):
        reader.version = "1.0"
    reader.receive(data)
    found = []
    while frame := reader.next_frame():
        found.append(Sent(*frame))
        reader.version = version
    assert reader.waiting == 0
    return found


class Client:
    """A client and the server connection it talks to, without a network; everybody may sign in."""

    def __init__(self, capabilities: Capabilities | None = None) -> None:
        self.server = ServerConnection(capabilities or Capabilities(), 0.0)
        self.events: list[Event] = []
        self.now = 0.0

    def send(self, data: bytes, *, decide: bool = True) -> list[Sent]:
        events = self.server.receive_data(data, self.now)
        while events:
            self.events += events
            if decide and any(isinstance(event, SignIn) for event in events):
                self.server.accept(self.now)
            events = self.server.receive_data(b"", self.now)
        return self.output()

    def output(self) -> list[Sent]:
        return read_output(self.server.data_to_send(), self.server.version)

    def take_events(self) -> list[Event]:
        events, self.events = self.events, []
        return events

    def is_closed(self) -> bool:
        return self.server.closed


def connect(version: str = "1.2", beat: str = "0,300") -> bytes:
    offered = "" if version == "1.0" else f"accept-version:{version}\nhost:h\nheart-beat:{beat}\n"
    return f"CONNECT\n{offered}{LOGIN}\n\0".encode()


def subscribed(version: str = "1.2", mode: str = "auto", capabilities: Capabilities | None = None) -> Client:
    client = Client(capabilities)
    client.send(connect(version) + SUBSCRIBE.replace(b"auto", mode.encode()))
    client.take_events()
    return client


def deliver(client: Client, *contexts: str) -> list[Sent]:
    for context in contexts:
        client.server.send(f"m-{context}", [("destination", "/a:b")], context.encode(), context)
    return client.output()


# Connecting


@pytest.mark.parametrize("command", ["CONNECT", "STOMP"])
@pytest.mark.parametrize(
    ("offered", "version"), [("1.0,1.1,1.2", "1.2"), ("1.1", "1.1"), ("1.0, 1.1", "1.1"), ("2.0,1.0", "1.0")]
)
def test_the_newest_common_version_is_spoken(command: str, offered: str, version: str) -> None:
    client = Client()
    (connected,) = client.send(f"{command}\naccept-version:{offered}\nhost:x\n{LOGIN}\n\0".encode())
    assert connected.command == "CONNECTED"
    assert connected.headers["version"] == version
    assert client.events == [SignIn("user|a=b|", "p:w==")]


def test_without_a_version_it_is_the_first() -> None:
    (connected,) = Client().send(connect("1.0"))
    assert connected.headers == {"version": "1.0", "server": "thingplane"}


@pytest.mark.parametrize(
    ("offered", "answered"),
    [("0,300", "15000,0"), ("0,10000", "15000,0"), ("0,0", "15000,0"), ("5000,0", "15000,15000")],
)
def test_heart_beats_are_negotiated(offered: str, answered: str) -> None:
    (connected,) = Client().send(connect(beat=offered))
    assert connected.headers["heart-beat"] == answered


def test_nothing_is_decoded_until_the_sign_in_is_answered() -> None:
    client = Client()
    assert client.send(connect() + SUBSCRIBE, decide=False) == []
    client.server.accept(0.0)
    client.send(b"")
    assert isinstance(client.events[-1], Subscribed)


def test_a_refused_client_gets_an_error() -> None:
    client = Client()
    client.send(connect(), decide=False)
    client.server.refuse("no: you don't")
    (error,) = client.output()
    assert (error.command, error.headers["message"]) == ("ERROR", "no: you don't")
    assert client.is_closed()
    client.server.accept(0.0)
    assert client.send(SUBSCRIBE) == []


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (SUBSCRIBE, "the first frame is no CONNECT"),
        (b"CONNECT\naccept-version:2.0\n\n\0", "supported versions are 1.0, 1.1, 1.2"),
        (b"CONNECT\nheart-beat:1\n\n\0", "heart-beat must be two numbers"),
        (b"CONNECT\nheart-beat:a,b\n\n\0", "heart-beat must be two numbers"),
        (b"CONNECT\nheart-beat:-1,0\n\n\0", "heart-beat must be two numbers"),
        (b"CONNECT\nno colon\n\n\0", "a header has no value"),
        (b"CONNECT\na:\xff\n\n\0", "headers are not well-formed UTF-8"),
        (b"CONNECT\ncontent-length:x\n\n\0", "content-length is no number"),
        (b"CONNECT\ncontent-length:99999999\n\n", "the body of a frame is too long"),
        (b"CONNECT\ncontent-length:1\n\nab\0", "a body is longer than its content-length"),
        (b"CONNECT\n\n" + b"x" * 70_000, "the body of a frame is too long"),
        (b"CONNECT\na:" + b"x" * 20_000, "the headers of a frame are too long"),
        (b"CONNECT\na:" + b"x" * 20_000 + b"\n\n\0", "the headers of a frame are too long"),
        (b"\x16\x03\x01" * 6000, "the headers of a frame are too long"),
    ],
)
def test_a_stranger_gets_an_error(data: bytes, message: str) -> None:
    client = Client()
    (error,) = client.send(data)
    assert (error.command, error.body.decode()) == ("ERROR", message)
    assert client.events == [ConnectionClosed(message, by_peer=False)]
    assert client.is_closed()


# Subscribing


@pytest.mark.parametrize("version", VERSIONS)
def test_any_destination_may_be_subscribed(version: str) -> None:
    client = Client()
    client.send(connect(version) + SUBSCRIBE)
    assert client.events[-1] == Subscribed("/topic/#", "")
    (message,) = deliver(client, "a")
    assert message.headers["subscription"] == "1"
    assert message.headers["message-id"] == "m-a"
    assert message.headers["content-length"] == "1"
    assert message.headers["destination"] == "/a:b"
    assert message.body == b"a"


def test_the_first_version_needs_no_id() -> None:
    client = Client()
    client.send(connect("1.0") + b"SUBSCRIBE\ndestination:/topic/#\n\n\0")
    assert "subscription" not in deliver(client, "a")[0].headers
    client.send(b"UNSUBSCRIBE\ndestination:/topic/#\n\n\0")
    assert isinstance(client.events[-1], Unsubscribed)


def test_bodies_may_be_any_bytes() -> None:
    client = subscribed()
    client.server.send("m", [], bytes(range(256)), None)
    assert client.output()[0].body == bytes(range(256))


@pytest.mark.parametrize(
    ("version", "raw"), [("1.0", b"a\\b:c d e"), ("1.1", b"a\\\\b\\cc\\nd e"), ("1.2", b"a\\\\b\\cc\\nd\\re")]
)
def test_values_are_escaped_as_the_version_demands(version: str, raw: bytes) -> None:
    client = subscribed(version)
    client.server.send("m", [("topic", "a\\b:c\nd\re")], b"", None)
    assert b"\ntopic:" + raw + b"\n" in client.server.data_to_send()


def test_receipts_are_given_where_they_are_asked_for() -> None:
    client = subscribed(mode="client-individual")
    deliver(client, "a")
    assert client.send(b"ACK\nid:9\nreceipt:late\n\n\0")[0].headers == {"receipt-id": "late"}
    assert client.send(b"ACK\nid:1\nreceipt:later\n\n\0") == []
    assert client.take_events() == [Acknowledged(["a"], accepted=True, receipt="later")]
    client.server.send_receipt("later")
    assert client.output()[0].headers == {"receipt-id": "later"}
    assert client.send(b"UNSUBSCRIBE\nid:1\nreceipt:77\n\n\0")[0].headers == {"receipt-id": "77"}
    client.send(SUBSCRIBE.replace(b"ack", b"receipt:s\nack"))
    assert client.take_events()[-1] == Subscribed("/topic/#", "s")
    assert client.send(b"DISCONNECT\nreceipt:bye\n\n\0")[0].headers == {"receipt-id": "bye"}
    assert client.is_closed()
    assert client.events == [ConnectionClosed("", by_peer=True)]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (SUBSCRIBE, "one subscription is allowed on a connection"),
        (connect(), "CONNECT is not supported: messages go from the server to clients only"),
        (b"SEND\ndestination:/x\n\nbody\0", "SEND is not supported: messages go from the server to clients only"),
        (b"BEGIN\ntransaction:1\n\n\0", "BEGIN is not supported: messages go from the server to clients only"),
        (b"ACK\nid:1\ntransaction:1\n\n\0", "transactions are not supported"),
        (b"ACK\nmessage-id:1\n\n\0", "ACK needs id"),
        (b"NACK\n\n\0", "NACK needs id"),
        (b"UNSUBSCRIBE\nid:2\n\n\0", "there is no such subscription"),
        (b"UNSUBSCRIBE\n\n\0", "there is no such subscription"),
        (b"ACK\nid:\\x\n\n\0", "a header has an undefined escape"),
        (b"ACK\nid:a\\\n\n\0", "a header has an undefined escape"),
    ],
)
def test_a_client_that_breaks_the_rules_gets_an_error(data: bytes, message: str) -> None:
    client = subscribed()
    (error,) = client.send(data)
    assert (error.command, error.headers["message"]) == ("ERROR", message)
    assert client.is_closed()


@pytest.mark.parametrize("version", VERSIONS)
def test_an_error_names_the_receipt_that_its_frame_asked_for(version: str) -> None:
    client = subscribed(version)
    (error,) = client.send(b"SEND\ndestination:/x\nreceipt:r-7\n\nbody\0")
    assert (error.command, error.headers["receipt-id"]) == ("ERROR", "r-7")


def test_only_the_first_version_ignores_spaces_around_values() -> None:
    client = Client()
    client.send(b"CONNECT\nlogin: user\npasscode: secret \n\n\0" + b"SUBSCRIBE\ndestination : /x\nid: 1\n\n\0")
    assert client.events == [SignIn("user", "secret"), Subscribed("/x", "")]
    client = Client()
    client.send(b"CONNECT\naccept-version:1.2\nlogin: user\npasscode:secret \n\n\0")
    client.send(b"SUBSCRIBE\ndestination: /x\nid:1\n\n\0")
    assert client.events == [SignIn(" user", "secret "), Subscribed(" /x", "")]


@pytest.mark.parametrize(
    ("version", "frame", "message"),
    [
        ("1.0", b"NACK\nmessage-id:m-a\n\n\0", "NACK is not supported"),
        ("1.2", b"SUBSCRIBE\ndestination:/x\n\n\0", "SUBSCRIBE needs a destination and an id"),
        ("1.2", b"SUBSCRIBE\nid:1\n\n\0", "SUBSCRIBE needs a destination and an id"),
        ("1.2", b"SUBSCRIBE\nid:1\ndestination:/x\nack:never\n\n\0", "ack must be auto, client or client-individual"),
    ],
)
def test_a_version_has_rules_of_its_own(version: str, frame: bytes, message: str) -> None:
    client = Client()
    client.send(connect(version))
    assert client.send(frame)[0].headers["message"].startswith(message)


# Acknowledging


def acknowledgement(version: str, command: str, sent: Sent) -> bytes:
    if version == "1.2":
        return f"{command}\nid:{sent.headers['ack']}\n\n\0".encode()
    return f"{command}\nsubscription:1\nmessage-id:{sent.headers['message-id']}\n\n\0".encode()


@pytest.mark.parametrize("version", VERSIONS)
def test_one_message_is_acknowledged(version: str) -> None:
    client = subscribed(version, "client-individual")
    sent = deliver(client, *"abc")
    client.send(acknowledgement(version, "ACK", sent[1]) * 2)
    assert client.take_events() == [Acknowledged(["b"], accepted=True, receipt="")]


@pytest.mark.parametrize("version", VERSIONS)
def test_all_up_to_a_message_are_acknowledged(version: str) -> None:
    client = subscribed(version, "client")
    sent = deliver(client, *"abc")
    client.send(acknowledgement(version, "ACK", sent[1]))
    assert client.take_events() == [Acknowledged(["a", "b"], accepted=True, receipt="")]


@pytest.mark.parametrize("version", ["1.1", "1.2"])
def test_messages_are_refused(version: str) -> None:
    client = subscribed(version, "client-individual")
    sent = deliver(client, *"abc")
    client.send(acknowledgement(version, "NACK", sent[2]))
    assert client.take_events() == [Acknowledged(["c"], accepted=False, receipt="")]


def test_a_message_that_came_again_is_acknowledged_by_its_newest_delivery() -> None:
    client = subscribed("1.1", "client-individual")
    for context in ("first", "second"):
        client.server.send("same", [], b"", context)
    client.send(b"ACK\nsubscription:1\nmessage-id:same\n\n\0" * 2)
    assert client.take_events() == [Acknowledged(["second"], accepted=True, receipt="")]


def test_messages_settle_themselves_when_sent() -> None:
    client = subscribed()
    (message,) = deliver(client, "a")
    assert client.server.settles_itself
    assert "ack" not in message.headers
    assert client.server.capacity() == 1000


def test_what_is_not_acknowledged_limits() -> None:
    client = subscribed(mode="client", capabilities=Capabilities(max_unsettled=2, settle_timeout=50.0))
    deliver(client, "a", "b")
    assert client.server.capacity() == 0
    client.send(b"ACK\nid:1\n\n\0")
    assert client.server.capacity() == 1
    client.server.tick(1.0)
    client.server.tick(50.9)
    assert client.server.capacity() == 1
    client.server.tick(51.0)
    assert client.server.capacity() == 2


def test_without_a_subscription_nothing_may_be_sent() -> None:
    client = Client()
    client.send(connect())
    assert client.server.capacity() == 0
    client.send(SUBSCRIBE + b"UNSUBSCRIBE\nid:1\n\n\0")
    assert client.server.capacity() == 0


# Time


def test_an_end_of_line_is_sent_within_15_seconds_of_silence() -> None:
    client = subscribed()
    beats = []
    for second in range(1, 61):
        client.server.tick(float(second))
        if client.server.data_to_send() == b"\n":
            beats.append(second)
    assert max(later - before for before, later in zip([0, *beats], beats, strict=False)) <= 15


@pytest.mark.parametrize("beat", ["0,0", "9000,0"])
def test_clients_that_want_no_signs_of_life_get_none(beat: str) -> None:
    client = Client()
    client.send(connect(beat=beat) + SUBSCRIBE)
    for second in range(1, 30):
        client.server.tick(float(second))
    assert client.server.data_to_send() == b""


def test_a_client_that_promised_signs_of_life_has_to_give_them() -> None:
    client = Client()
    client.send(connect(beat="5000,0") + SUBSCRIBE)
    client.now = 20.0
    client.send(b"\n")
    assert client.server.tick(50.9) == []
    assert client.server.tick(51.0) == [ConnectionClosed("no heart-beat in time", by_peer=False)]


def test_a_client_that_promised_none_may_be_silent() -> None:
    client = subscribed()
    assert client.server.tick(10_000.0) == []


def test_time_to_sign_in_and_to_subscribe_is_limited() -> None:
    client = Client()
    assert client.server.tick(14.9) == []
    assert client.server.tick(15.0) == [ConnectionClosed("not signed in in time", by_peer=False)]
    client = Client()
    client.now = 10.0
    client.send(connect())
    assert client.server.tick(24.9) == []
    assert client.server.tick(25.0) == [ConnectionClosed("not subscribed in time", by_peer=False)]


# Robustness


def test_a_client_that_does_not_wait_may_not_send_without_end() -> None:
    client = Client()
    client.send(connect(), decide=False)
    assert client.send(bytes(70_000))[0].command == "ERROR"


def test_lines_may_end_with_a_carriage_return() -> None:
    client = Client()
    client.send(b"\r\n\nSTOMP\r\naccept-version:1.2\r\nlogin:u\r\npasscode:p\r\n\r\n\0\r\n")
    assert client.events == [SignIn("u", "p")]


def test_of_repeated_headers_the_first_counts() -> None:
    client = Client()
    client.send(b"CONNECT\nlogin:one\nlogin:two\n\n\0")
    assert client.events == [SignIn("one", "")]


STREAM = (
    connect("1.2", "5000,300")
    + b"\n\n"
    + SUBSCRIBE.replace(b"auto", b"client")
    + b"ACK\nid:1\nreceipt:7\n\n\0"
    + b"NACK\nid:3\ncontent-length:3\n\na\1b\0\r\n"
    + b"UNSUBSCRIBE\nid:1\n\n\0"
    + SUBSCRIBE
    + b"DISCONNECT\nreceipt:8\n\n\0"
)


def listen(pieces: list[bytes]) -> tuple[list[Event], bytes]:
    server = ServerConnection(Capabilities(), 0.0)
    found: list[Event] = []
    output = b""
    for piece in pieces:
        events = server.receive_data(piece, 0.0)
        while events:
            found += events
            for event in events:
                if isinstance(event, SignIn):
                    server.accept(0.0)
                elif isinstance(event, Subscribed):
                    for number in range(3):
                        server.send(str(number), [], b"x", number)
            events = server.receive_data(b"", 0.0)
        output += server.data_to_send()
    return found, output


def cut(data: bytes, places: list[int]) -> list[bytes]:
    ends = sorted({place % (len(data) + 1) for place in places})
    return [data[start:end] for start, end in zip([0, *ends], [*ends, len(data)], strict=True)]


def test_bytes_one_by_one_give_the_same_events() -> None:
    # Acknowledgements left out: what they mean depends on what was sent before.
    stream = b"".join(frame + b"\0" for frame in STREAM.split(b"\0")[:-1] if b"ACK\nid" not in frame)
    assert listen([stream[index : index + 1] for index in range(len(stream))])[0] == listen([stream])[0]


damages = st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 255)), max_size=5)


@given(damages, st.lists(st.integers(0, 1000), max_size=9))
def test_whatever_arrives_nothing_is_raised(changes: list[tuple[int, int]], places: list[int]) -> None:
    damaged = bytearray(STREAM)
    for place, value in changes:
        damaged[place % len(damaged)] = value
    events, output = listen(cut(bytes(damaged), places))
    closed = [event for event in events if isinstance(event, ConnectionClosed)]
    assert len(closed) <= 1
    if closed and not closed[0].by_peer:
        assert b"ERROR\n" in output


@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=5))
def test_random_bytes_raise_nothing(data: bytes, places: list[int]) -> None:
    assert listen(cut(data, places)) == listen([data])
