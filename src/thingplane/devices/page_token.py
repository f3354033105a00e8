"""NextToken of lists that go from the newest entry to the oldest: where to go on, and in which list."""

import base64
import binascii
import re

from thingplane.devices import errors

# Ids are below 2**63, but not every number of 19 digits is.
_POSITION = re.compile(rb"([0-9]{1,18}):([0-9]{1,18})")


def write_token(list_id: int, last_id: int) -> str:
    """Return the token that goes on after an entry."""
    return base64.urlsafe_b64encode(b"%d:%d" % (list_id, last_id)).decode().rstrip("=")


def read_token(list_id: int, token: str) -> int:
    """Return the id of the entry after which a list goes on.

    Raises:
        BusinessError: iot.device.PageTokenIsIllegal for a token of another list, or no token at all.
    """
    try:
        text = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        text = b""
    position = _POSITION.fullmatch(text)
    if position is None or int(position[1]) != list_id:
        raise errors.PAGE_TOKEN_IS_ILLEGAL()
    return int(position[2])
