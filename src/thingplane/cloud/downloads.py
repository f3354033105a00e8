"""Addresses at which a text can be fetched for an hour, without a signature of a caller."""

import hashlib
import hmac
import secrets
from collections.abc import Awaitable, Callable
from typing import Final
from urllib.parse import parse_qs

from thingplane.clock import Clock
from thingplane.cloud.http import Receive, Scope, Send, respond

VALID_S: Final = 3600

_TEXT: Final = b"text/plain; charset=utf-8"

ReadText = Callable[[str], Awaitable[str | None]]
"""Returns the text with a name that this application has signed; None when it is gone."""


class SignedDownloads:
    """ASGI application below a path, and the maker of its addresses.

    An address is signed with a key that the node makes up when it starts, so it is valid until a restart at most.
    """

    def __init__(
        self, path: str, read: ReadText, clock: Clock, base_url: Callable[[], str], content_type: bytes = _TEXT
    ) -> None:
        """Make a key.

        Args:
            path: begins and ends with a slash.
            read: finds texts.
            clock: tells until when addresses are valid.
            base_url: returns what addresses begin with.
            content_type: of the texts.
        """
        self._path = path
        self._read = read
        self._clock = clock
        self._base_url = base_url
        self._content_type = content_type
        self._key = secrets.token_bytes(32)

    def url(self, name: str) -> str:
        """Return the address of a text.

        Args:
            name: letters, digits and ``-._/`` only.
        """
        expires = self._clock.now_ms() // 1000 + VALID_S
        return f"{self._base_url()}{self._path}{name}?Expires={expires}&Signature={self._sign(name, str(expires))}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - no body is read
        if scope["method"] not in ("GET", "HEAD"):
            await respond(send, 405, _TEXT, b"GET only\n", (b"allow", b"GET, HEAD"))
            return
        name = scope["path"][len(self._path) :]
        query = parse_qs(scope["query_string"].decode("ascii", "replace"))
        expires, signature = query.get("Expires", [""])[0], query.get("Signature", [""])[0]
        if not hmac.compare_digest(signature.encode(), self._sign(name, expires).encode()):
            await respond(send, 403, _TEXT, b"The address is not valid; the operation gives a new one.\n")
            return
        if int(expires) < self._clock.now_ms() // 1000:
            await respond(send, 403, _TEXT, b"The address has expired; the operation gives a new one.\n")
            return
        text = await self._read(name)
        if text is None:
            await respond(send, 404, _TEXT, b"It is not there any more.\n")
            return
        await respond(send, 200, self._content_type, text.encode())

    def _sign(self, name: str, expires: str) -> str:
        return hmac.new(self._key, f"{name}\n{expires}".encode(), hashlib.sha256).hexdigest()
