"""The WebSocket protocol by bytes: RFC 6455."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thingplane.gateway.websocket import WebSocketServer, binary_frame

KEY = b"\x12\x34\x56\x78"
HANDSHAKE = (
    b"GET /mqtt HTTP/1.1\r\nHost: server\r\nUpgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Protocol: other, mqtt\r\n\r\n"
)


def frame(payload: bytes, first: int = 0x82, key: bytes = KEY) -> bytes:
    size = len(payload)
    if size < 126:
        length = bytes([0x80 | size])
    elif size < 65_536:
        length = b"\xfe" + size.to_bytes(2, "big")
    else:
        length = b"\xff" + size.to_bytes(8, "big")
    return bytes([first]) + length + key + bytes(a ^ b for a, b in zip(payload, itertools.cycle(key), strict=False))


def opened() -> WebSocketServer:
    server = WebSocketServer()
    assert server.receive_data(HANDSHAKE) == b""
    server.data_to_send()
    return server


def test_the_handshake_is_that_of_the_rfc() -> None:
    server = WebSocketServer()
    for byte in HANDSHAKE:
        assert server.receive_data(bytes([byte])) == b""
    answer = server.data_to_send()
    assert answer.startswith(b"HTTP/1.1 101 ")
    assert b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" in answer
    assert b"Sec-WebSocket-Protocol: mqtt\r\n" in answer
    assert answer.endswith(b"\r\n\r\n")


def test_a_client_without_sub_protocol_gets_none() -> None:
    server = WebSocketServer()
    server.receive_data(HANDSHAKE.replace(b"other, mqtt", b"other"))
    answer = server.data_to_send()
    assert answer.startswith(b"HTTP/1.1 101 ")
    assert b"Protocol:" not in answer


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ((b"GET", b"POST"), b"400"),
        ((b"HTTP/1.1", b"HTTP/1.0"), b"400"),
        ((b"WebSocket\r", b"h2c\r"), b"400"),
        ((b"keep-alive, Upgrade", b"close"), b"400"),
        ((b"Version: 13", b"Version: 8"), b"426"),
        ((b"dGhlIHNhbXBsZSBub25jZQ==", b"short"), b"400"),
        ((b"dGhlIHNhbXBsZSBub25jZQ==", b"****"), b"400"),
        ((b"Host: server", b"Host: " + b"x" * 9000), b"431"),
    ],
)
def test_bad_handshakes_are_answered_and_closed(change: tuple[bytes, bytes], status: bytes) -> None:
    server = WebSocketServer()
    assert server.receive_data(HANDSHAKE.replace(*change)) == b""
    assert server.data_to_send().startswith(b"HTTP/1.1 " + status)
    assert server.closing
    assert server.receive_data(b"more") == b""


def test_an_endless_handshake_is_cut_off() -> None:
    server = WebSocketServer()
    for _ in range(100):
        server.receive_data(b"GET / HTTP/1.1 " * 10)
    assert server.closing


LONG = st.builds(
    lambda start, size: (start * 65_536)[:size], st.binary(min_size=3, max_size=7), st.integers(65_500, 65_600)
)
"""Payloads about where lengths need a third form; drawing each of their bytes would take long."""


@given(
    payloads=st.lists(st.one_of(st.binary(max_size=200), LONG), max_size=4),
    key=st.binary(min_size=4, max_size=4),
    cut=st.integers(1, 70_000),
)
def test_payload_is_the_same_however_the_stream_is_cut(payloads: list[bytes], key: bytes, cut: int) -> None:
    server = WebSocketServer()
    stream = HANDSHAKE + b"".join(frame(item, key=key) for item in payloads)
    received = b"".join(server.receive_data(stream[at : at + cut]) for at in range(0, len(stream), cut))
    assert received == b"".join(payloads)
    assert not server.closing


def test_fragments_and_control_frames_between_them() -> None:
    server = opened()
    data = frame(b"ab", 0x02) + frame(b"ping", 0x89) + frame(b"cd", 0x00) + frame(b"pong", 0x8A) + frame(b"e", 0x80)
    assert server.receive_data(data) == b"abcde"
    assert server.data_to_send() == b"\x8a\x04ping"


def test_close_is_answered_with_its_code() -> None:
    server = opened()
    assert server.receive_data(frame(b"x") + frame((1001).to_bytes(2, "big") + b"bye", 0x88)) == b"x"
    assert server.data_to_send() == b"\x88\x02" + (1001).to_bytes(2, "big")
    assert server.closing


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"\x82\x01a", 1002),  # not masked
        (frame(b"a", 0xC2), 1002),  # reserved bit
        (frame(b"a", 0x81), 1003),  # text
        (frame(b"a", 0x83), 1003),
        (frame(b"a", 0x8B), 1002),
        (frame(b"a", 0x80), 1002),  # continuation of nothing
        (frame(b"a", 0x02) + frame(b"b", 0x82), 1002),  # new message within one
        (frame(b"p", 0x09), 1002),  # fragmented control frame
        (frame(b"p" * 126, 0x89), 1002),
        (b"\x82\xff" + b"\xff" * 8 + KEY, 1002),
    ],
)
def test_violations_are_closed_with_their_code(data: bytes, code: int) -> None:
    server = opened()
    server.receive_data(data)
    assert server.data_to_send().endswith(b"\x88\x02" + code.to_bytes(2, "big"))
    assert server.closing


@given(st.binary(max_size=300))
def test_nothing_raises(data: bytes) -> None:
    opened().receive_data(data)
    WebSocketServer().receive_data(data)


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536])
def test_frames_of_the_server_are_not_masked(size: int) -> None:
    data = binary_frame(bytes(size))
    assert data[0] == 0x82
    assert len(data) - size == (2 if size < 126 else 4 if size < 65_536 else 10)
