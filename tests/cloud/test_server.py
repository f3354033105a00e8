"""Listeners over real sockets: TLS, bounds, stopping; and the client that the command line uses."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.cloud.sample import OPERATIONS
from tests.common.api import Api
from tests.common.clock import FakeClock

from thingplane.clock import SystemClock
from thingplane.cloud import server as server_module
from thingplane.cloud.client import CallError, CloudClient, Scheme, flatten
from thingplane.cloud.http import Receive, Scope, Send, read_body, respond
from thingplane.cloud.server import ApiServer
from thingplane.tls import ensure_certificates, server_context


@pytest.fixture
async def server() -> AsyncIterator[ApiServer]:
    # The clients of these tests sign with the time of the machine.
    clock = FakeClock(SystemClock().now_ms())
    server = ApiServer(Api(clock=clock, operations=OPERATIONS).app)
    yield server
    await server.stop()


async def exchange(port: int, data: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


@pytest.mark.parametrize("scheme", ["rpc", "acs3"])
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_the_client_calls_operations(server: ApiServer, scheme: Scheme, method: str) -> None:
    port = await server.start("127.0.0.1", 0)
    client = CloudClient(f"http://127.0.0.1:{port}", "testid", "testsecret", scheme=scheme)
    answer = await asyncio.to_thread(client.call, "QueryProduct", {"ProductKey": "a1"}, method=method)
    assert answer["Data"]["ProductKey"] == "a1"
    refused = await asyncio.to_thread(client.call, "QueryProduct", {"ProductKey": "missing"}, method=method)
    assert refused["Code"] == "iot.prod.NotExistedProduct"
    with pytest.raises(CallError) as caught:
        await asyncio.to_thread(client.call, "QueryProduct", method=method)
    assert (caught.value.status, caught.value.code) == (400, "MissingProductKey")
    assert caught.value.request_id


async def test_a_long_list_passes_in_the_body(server: ApiServer) -> None:
    port = await server.start("127.0.0.1", 0)
    client = CloudClient(f"http://127.0.0.1:{port}", "testid", "testsecret")
    tags = [{"TagKey": f"k{number}"} for number in range(10_000)]
    answer = await asyncio.to_thread(client.call, "CreateProductTags", {"ProductKey": "a1", "ProductTag": tags})
    assert answer["Code"] == "iot.common.TooManyTags"


async def test_a_long_list_passes_in_the_query(server: ApiServer) -> None:
    port = await server.start("127.0.0.1", 0)
    client = CloudClient(f"http://127.0.0.1:{port}", "testid", "testsecret")
    tags = [{"TagKey": f"k{number}"} for number in range(2_000)]
    parameters = {"ProductKey": "a1", "ProductTag": tags}
    answer = await asyncio.to_thread(client.call, "CreateProductTags", parameters, method="GET")
    assert answer["Code"] == "iot.common.TooManyTags"


async def test_a_path_that_is_too_long_gets_a_400(server: ApiServer) -> None:
    port = await server.start("127.0.0.1", 0)
    request = b"GET /" + b"a" * 70_000 + b"?b=c HTTP/1.1\r\nhost: x\r\n\r\n"
    assert (await exchange(port, request)).startswith(b"HTTP/1.1 400 ")


def test_parameters_are_flattened_to_wire_names() -> None:
    assert flatten({"A": [1, None, True], "T": [{"K": "x"}], "N": None, "O": {"P": False}}) == {
        "A.1": "1",
        "A.3": "true",
        "T.1.K": "x",
        "O.P": "false",
    }


@pytest.mark.parametrize("endpoint", ["ftp://x", "127.0.0.1:80", "http://"])
def test_the_client_refuses_what_is_no_endpoint(endpoint: str) -> None:
    with pytest.raises(ValueError, match="endpoint"):
        CloudClient(endpoint, "a", "b")


async def test_tls_is_served_beside_plain_http(server: ApiServer, tmp_path: Path) -> None:
    files = ensure_certificates(tmp_path, ["127.0.0.1"])
    context = server_context(files.certificate, files.key)
    await server.start("127.0.0.1", 0)
    port = await server.start("127.0.0.1", 0, context)
    trusting = ssl.create_default_context(cafile=files.ca)
    client = CloudClient(f"https://127.0.0.1:{port}", "testid", "testsecret", context=trusting)
    answer = await asyncio.to_thread(client.call, "QueryProduct", {"ProductKey": "a1"})
    assert answer["Success"] is True


async def test_a_port_in_use_is_an_error_that_names_it(server: ApiServer) -> None:
    port = await server.start("127.0.0.1", 0)
    with pytest.raises(OSError, match=rf"cannot listen on 127\.0\.0\.1:{port}"):
        await server.start("127.0.0.1", port)


@pytest.mark.parametrize("data", [b"\x16\x03\x01\x02\x00", b"nonsense\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\0" * 100])
async def test_what_is_not_http_gets_a_400(server: ApiServer, data: bytes) -> None:
    port = await server.start("127.0.0.1", 0)
    assert (await exchange(port, data)).startswith(b"HTTP/1.1 400 ")


async def test_an_endless_head_gets_a_400(server: ApiServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "MAX_HEAD_BYTES", 1000)
    port = await server.start("127.0.0.1", 0)
    assert (await exchange(port, b"GET /?" + b"a" * 2000)).startswith(b"HTTP/1.1 400 ")
    assert (await exchange(port, b"GET / HTTP/1.1\r\nx: " + b"a" * 2000)).startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("data", [b"", b"GET / HTTP/1.1\r\nx:"])
async def test_a_client_that_never_finishes_its_head_is_cut_off(
    server: ApiServer, monkeypatch: pytest.MonkeyPatch, data: bytes
) -> None:
    monkeypatch.setattr(server_module, "HEAD_TIMEOUT_S", 0.01)
    port = await server.start("127.0.0.1", 0)
    assert await exchange(port, data) == b""


async def test_a_client_that_never_finishes_its_body_gets_a_408() -> None:
    server = ApiServer(Api(operations=OPERATIONS, body_timeout_s=0.01).app)
    port = await server.start("127.0.0.1", 0)
    head = b"POST / HTTP/1.1\r\nhost: x\r\naccept: application/json\r\ncontent-length: 9\r\nconnection: close\r\n\r\n"
    answer = await exchange(port, head)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b'"Code":"RequestTimeout"' in answer
    await server.stop()


async def test_stopping_lets_accepted_calls_finish() -> None:
    entered, release = asyncio.Event(), asyncio.Event()

    async def slow(_scope: Scope, receive: Receive, send: Send) -> None:
        await read_body(receive)
        entered.set()
        await release.wait()
        await respond(send, 200, b"text/plain", b"finished")

    server = ApiServer(slow)
    port = await server.start("127.0.0.1", 0)
    call = asyncio.create_task(exchange(port, b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"))
    await entered.wait()
    stop = asyncio.create_task(server.stop())
    await asyncio.sleep(0)
    with pytest.raises(OSError, match=r".*"):
        socket.create_connection(("127.0.0.1", port)).close()
    release.set()
    assert (await call).endswith(b"finished")
    await stop


async def test_stopping_does_not_wait_forever() -> None:
    entered = asyncio.Event()

    async def stuck(_scope: Scope, _receive: Receive, _send: Send) -> None:
        entered.set()
        await asyncio.Event().wait()

    server = ApiServer(stuck)
    port = await server.start("127.0.0.1", 0)
    call = asyncio.create_task(exchange(port, b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"))
    await entered.wait()
    await server.stop(timeout_s=0.01)
    assert b"finished" not in await call
