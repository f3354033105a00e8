"""Datagrams of anybody: CoAP, its symmetric mode, CBOR, and the records of DTLS."""

import json
from types import SimpleNamespace
from typing import Any, Final, cast

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from OpenSSL import SSL

from tests.fuzz.mutation import changed, lines
from thingplane.coap import Code, Endpoint, Limits
from thingplane.coap.message import decode
from thingplane.coap_access.dtls import MTU, _datagrams, _suite
from thingplane.coap_access.dtls_listener import _is_client_hello
from thingplane.coap_access.encryption import DecryptionError, Key
from thingplane.coap_access.translation import TranslationError, to_cbor, to_json

LINES: Final = [[bytes.fromhex(text) for text in line.split(",")] for line in lines("coap.txt")]
DATAGRAMS: Final = [datagram for line in LINES for datagram in line]
ITEMS: Final = [bytes.fromhex(line) for line in lines("cbor.txt")]
LIMITS: Final = Limits(exchanges=4, exchange_bytes=2000, body=300, transfers=2, transfer_bytes=400, unacknowledged=2)


def converse(datagrams: list[bytes], answers: list[bytes]) -> None:
    """Answer what arrives and check that what leaves is CoAP, and that no more is kept than the limits allow."""
    endpoint = Endpoint(LIMITS)
    now = 0.0
    for number, data in enumerate(datagrams):
        now += 0.4
        request = endpoint.receive(data, "peer", now)
        if request is not None:
            payload = answers[number % len(answers)]
            endpoint.respond(request, Code.CONTENT, now, payload[: LIMITS.body], separate=number % 3 == 0)
        endpoint.tick(now)
        assert len(endpoint._exchanges) <= LIMITS.exchanges
        assert endpoint._uploads._bytes <= LIMITS.transfer_bytes
        assert endpoint._body_bytes <= LIMITS.transfer_bytes
    endpoint.tick(now + 1000)
    for answer, _ in endpoint.outgoing:
        decode(answer)
    assert (len(endpoint._exchanges), len(endpoint._uploads), len(endpoint._bodies)) == (0, 0, 0)
    assert (endpoint._exchange_bytes, endpoint._body_bytes, endpoint._uploads._bytes) == (0, 0, 0)


def test_the_datagrams_of_the_corpus_as_they_are() -> None:
    for line in LINES:
        converse(line, [b"", b"x" * 290])


@settings(max_examples=250)
@given(st.lists(changed(DATAGRAMS, changes=2), max_size=8), st.lists(st.binary(max_size=300), min_size=1, max_size=3))
def test_coap(datagrams: list[bytes], answers: list[bytes]) -> None:
    converse(datagrams, answers)


@settings(max_examples=300)
@given(changed(ITEMS))
def test_cbor(payload: bytes) -> None:
    """What is accepted is JSON that says no more than the item itself, and comes back the same."""
    try:
        text = to_json(payload)
    except TranslationError:
        return
    json.loads(text)
    assert len(text) <= 40 * len(payload)
    assert msgspec.json.decode(to_json(to_cbor(text))) == msgspec.json.decode(text)


@settings(max_examples=100)
@given(st.binary(max_size=64), st.binary(max_size=48))
def test_the_symmetric_mode(plain: bytes, noise: bytes) -> None:
    key = Key("secret", "random")
    assert key.decrypt(key.encrypt(plain)) == plain
    for data in (noise, key.encrypt(plain)[:-1], key.encrypt(plain) + noise):
        try:
            key.decrypt(data)
        except DecryptionError:
            continue
        assert len(data) % 16 == 0


def record(payload: bytes) -> bytes:
    return b"\x16\xfe\xfd" + bytes(8) + len(payload).to_bytes(2, "big") + payload


@settings(max_examples=200)
@given(st.lists(st.binary(max_size=1500).map(record), max_size=6), st.binary(max_size=20))
def test_records_are_put_into_datagrams_without_a_loss(records: list[bytes], rest: bytes) -> None:
    written = [*records, rest[:12]]

    def read(_size: int) -> bytes:
        if not written:
            raise SSL.WantReadError
        return written.pop(0)

    datagrams = list(_datagrams(cast("Any", SimpleNamespace(bio_read=read))))
    assert b"".join(datagrams) == b"".join(records)
    assert all(len(datagram) <= MTU or datagram in records for datagram in datagrams)


@settings(max_examples=200)
@given(changed([record(b"\x01" + bytes(80)), record(b"\x02" + bytes(60)), b"\x17" + bytes(20)]))
def test_first_looks_at_datagrams(data: bytes) -> None:
    assert 0 <= _suite(data) <= 0xFFFF
    assert not _is_client_hello(data) or data[13] == 1
