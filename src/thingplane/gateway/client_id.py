"""The clientId of a CONNECT packet with its extended parameters (device-protocol reference, 1.3 and 1.4)."""

from typing import Final

import msgspec

from thingplane.mqtt import ConnackCode

MAX_CLIENT_ID: Final = 64
"""Characters before the first vertical bar."""


class RefusedError(Exception):
    """The connection has to be refused.

    Attributes:
        code: CONNACK code as in device-protocol 1.5 (or a reason code of MQTT 5).
        reason: short key of the cause, for metrics and logs.
    """

    def __init__(self, code: int, reason: str, detail: str = "") -> None:
        super().__init__(detail or reason)
        self.code = code
        self.reason = reason


def malformed(detail: str) -> RefusedError:
    """Return the refusal of connect parameters that make no sense."""
    return RefusedError(ConnackCode.IDENTIFIER_REJECTED, "client_id", detail)


def unauthorized(reason: str, detail: str = "") -> RefusedError:
    """Return the refusal of who is not who it says, or may not connect."""
    return RefusedError(ConnackCode.BAD_USER_NAME_OR_PASSWORD, reason, detail)


class ClientId(msgspec.Struct, frozen=True):
    """A clientId taken apart: ``{cid}|{key}={value},…|``."""

    cid: str
    parameters: dict[str, str]


def parse_client_id(text: str, *, assigned: bool = False) -> ClientId:
    """Take a clientId apart. Unknown keys and empty items are allowed; of a repeated key the last counts.

    Args:
        text: as it came.
        assigned: whether the cid may be empty, since MQTT 5 clients may want one assigned.

    Raises:
        RefusedError: code 2; no cid or a too long one, an item without ``=``, or text after the second bar.
    """
    cid, bar, rest = text.partition("|")
    if len(cid) > MAX_CLIENT_ID or not (cid or assigned):
        raise malformed(f"the part before the bar must have 1 to {MAX_CLIENT_ID} characters")
    parameters: dict[str, str] = {}
    if bar:
        listing, end, surplus = rest.partition("|")
        if not end or surplus:
            raise malformed("extended parameters must end with a bar")
        for item in listing.split(","):
            key, equals, value = item.partition("=")
            if equals and key:
                parameters[key] = value
            elif item:
                raise malformed("an extended parameter has no key or no value")
    return ClientId(cid, parameters)
