"""CBOR in the place of JSON (device-protocol, 10.2): the platform itself knows JSON only."""

import io
from typing import Any

import msgspec

MAX_DEPTH = 32


class TranslationError(Exception):
    """What came is not CBOR, or nothing that JSON can say."""


def to_json(payload: bytes) -> bytes:
    """Return the JSON text of a CBOR item.

    Raises:
        TranslationError: it is none, or has no counterpart in JSON.
    """
    import cbor2  # noqa: PLC0415 - for the few devices that use it

    stream = io.BytesIO(payload)
    try:
        value = cbor2.CBORDecoder(stream).decode()
        if stream.read(1):
            raise TranslationError("more than one item")
        return msgspec.json.encode(_Reader(len(payload)).plain(value, 0))
    except (cbor2.CBORError, ValueError, TypeError, RecursionError, OverflowError, MemoryError) as error:
        raise TranslationError(str(error)) from error


def to_cbor(text: bytes) -> bytes:
    """Return the CBOR item that says what a JSON text says."""
    import cbor2  # noqa: PLC0415 - as above

    encoded: bytes = cbor2.dumps(msgspec.json.decode(text))
    return encoded


class _Reader:
    """Turns what was decoded into values of JSON's types."""

    def __init__(self, size: int) -> None:
        # Every value takes a byte at least, and every character one more: more than that has been said by reference
        # (tags 25 and 29), with which some hundred bytes can say gigabytes.
        self._left = size

    def plain(self, value: Any, depth: int) -> Any:
        """Return a value of JSON's types only: tags, byte strings and keys that are no text are refused."""
        self._left -= 1 + (len(value) if isinstance(value, str) else 0)
        if depth > MAX_DEPTH or self._left < 0:
            raise TranslationError("too deep" if depth > MAX_DEPTH else "references are not supported")
        if value is None or isinstance(value, bool | int | float | str):
            return value
        if isinstance(value, list):
            return [self.plain(item, depth + 1) for item in value]
        if isinstance(value, dict) and all(isinstance(name, str) for name in value):
            return {self.plain(name, depth + 1): self.plain(item, depth + 1) for name, item in value.items()}
        raise TranslationError(f"{type(value).__name__} has no counterpart in JSON")
