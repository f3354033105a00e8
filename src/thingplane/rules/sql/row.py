"""A message as expressions see it."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeAlias

import msgspec

from thingplane.rules.sql.errors import PayloadError

Value: TypeAlias = Any
"""What JSON can hold: None, bool, int, float, str, list, dict."""

Evaluate: TypeAlias = Callable[["Row"], Value]
"""A compiled expression."""

_NO_TAGS: Mapping[str, str] = {}
_decode = msgspec.json.Decoder().decode


class Message(Protocol):
    """The parts of a forwarded message that rules can ask for."""

    @property
    def message_id(self) -> int: ...
    @property
    def product_key(self) -> str: ...
    @property
    def device_name(self) -> str: ...
    @property
    def topic(self) -> str: ...
    @property
    def body(self) -> bytes: ...


class Row:
    """One message: what is the same for all rules that see it, so that its payload is parsed once."""

    __slots__ = ("body", "device_type", "message", "now_ms", "tags")

    def __init__(
        self, message: Message, now_ms: int, device_type: str = "", tags: Mapping[str, str] = _NO_TAGS
    ) -> None:
        """Take a message.

        Args:
            message: as it was forwarded.
            now_ms: epoch milliseconds.
            device_type: category of the product.
            tags: of the device.
        """
        self.message = message
        self.now_ms = now_ms
        self.device_type = device_type
        self.tags = tags
        self.body: Value = None
        """The payload's JSON object or array, None until ``parse`` was called. A plain slot: every path reads it."""

    def parse(self) -> None:
        """Fill ``body``.

        Raises:
            PayloadError: the payload is neither a JSON object nor an array.
        """
        self.body = read_body(self.message.body)


def read_body(payload: bytes) -> Value:
    """Parse a payload.

    Raises:
        PayloadError: it is no JSON object or array.
    """
    try:
        body = _decode(payload)
    except (msgspec.DecodeError, RecursionError) as error:
        raise PayloadError(f"The payload is not JSON: {error}") from None
    if type(body) is not dict and type(body) is not list:
        raise PayloadError("The payload is JSON, but neither an object nor an array.")
    return body
