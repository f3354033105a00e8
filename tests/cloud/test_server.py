"""Listeners over real sockets: TLS, bounds, stopping; and the client that the command line uses."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from tests.cloud.sample import OPERATIONS
from tests.common.api import Api
from tests.common.clock import FakeClock

from thingplane.clock import SystemClock
from thingplane.cloud import server as server_module
from thingplane.cloud.client import CallError, CloudClient, Scheme, flatten
from thingplane.cloud.http import RECEIVING, Receive, Scope, Send, read_body, respond
from thingplane.cloud.server import ApiServer
from thingplane.tls import ensure_certificates, server_context


@pytest.fixture
async def server() -> AsyncIterator[ApiServer]:
    # The clients of these tests sign with the time of the machine.
    clock = FakeClock(SystemClock().now_ms())
    server = ApiServer(Api(clock=clock, operations=OPERATIONS).app)
    yield server
    await server.stop()


async def until(condition: Callable[[], bool]) -> None:
    """Wait at most five seconds for something that the loop does on its own."""
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - there is no event to wait for
            await asyncio.sleep(0.001)


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


async def test_who_was_answered_already_sends_the_rest_or_is_cut_off(
    server: ApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = await server.start("127.0.0.1", 0)
    request = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5000000\r\n\r\n"
    monkeypatch.setattr(server_module, "LINGER_S", 60)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request + b"x" * 5_000_000)
    for _ in range(2):
        head = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]))
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    writer.close()
    monkeypatch.setattr(server_module, "LINGER_S", 0.05)
    assert (await exchange(port, request + b"x" * 4_900_000)).startswith(b"HTTP/1.1 413 ")


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


async def test_requests_behind_one_another_are_answered_but_only_some(server: ApiServer) -> None:
    port = await server.start("127.0.0.1", 0)
    request = b"GET /?x HTTP/1.1\r\nhost: x\r\n\r\n"
    last = request.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n")
    answer = await exchange(port, request * 9 + last)
    assert answer.count(b"HTTP/1.1 ") == 10
    answer = await exchange(port, request * 1000)
    assert answer.count(b"HTTP/1.1 ") == 1
    assert answer.startswith(b"HTTP/1.1 400 ")


async def test_a_client_that_does_not_read_its_answer_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "STALL_TIMEOUT_S", 0.05)
    ended = asyncio.Event()

    async def endless(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while listening._state.connections:
            await send({"type": "http.response.body", "body": b"x" * 65_536, "more_body": True})
        ended.set()

    listening = ApiServer(endless)
    port = await listening.start("127.0.0.1", 0)
    _, writer = await asyncio.open_connection("127.0.0.1", port, limit=1)
    writer.write(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
    async with asyncio.timeout(5):
        await ended.wait()
    writer.transport.abort()
    await listening.stop()


async def test_there_are_only_so_many_connections(server: ApiServer) -> None:
    server._max_connections = 3
    port = await server.start("127.0.0.1", 0)
    held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
    await until(lambda: len(server._state.connections) == 3)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    with contextlib.suppress(ConnectionError):
        assert await reader.read() == b""
    writer.close()
    for _, writer in held:
        writer.close()
    await until(lambda: not server._state.connections)
    assert await exchange(port, b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")


async def test_strangers_together_send_only_so_much_that_is_not_complete(
    server: ApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RECEIVING, "limit", RECEIVING.total + 100_000)
    port = await server.start("127.0.0.1", 0)
    head = (
        b"POST / HTTP/1.1\r\nhost: x\r\naccept: application/json\r\ncontent-length: 90000\r\nconnection: close\r\n\r\n"
    )
    _, first = await asyncio.open_connection("127.0.0.1", port)
    first.write(head + b"x" * 80_000)
    await until(lambda: RECEIVING.total >= 80_000)
    assert (await exchange(port, head + b"x" * 30_000)).startswith(b"HTTP/1.1 503 ")
    assert (await exchange(port, b"GET /?" + b"x" * 30_000)).startswith(b"HTTP/1.1 400 ")
    first.transport.abort()
    await until(lambda: not RECEIVING.total)
