"""A NATS server as far as publishing needs one: its text protocol, and confirmations as streams give them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

INFO = b'INFO {"server_id":"x","version":"2.10.0","max_payload":1000,"headers":true,"jetstream":true}\r\n'


class Published:
    """A message."""

    def __init__(self, subject: str, headers: dict[str, str], body: bytes) -> None:
        self.subject = subject
        self.headers = headers
        self.body = body


class NatsServer:
    """Keeps what is published; subjects that begin with ``stream.`` are confirmed."""

    def __init__(self) -> None:
        self.url = ""
        self.published: list[Published] = []
        self.connections: set[asyncio.StreamWriter] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections.add(writer)
        inbox = b""
        writer.write(INFO)
        try:
            while line := await reader.readline():
                verb, *words = line.split()
                if verb == b"PING":
                    writer.write(b"PONG\r\n")
                elif verb == b"SUB":
                    inbox = words[-1]
                elif verb in {b"PUB", b"HPUB"}:
                    body = (await reader.readexactly(int(words[-1]) + 2))[:-2]
                    size = int(words[-2]) if verb == b"HPUB" else 0
                    self.published.append(Published(words[0].decode(), _headers(body[:size]), body[size:]))
                    names = words[1 : -2 if verb == b"HPUB" else -1]
                    if names and words[0].startswith(b"stream."):
                        confirmation = b'{"stream":"S","seq":1}'
                        writer.write(b"MSG %b %b %d\r\n%b\r\n" % (names[0], inbox, len(confirmation), confirmation))
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self.connections.discard(writer)
            writer.close()


def _headers(text: bytes) -> dict[str, str]:
    _, *lines = text.decode().split("\r\n")
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines if line)}


@asynccontextmanager
async def nats_server() -> AsyncIterator[NatsServer]:
    server = NatsServer()
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.url = f"nats://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    try:
        yield server
    finally:
        listener.close()
        for writer in list(server.connections):
            writer.close()
        await listener.wait_closed()
