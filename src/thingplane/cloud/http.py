"""The little of ASGI that the API needs: types, bounded bodies, answers."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from thingplane.cloud.errors import GatewayError

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]

MAX_BODY_BYTES: Final = 4 * 1024 * 1024
"""Enough for 10000 device names with nicknames, percent-encoded."""
BODY_TIMEOUT_S: Final = 30.0
MAX_RECEIVING_BYTES: Final = 268_435_456
"""Bytes of requests of all clients together that are not complete yet."""


class Receiving:
    """What clients have sent of requests that are not complete yet: strangers, too, may send that much."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.total = 0

    def add(self, count: int) -> None:
        """Take note of bytes that have come, or, if negative, that are needed no more."""
        self.total += count

    @property
    def is_full(self) -> bool:
        """Whether more has come than may wait."""
        return self.total > self.limit


RECEIVING: Final = Receiving(MAX_RECEIVING_BYTES)
"""Of the process."""


class _AsWritten(bytes):
    """A header name that keeps its capitals on the wire.

    HTTP servers write names in lower case; the SDK for C finds the length only by this spelling (device-protocol
    reference, 13).
    """

    __slots__ = ()

    def lower(self) -> bytes:
        return self

    def __eq__(self, other: object) -> bool:
        return bytes(self) == other or bytes.lower(self) == other

    def __hash__(self) -> int:
        return hash(bytes.lower(self))


CONTENT_LENGTH: Final[bytes] = _AsWritten(b"Content-Length")
"""Name of the header that tells the length, for answers that devices read."""


class ClientGoneError(Exception):
    """The client closed the connection before its request was complete."""


async def read_body(receive: Receive, limit: int = MAX_BODY_BYTES, timeout_s: float = BODY_TIMEOUT_S) -> bytes:
    """Return the whole body of a request.

    Args:
        receive: of the ASGI application.
        limit: most bytes that are accepted.
        timeout_s: seconds that the client may take.

    Raises:
        GatewayError: RequestEntityTooLarge (413), RequestTimeout (408), ServiceUnavailable (503).
        ClientGoneError: nobody waits for an answer any more.
    """
    try:
        async with asyncio.timeout(timeout_s):
            return await _collect(receive, limit)
    except TimeoutError as error:
        raise GatewayError(408, "RequestTimeout", f"The body did not arrive within {timeout_s:g} seconds.") from error


async def _collect(receive: Receive, limit: int) -> bytes:
    body = bytearray()
    more = True
    try:
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientGoneError
            part = message.get("body", b"")
            body += part
            RECEIVING.add(len(part))
            if len(body) > limit:
                raise GatewayError(413, "RequestEntityTooLarge", f"The body is longer than {limit} bytes.")
            if RECEIVING.is_full:
                raise GatewayError(503, "ServiceUnavailable", "The server is receiving too much; try again later.")
            more = message.get("more_body", False)
            # Waiting for a slow client's next bytes must not keep the last ones a second time.
            del message, part
    finally:
        RECEIVING.add(-len(body))
    return bytes(body)


async def respond(send: Send, status: int, content_type: bytes, body: bytes, *headers: tuple[bytes, bytes]) -> None:
    """Send a complete answer."""
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [
                (b"content-type", content_type),
                (b"content-length", str(len(body)).encode("ascii")),
                *headers,
            ],
        }
    )
    await send({"type": "http.response.body", "body": body})
