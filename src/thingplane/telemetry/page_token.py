"""NextPageToken of the queries of original data: where to go on, and in which list."""

import base64
import binascii
import zlib
from typing import Any, Final

import msgspec

from thingplane.cloud import ErrorCode
from thingplane.devices.errors import PAGE_TOKEN_IS_ILLEGAL

_MESSAGE: Final = "The NextPageToken is not one of this list."

Scope = tuple[str | int, ...]
"""What makes a list: another device, identifier or order is another list."""


def write_token(scope: Scope, position: Any) -> str:
    """Return the token of a position in a list, which must be JSON."""
    text = msgspec.json.encode((_check_sum(scope), position))
    return base64.urlsafe_b64encode(text).decode().rstrip("=")


def read_token(scope: Scope, token: str, kind: Any) -> Any:
    """Return the position that a token stands for.

    Args:
        scope: the list that is asked for.
        token: what the caller sends.
        kind: type of the position.

    Raises:
        BusinessError: iot.device.PageTokenIsIllegal for a token of another list, or no token at all.
    """
    illegal: ErrorCode = PAGE_TOKEN_IS_ILLEGAL
    try:
        text = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        check_sum, position = msgspec.json.decode(text, type=tuple[int, kind])
    except (binascii.Error, ValueError, RecursionError) as error:
        raise illegal(_MESSAGE) from error
    if check_sum != _check_sum(scope):
        raise illegal(_MESSAGE)
    return position


def _check_sum(scope: Scope) -> int:
    return zlib.crc32(msgspec.json.encode(scope))
