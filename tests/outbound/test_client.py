"""The HTTP client against a server on this machine, which is what it must not reach unless told so."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from thingplane.outbound import AddressRefusedError, Outbound, OutboundError
from thingplane.outbound.client import MAX_ANSWER


class Server:
    """Answers every request with the same bytes, or never."""

    def __init__(self, answer: bytes | None) -> None:
        self.answer = answer
        self.requests: list[bytes] = []
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next((int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")), 0)
        self.requests.append(head + await reader.readexactly(length))
        if self.answer is None:
            await reader.read()
        else:
            writer.write(self.answer)
            await writer.drain()
        writer.close()


@asynccontextmanager
async def serving(answer: bytes | None) -> AsyncIterator[Server]:
    server = Server(answer)
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listener.close()


@pytest.fixture
async def outbound() -> AsyncIterator[Outbound]:
    client = Outbound(["LocalHost"])
    yield client
    await client.close()


OK = b"HTTP/1.1 201 Created\r\nX-One: 1\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi"


async def test_sends_exactly_the_given_headers(outbound: Outbound) -> None:
    async with serving(OK) as server:
        url = f"http://localhost:{server.port}/a?b=c"
        answer = await outbound.request("POST", url, headers={"X-Two": "2"}, body=b"abc")
    assert (answer.status, answer.body, answer.headers["x-one"]) == (201, b"hi", "1")
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    line, *headers = head.split(b"\r\n")
    assert line == b"POST /a?b=c HTTP/1.1"
    assert {header.split(b":")[0].lower() for header in headers} == {b"host", b"x-two", b"content-length"}
    assert body == b"abc"


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "2130706433", "[::ffff:127.0.0.1]", "127.1", "0.0.0.0"])
async def test_refuses_addresses_of_this_machine(outbound: Outbound, host: str) -> None:
    async with serving(OK) as server:
        with pytest.raises(AddressRefusedError):
            await outbound.request("GET", f"http://{host}:{server.port}/")
    assert server.requests == []


async def test_refuses_a_name_that_leads_to_this_machine() -> None:
    strict = Outbound()
    async with serving(OK) as server:
        with pytest.raises(AddressRefusedError, match="not a public address"):
            await strict.request("GET", f"http://localhost:{server.port}/")
    await strict.close()
    assert server.requests == []


@pytest.mark.parametrize("url", ["ftp://localhost/", "file:///etc/passwd", "/path", "http:///x", "http://[::1/"])
async def test_refuses_what_is_no_http_url(outbound: Outbound, url: str) -> None:
    with pytest.raises(OutboundError):
        await outbound.request("GET", url)


async def test_follows_no_redirects(outbound: Outbound) -> None:
    redirect = b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    async with serving(redirect) as server:
        answer = await outbound.request("GET", f"http://localhost:{server.port}/")
    assert answer.status == 302
    assert len(server.requests) == 1


async def test_reads_only_the_beginning_of_an_endless_answer(outbound: Outbound) -> None:
    endless = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + b"x" * (MAX_ANSWER * 2)
    async with serving(endless) as server:
        answer = await outbound.request("GET", f"http://localhost:{server.port}/")
    assert len(answer.body) == MAX_ANSWER


async def test_silence_ends_with_the_timeout(outbound: Outbound) -> None:
    async with serving(None) as server:
        with pytest.raises(OutboundError, match="did not answer within"):
            await outbound.request("GET", f"http://localhost:{server.port}/", timeout=0.05)


async def test_nobody_there_is_an_error(outbound: Outbound) -> None:
    async with serving(OK) as server:
        pass
    with pytest.raises(OutboundError, match="could not be reached"):
        await outbound.request("GET", f"http://localhost:{server.port}/")
