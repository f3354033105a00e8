"""Requests of the platform to devices."""

from typing import Final

import msgspec

IDS: Final = 2**31
"""Ids are below this: the SDK for C reads 32 bits, and sample scripts of data formats read those with a sign."""


def request_id(message_id: int) -> int:
    """Return the end of a message id, which is short enough for devices."""
    return message_id % IDS


def write_request(message_id: int, method: str, params: bytes) -> bytes:
    """Return a request.

    Args:
        message_id: of the message; a part of it becomes the id that the device repeats in its reply.
        method: such as ``thing.service.property.set``.
        params: JSON text.
    """
    # The SDK for C searches the text for the first "id", "method" …: params, which may hold such words, come last.
    head = b'{"id":"%d","version":"1.0","method":%b,"params":%b}'
    return head % (request_id(message_id), msgspec.json.encode(method), params)
