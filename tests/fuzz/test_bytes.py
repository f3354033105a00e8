"""Whatever comes over a socket before anybody is known: bytes for the MQTT core, parameters for the cloud API."""

import asyncio
import contextlib
from typing import Final

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.common.api import Api
from tests.fuzz.mutation import changed, lines
from tests.mqtt.peer import RecordingPolicy
from thingplane.cloud.client import SignedRequest
from thingplane.cloud.errors import BusinessError, GatewayError
from thingplane.cloud.form import Form
from thingplane.cloud.parameters import decode
from thingplane.cloud.registry import OPERATIONS, discover
from thingplane.mqtt import Broker, Capabilities

discover("thingplane")
NAMES: Final = sorted(OPERATIONS)
STREAMS: Final = [bytes.fromhex(line) for line in lines("mqtt.txt")]
QUERIES: Final = [line.encode() for line in lines("http.txt")]
MAX_PACKET: Final = 4096


@settings(max_examples=300)
@given(changed(STREAMS), st.lists(st.integers(1, 40), max_size=6))
def test_bytes_of_a_connection(data: bytes, cuts: list[int]) -> None:
    """However the bytes are cut, the broker takes and answers the same, and lets go in the end."""
    parts, start = [], 0
    for cut in cuts:
        parts.append(data[start : start + cut])
        start += cut
    assert _serve([*parts, data[start:]]) == _serve([data])


def test_the_streams_of_the_corpus_as_they_are() -> None:
    for data in STREAMS:
        assert _serve([data]) == _serve([data[position : position + 1] for position in range(len(data))])


def _serve(parts: list[bytes]) -> tuple[list[int], int]:
    """Give a broker the bytes of a connection; return its answer, and how many messages it took.

    The answer is sorted: a ping may be answered before what came in front of it.
    """
    policy = RecordingPolicy(Capabilities(max_packet_size=MAX_PACKET, max_queued=5, max_subscriptions=5))
    broker = Broker(policy, 0.0, lambda: "assigned")
    link = broker.open()
    answer = b""
    for part in parts:
        if link.closing:
            break
        link.receive_data(part)
        answer += link.data_to_send()
    answer += link.data_to_send()
    link.connection_lost()
    broker.tick(broker.now + 1e9)
    assert not broker.links
    return sorted(answer), len(policy.published)


@settings(max_examples=300)
@given(changed(QUERIES))
def test_parameters_of_every_operation(query: bytes) -> None:
    """Parameters are read, or refused with a documented code, whichever operation they are for."""
    _read(query, {NAMES[len(query) % len(NAMES)], NAMES[sum(query) % len(NAMES)]})


def test_the_queries_of_the_corpus_for_all_operations() -> None:
    for query in QUERIES:
        _read(query, set(NAMES))


def _read(query: bytes, names: set[str]) -> None:
    try:
        form = Form.parse(query)
    except UnicodeDecodeError:
        return
    for name in ({form.values.get("Action", "")} & OPERATIONS.keys()) | names:
        with contextlib.suppress(BusinessError, GatewayError):
            decode(OPERATIONS[name].request, form.values)


@settings(max_examples=100)
@given(changed(QUERIES), changed(QUERIES), st.sampled_from(["GET", "POST", "PUT"]))
def test_calls_that_nobody_signed(query: bytes, body: bytes, method: str) -> None:
    """The gateway refuses them, whatever they look like."""
    target = "/?" + query.decode("latin-1").replace("#", "%23")
    request = SignedRequest(method, target, {"host": "api.test"}, body)
    status, _, answer = asyncio.run(Api(checks_contract=False).send(request))
    assert 400 <= status < 500
    assert b"RequestId" in answer
