"""A message as expressions see it."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeAlias

import msgspec

from thingplane.rules.sql.errors import PayloadError

Value: TypeAlias = Any
"""What JSON can hold: None, bool, int, float, str, list, dict."""

Evaluate: TypeAlias = Callable[["Row"], Value]
"""A compiled expression."""

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
    @property
    def properties(self) -> dict[str, object] | None: ...


class Row(msgspec.Struct, gc=False):
    """One message: what is the same for all rules that see it, so that its payload is parsed once."""

    message: Message
    now_ms: int
    """Epoch milliseconds."""
    device_type: str = ""
    """Category of the product."""
    tags: Mapping[str, str] | None = None
    """Of the device; None: no rule that sees the message asks for any."""
    body: Value = None
    """The payload's JSON object or array, None until ``parse`` was called."""

    def parse(self) -> None:
        """Fill ``body``.

        Raises:
            PayloadError: the payload is neither a JSON object nor an array.
        """
        try:
            body = _decode(self.message.body)
        except (msgspec.DecodeError, RecursionError) as error:
            raise PayloadError(f"The payload is not JSON: {error}") from None
        kind = type(body)
        if kind is not dict and kind is not list:
            raise PayloadError("The payload is JSON, but neither an object nor an array.")
        self.body = body
