"""The HTTP client for webhooks and queues."""

import asyncio
import socket
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import msgspec

from thingplane.outbound.addresses import is_public

if TYPE_CHECKING:
    import aiohttp

MAX_ANSWER: Final = 65_536
"""Bytes of an answer's body that are read; the rest is left out."""


class OutboundError(Exception):
    """A request got no answer; the text says why in one line and holds no secret."""


class AddressRefusedError(OutboundError):
    """The request would have gone to an address that is not public, or by another scheme than http and https."""


class Answer(msgspec.Struct, frozen=True):
    """What a server answered. Redirects are answers like any other: they are not followed."""

    status: int
    headers: Mapping[str, str]
    """By name as sent; looked up without regard to case."""
    body: bytes
    """At most ``MAX_ANSWER`` bytes, as sent."""


class Outbound:
    """Sends requests, each over a connection whose address was checked when it was made.

    A host that is not allowed by name is reached at public addresses only (RFC 6890), whatever its name resolves to at
    that moment. Proxies of the environment are not used, cookies not kept.
    """

    def __init__(self, allowed_hosts: Collection[str] = (), *, connections: int = 100) -> None:
        """Make a client without connections; the library behind it is loaded by the first request.

        Args:
            allowed_hosts: names or addresses, as URLs write them, that may lead to any address.
            connections: most open connections to allowed hosts, and as many to others.
        """
        self._allowed = {host.strip("[]").lower() for host in allowed_hosts}
        self._connections = connections
        self._sessions: dict[bool, aiohttp.ClientSession] = {}

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        timeout: float = 10.0,  # noqa: ASYNC109 - covers connecting and reading as well
    ) -> Answer:
        """Send a request and return the answer, whatever its status.

        Args:
            method: ``POST`` and so on.
            url: absolute, http or https.
            headers: sent as they are; Host, Content-Length and Connection are added, nothing else.
            body: content.
            timeout: seconds for everything.

        Raises:
            AddressRefusedError: the host is neither public nor allowed.
            OutboundError: no answer in time, or the connection failed.
        """
        host = _host(url)
        # A new connection to an allowed host is not checked, so the two kinds never share connections.
        allowed = host in self._allowed
        if not allowed and (":" in host or host.replace(".", "").isdigit()) and not is_public(host):
            raise AddressRefusedError(f"{host} is not a public address")
        import aiohttp  # noqa: PLC0415 - takes memory and time that nodes without destinations need not spend

        session = self._session(allowed)
        try:
            async with session.request(
                method,
                url,
                headers=headers,
                data=body,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=timeout),
            ) as response:
                return Answer(response.status, response.headers, await _read(response.content))
        except TimeoutError as error:
            raise OutboundError(f"{host} did not answer within {timeout:g} s") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            refused = _refusal(error)
            if refused is not None:
                raise AddressRefusedError(str(refused)) from error
            raise OutboundError(f"{host} could not be reached: {error or type(error).__name__}") from error

    async def close(self) -> None:
        """Close all connections; requests under way fail."""
        for session in self._sessions.values():
            await session.close()
        self._sessions.clear()
        # The library closes TLS connections in callbacks of the loop.
        await asyncio.sleep(0)

    def _session(self, allowed: bool) -> "aiohttp.ClientSession":
        session = self._sessions.get(allowed)
        if session is None:
            import aiohttp  # noqa: PLC0415

            session = self._sessions[allowed] = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=self._connections, socket_factory=None if allowed else _public_socket, use_dns_cache=False
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                trust_env=False,
                # Signatures cover headers: what the caller did not give is not there.
                skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
            )
        return session


def _host(url: str) -> str:
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError as error:
        raise OutboundError(f"not a URL: {error}") from error
    if parts.scheme.lower() not in {"http", "https"} or not host:
        raise AddressRefusedError("only absolute http and https URLs are requested")
    return host


def _public_socket(address: tuple[int, int, int, str, tuple[Any, ...]]) -> socket.socket:
    """Make the socket for a connection, after a look at the very address that it will connect to."""
    family, kind, protocol, _, target = address
    if not is_public(str(target[0])):
        raise _RefusedSocketError(f"{target[0]} is not a public address, and its host is not among the allowed ones")
    return socket.socket(family, kind, protocol)


class _RefusedSocketError(OSError):
    pass


def _refusal(error: BaseException | None) -> "_RefusedSocketError | None":
    """Find a refusal among the causes of what the library raised."""
    while error is not None:
        if isinstance(error, _RefusedSocketError):
            return error
        error = getattr(error, "os_error", None) or error.__cause__ or error.__context__
    return None


async def _read(content: "aiohttp.StreamReader") -> bytes:
    parts = bytearray()
    while len(parts) < MAX_ANSWER and (part := await content.read(MAX_ANSWER - len(parts))):
        parts += part
    return bytes(parts)
