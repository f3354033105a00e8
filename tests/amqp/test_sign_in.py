import pytest

from tests.amqp.wire import Client, opening, read_output, sasl_init
from thingplane.amqp import Capabilities, ConnectionClosed, SaslCode, SignIn
from thingplane.amqp.codec.encode import binary, composite
from thingplane.amqp.codec.outbound import frame
from thingplane.amqp.numbers import AMQP_HEADER, SASL_FRAME, SASL_HEADER, Descriptor


def names(client: Client, *frames: bytes, decide: bool = True) -> list[str]:
    return [sent.name for sent in client.send(*frames, decide=decide)]


def test_plain_is_the_one_mechanism_that_is_offered() -> None:
    header, mechanisms = Client().send(SASL_HEADER)
    assert header.payload == SASL_HEADER
    assert mechanisms.fields == [["PLAIN"]]


def test_bytes_of_the_offer() -> None:
    client = Client()
    client.server.receive_data(SASL_HEADER, 0.0)
    assert (
        client.server.data_to_send()
        == SASL_HEADER + bytes.fromhex("0000001e 02010000 005340 c01101 f0 0000000b 00000001 a305") + b"PLAIN"
    )


@pytest.mark.parametrize("authorization_id", ["", "user"])
def test_user_and_password_are_reported(authorization_id: str) -> None:
    client = Client()
    client.send(SASL_HEADER, sasl_init(f"{authorization_id}\0user|a=b|\0päss".encode()), decide=False)
    assert client.events == [SignIn(authorization_id, "user|a=b|", "päss")]
    assert "päss" not in repr(client.events)


def test_nothing_is_decoded_until_the_sign_in_is_answered() -> None:
    client = Client()
    assert names(client, SASL_HEADER, sasl_init(), AMQP_HEADER, opening(), decide=False) == ["sasl", "sasl_mechanisms"]
    client.server.sign_in_outcome(SaslCode.OK)
    assert names(client) == ["sasl_outcome", "amqp", "open"]


@pytest.mark.parametrize("code", [SaslCode.AUTH, SaslCode.SYS_TEMP])
def test_a_refused_client_learns_why_and_is_gone(code: SaslCode) -> None:
    client = Client()
    client.send(SASL_HEADER, sasl_init(), decide=False)
    client.server.sign_in_outcome(code)
    (outcome,) = client.output()
    assert (outcome.name, outcome.fields) == ("sasl_outcome", [code])
    assert client.is_closed()
    assert client.send(AMQP_HEADER, opening()) == []


def test_a_client_without_an_initial_response_is_challenged() -> None:
    client = Client()
    client.send(SASL_HEADER)
    (challenge,) = client.send(sasl_init(None), decide=False)
    assert (challenge.name, challenge.fields) == ("sasl_challenge", [b""])
    response = frame(0, composite(Descriptor.SASL_RESPONSE, [binary(b"\0user\0password")]), SASL_FRAME)
    client.send(response, decide=False)
    assert client.events == [SignIn("", "user", "password")]


@pytest.mark.parametrize(
    "header",
    [
        AMQP_HEADER,
        b"AMQP\x02\x01\x00\x00",
        b"AMQP\x00\x00\x09\x01",
        b"AMQP\x01\x01\x00\x0a",
        b"AMQP\x03\x01\x00\x01",
        b"GET / HT",
    ],
)
def test_another_protocol_is_answered_with_the_header_of_this_one(header: bytes) -> None:
    client = Client()
    assert [sent.payload for sent in client.send(header)] == [SASL_HEADER]
    assert client.is_closed()


def test_after_the_sign_in_only_amqp_1_0_follows() -> None:
    client = Client()
    client.send(SASL_HEADER, sasl_init())
    assert [sent.payload for sent in client.send(SASL_HEADER)] == [AMQP_HEADER]
    assert client.is_closed()


@pytest.mark.parametrize(
    ("init", "code"),
    [
        (sasl_init(mechanism="ANONYMOUS"), SaslCode.AUTH),
        (sasl_init(b"no zero"), SaslCode.AUTH),
        (sasl_init(b"\0one zero too many\0\0"), SaslCode.AUTH),
        (sasl_init(b"\0user\0\xff"), SaslCode.AUTH),
        (frame(0, composite(Descriptor.SASL_RESPONSE, [binary(b"")]), SASL_FRAME), SaslCode.SYS_PERM),
        (frame(0, composite(Descriptor.SASL_INIT, []), SASL_FRAME), SaslCode.SYS_PERM),
        (frame(0, b"\x00\x53\x41\xc0", SASL_FRAME), SaslCode.SYS_PERM),
        (sasl_init() + b"", SaslCode.OK),
        (opening(), SaslCode.SYS_PERM),
        (b"\x00\x00\x00\x04\x02\x01\x00\x00", SaslCode.SYS_PERM),
        (b"\x7f\xff\xff\xff\x02\x01\x00\x00", SaslCode.SYS_PERM),
        (b"\x00\x00\x00\x09\x01\x01\x00\x00\x00", SaslCode.SYS_PERM),
    ],
)
def test_a_wrong_sign_in_has_an_outcome(init: bytes, code: SaslCode) -> None:
    client = Client()
    client.send(SASL_HEADER)
    assert client.send(init)[-1].fields == [code]
    assert client.is_closed() == (code is not SaslCode.OK)
    assert isinstance(client.events[-1], SignIn if code is SaslCode.OK else ConnectionClosed)


def test_a_long_user_name_fits() -> None:
    client = Client()
    user = "x" * 4000
    client.send(SASL_HEADER, sasl_init(f"\0{user}\0p".encode()))
    assert client.events == [SignIn("", user, "p")]


def test_a_client_that_does_not_wait_may_not_send_without_end() -> None:
    client = Client(Capabilities(max_frame_size=1000))
    client.send(SASL_HEADER, sasl_init(), decide=False)
    client.server.data_to_send()
    client.server.receive_data(bytes(600), 0.0)
    client.server.receive_data(bytes(600), 0.0)
    assert read_output(client.server.data_to_send())[-1].fields == [SaslCode.SYS_PERM]
    assert client.is_closed()


def test_a_client_that_does_not_sign_in_is_closed_after_15_seconds() -> None:
    client = Client()
    assert client.tick(14.9) == []
    assert not client.is_closed()
    client.tick(15.0)
    assert client.is_closed()
    assert client.events == [ConnectionClosed("not signed in in time", by_peer=False)]


def test_a_slow_answer_is_no_longer_waited_for() -> None:
    client = Client()
    client.send(SASL_HEADER, sasl_init(), decide=False)
    assert [sent.fields for sent in client.tick(15.0)] == [[SaslCode.AUTH]]
    client.server.sign_in_outcome(SaslCode.OK)
    assert client.output() == []
    assert client.is_closed()
