"""Addresses at which the text of a script can be fetched, valid for an hour (guide 4.10.18, ScriptUrl)."""

import hashlib
import hmac
import secrets
from typing import Final
from urllib.parse import parse_qs

from thingplane.clock import Clock
from thingplane.cloud.http import Receive, Scope, Send, respond
from thingplane.parsing.service import ParsingService
from thingplane.products.service import Product

PATH: Final = "/thing-scripts/"
VALID_S: Final = 3600

_TEXT: Final = b"text/plain; charset=utf-8"


class ScriptDownloads:
    """ASGI application below ``PATH``, and the maker of its addresses.

    An address is signed with a key that the node makes up when it starts, so it is valid until a restart at most.
    """

    def __init__(self, parsing: ParsingService, clock: Clock) -> None:
        self._parsing = parsing
        self._clock = clock
        self._key = secrets.token_bytes(32)
        self.base_url = ""
        """URL of the API as clients reach it; to be set when it is known."""

    def url(self, product: Product) -> str:
        """Return the address of a product's script."""
        expires = self._clock.now_ms() // 1000 + VALID_S
        signature = self._sign(str(product.id), str(expires))
        return f"{self.base_url}{PATH}{product.id}?Expires={expires}&Signature={signature}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - no body is read
        if scope["method"] not in ("GET", "HEAD"):
            await respond(send, 405, _TEXT, b"GET only\n", (b"allow", b"GET, HEAD"))
            return
        product_id = scope["path"][len(PATH) :]
        query = parse_qs(scope["query_string"].decode("ascii", "replace"))
        expires, signature = query.get("Expires", [""])[0], query.get("Signature", [""])[0]
        if not hmac.compare_digest(signature.encode(), self._sign(product_id, expires).encode()):
            await respond(send, 403, _TEXT, b"The address is not valid; GetThingScript gives a new one.\n")
            return
        if int(expires) < self._clock.now_ms() // 1000:
            await respond(send, 403, _TEXT, b"The address has expired; GetThingScript gives a new one.\n")
            return
        script = await self._parsing.script(int(product_id))
        if script is None:
            await respond(send, 404, _TEXT, b"The product has no script.\n")
            return
        await respond(send, 200, _TEXT, script.source.encode())

    def _sign(self, product_id: str, expires: str) -> str:
        return hmac.new(self._key, f"{product_id}\n{expires}".encode(), hashlib.sha256).hexdigest()
