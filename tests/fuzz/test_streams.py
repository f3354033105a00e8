"""Bytes of clients over sockets: WebSocket, TLS, AMQP and STOMP, from the corpus and changed."""

import ssl
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, Final, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.amqp.test_fuzz import _Server as AmqpServer
from tests.amqp.wire import read_output
from tests.fuzz.mutation import changed, lines
from tests.stomp.test_connection import listen as listen_stomp
from thingplane.amqp import ConnectionClosed
from thingplane.gateway.hub import Hub
from thingplane.gateway.tls import TlsStream
from thingplane.gateway.websocket import WebSocketServer
from thingplane.tls import ensure_certificates, server_context

AMQP: Final = [bytes.fromhex(line) for line in lines("amqp.txt")]
STOMP: Final = [bytes.fromhex(line) for line in lines("stomp.txt")]
WEBSOCKET: Final = [bytes.fromhex(line) for line in lines("websocket.txt")]
CUTS: Final = st.lists(st.integers(1, 60), max_size=6)


def pieces(data: bytes, sizes: Sequence[int]) -> list[bytes]:
    found, start = [], 0
    for size in sizes:
        found.append(data[start : start + size])
        start += size
    return [*found, data[start:]]


# WebSocket


def serve_websocket(parts: Sequence[bytes]) -> tuple[bytes, bytes, bool]:
    server = WebSocketServer()
    payload = b"".join(server.receive_data(part) for part in parts)
    assert len(server._buffer) <= 8192 + max(map(len, parts), default=0)
    return payload, server.data_to_send(), server.closing


@settings(max_examples=300)
@given(changed(WEBSOCKET), CUTS)
def test_websocket(data: bytes, sizes: list[int]) -> None:
    """However it is cut, the same payload comes out, never more than went in, and an answer no longer than that."""
    payload, answer, closing = serve_websocket(pieces(data, sizes))
    assert (payload, answer, closing) == serve_websocket([data])
    assert len(payload) <= len(data)
    assert len(answer) <= len(data) + 400


def test_websocket_byte_by_byte() -> None:
    for data in WEBSOCKET:
        assert serve_websocket([data[place : place + 1] for place in range(len(data))]) == serve_websocket([data])


# TLS


class NoHub:
    """What a TLS stream asks of its hub."""

    psk = None

    def __init__(self) -> None:
        self.counters = SimpleNamespace(rejected={"tls": 0, "protocol": 0})

    def enter(self, _newcomer: object) -> None:
        """Do nothing."""

    def entered(self, _newcomer: object) -> None:
        """Do nothing."""


class NoTransport:
    """Forgets what it is given."""

    def __init__(self) -> None:
        self.is_closed = False
        self.written = 0

    def write(self, data: bytes) -> None:
        self.written += len(data)

    def close(self) -> None:
        self.is_closed = True


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    files = ensure_certificates(tmp_path_factory.mktemp("tls"), ["localhost"])
    return server_context(files.certificate, files.key)


def client_hellos() -> list[bytes]:
    hellos = []
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        client = ssl.create_default_context()
        client.maximum_version = version
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        shaking = client.wrap_bio(incoming, outgoing, server_hostname="localhost")
        with pytest.raises(ssl.SSLWantReadError):
            shaking.do_handshake()
        hellos.append(outgoing.read())
    return hellos


HELLOS: Final = client_hellos()


@settings(max_examples=150)
@given(st.data(), CUTS)
def test_tls(context: ssl.SSLContext, data: st.DataObject, sizes: list[int]) -> None:
    """Whatever begins like TLS ends in an alert or waits for more; nothing of it is passed on."""
    hello = data.draw(changed(HELLOS))
    passed: list[object] = []
    stream = TlsStream(cast("Hub", NoHub()), context, "192.0.2.1", lambda *given: passed.append(given))
    transport = NoTransport()
    stream.attach(cast("Any", transport))
    for piece in pieces(hello, sizes):
        stream.data_received(piece)
    stream.connection_lost(None)
    assert passed == []
    assert transport.written < 8192


# Consumers


@settings(max_examples=250)
@given(changed(AMQP), CUTS)
def test_amqp(data: bytes, sizes: list[int]) -> None:
    """Answers are well-formed, and a connection is closed once."""
    server = AmqpServer()
    for piece in pieces(data, sizes):
        server.receive(piece)
        server.send()
    read_output(server.output)
    assert sum(isinstance(event, ConnectionClosed) for event in server.events) <= 1
    server.connection.tick(1_000.0)
    server.connection.tick(2_000.0)
    assert server.connection.closed


@settings(max_examples=250)
@given(changed(STOMP), CUTS)
def test_stomp(data: bytes, sizes: list[int]) -> None:
    _, output = listen_stomp(pieces(data, sizes))
    assert len(output) <= 10_000 + 20 * len(data)


def test_the_corpus_of_consumers_as_it_is() -> None:
    for data in AMQP:
        server = AmqpServer()
        server.receive(data)
        read_output(server.output)
    for data in STOMP:
        listen_stomp([data])
