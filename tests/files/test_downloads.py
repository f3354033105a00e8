"""Downloads over a real HTTP server."""

import asyncio
import os
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest

from tests.common.clock import FakeClock
from tests.devices.marks import one_database
from thingplane.cloud.http import Receive, Scope, Send
from thingplane.cloud.server import ApiServer
from thingplane.files.downloads import Downloads
from thingplane.storage.blobs import LocalBlobStore
from thingplane.storage.database import Database

CONTENT = os.urandom(700_000)
Answer = tuple[int, dict[str, str], bytes]


class Site:
    """Downloads behind a server, and a client that shows what is on the wire."""

    def __init__(self, downloads: Downloads, port: int) -> None:
        self.downloads = downloads
        self.port = port

    async def get(self, url: str, method: str = "GET", **headers: str) -> Answer:
        parts = urlsplit(url)
        lines = [f"{method} {parts.path}?{parts.query} HTTP/1.1", "Host: x", "Connection: close"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write("\r\n".join([*lines, "", ""]).encode())
        head, _, body = (await reader.read(-1)).partition(b"\r\n\r\n")
        writer.close()
        await writer.wait_closed()
        status, *fields = head.decode().split("\r\n")
        return int(status.split()[1]), dict(field.split(": ", 1) for field in fields), body


@pytest.fixture
async def site(downloads: Downloads, blobs: LocalBlobStore) -> AsyncIterator[Site]:
    writer = await blobs.create("blob-1")
    await writer.write(CONTENT)
    await writer.commit()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await downloads(scope, receive, send)

    server = ApiServer(app)
    yield Site(downloads, await server.start("127.0.0.1", 0))
    await server.stop()


@pytest.fixture
def url(downloads: Downloads) -> str:
    return downloads.url("blob-1", "photo 1.jpg")


@one_database
async def test_the_whole_file(site: Site, url: str) -> None:
    status, headers, body = await site.get(url)
    assert status == 200
    assert body == CONTENT
    # Exactly so: the SDK for C finds the length by this text.
    assert headers["Content-Length"] == "700000"
    assert "transfer-encoding" not in headers
    assert headers["accept-ranges"] == "bytes"
    assert headers["content-disposition"] == "attachment; filename*=UTF-8''photo%201.jpg"


@one_database
async def test_a_part_of_the_file(site: Site, url: str) -> None:
    status, headers, body = await site.get(url, Range="bytes=1000-500999")
    assert (status, body) == (206, CONTENT[1000:501000])
    assert headers["Content-Length"] == "500000"
    assert headers["content-range"] == "bytes 1000-500999/700000"
    etag = headers["etag"]
    assert (await site.get(url, Range="bytes=-10", If_Range=etag))[2] == CONTENT[-10:]
    assert (await site.get(url, Range="bytes=-10", If_Range='"another"'))[2] == CONTENT
    assert (await site.get(url, Range="bytes=1-2,5-6"))[0] == 200
    status, headers, _ = await site.get(url, Range="bytes=700000-")
    assert (status, headers["content-range"]) == (416, "bytes */700000")


@one_database
async def test_only_the_head(site: Site, url: str) -> None:
    status, headers, body = await site.get(url, "HEAD")
    assert (status, headers["Content-Length"], body) == (200, "700000", b"")
    status, headers, _ = await site.get(url, "POST")
    assert (status, headers["allow"]) == (405, "GET, HEAD")


@one_database
async def test_urls_expire_and_cannot_be_changed(site: Site, url: str, clock: FakeClock) -> None:
    for changed in (
        url.replace("blob-1", "blob-2"),
        url.replace("photo", "other"),
        url.replace("Expires=17", "Expires=27"),
        url.replace("Signature=", "Signature=x"),
        url.partition("&")[0],
        url.replace("Expires=", "Expires=x"),
        url.partition("?")[0],
    ):
        assert (await site.get(changed))[0] == 403, changed
    clock.advance(3599)
    assert (await site.get(url))[0] == 200
    clock.advance(1)
    assert (await site.get(url))[0] == 403


@one_database
async def test_a_file_that_was_deleted_meanwhile(site: Site, url: str, blobs: LocalBlobStore) -> None:
    await blobs.delete("blob-1")
    assert (await site.get(url))[0] == 404


@one_database
async def test_a_client_that_goes_away_ends_the_reading(site: Site, url: str, blobs: LocalBlobStore) -> None:
    writer = await blobs.create("large")
    await writer.write(b"\0" * 30_000_000)
    await writer.commit()
    parts = urlsplit(site.downloads.url("large", "x"))
    reader, client = await asyncio.open_connection("127.0.0.1", site.port)
    client.write(f"GET {parts.path}?{parts.query} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    assert await reader.readexactly(100)
    client.close()
    await client.wait_closed()
    # The server still serves, and the fixture stops it without waiting for the rest of the file.
    assert (await site.get(url))[0] == 200


async def test_urls_are_good_after_a_restart_and_on_other_nodes(
    downloads: Downloads, database: Database, clock: FakeClock, blobs: LocalBlobStore
) -> None:
    others = [Downloads(database, clock, blobs, lambda: "http://192.0.2.7:8080") for _ in range(2)]
    await asyncio.gather(*(other.start() for other in others))
    assert {other.url("b", "n") for other in others} == {downloads.url("b", "n")}


async def test_nodes_that_start_for_the_first_time_together_agree(
    database: Database, clock: FakeClock, blobs: LocalBlobStore
) -> None:
    nodes = [Downloads(database, clock, blobs, lambda: "http://x") for _ in range(3)]
    await asyncio.gather(*(node.start() for node in nodes))
    assert len({node.url("b", "n") for node in nodes}) == 1


@one_database
async def test_urls_are_short_and_have_no_colons_that_old_clients_stumble_over(downloads: Downloads) -> None:
    url = downloads.url("0" * 64, "x" * 100, 86400)
    assert len(url) < 512
    assert url.startswith("http://192.0.2.7:8080/download/")
    assert ":" not in downloads.url("b", "a:b").removeprefix("http://192.0.2.7:8080")
