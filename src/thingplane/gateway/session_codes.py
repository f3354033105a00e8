"""What gateways are told about the sessions of their sub-devices (device-protocol reference, 3.2, 4.4 and 4.6)."""

from enum import IntEnum
from typing import Any, Final

import msgspec


class SessionCode(IntEnum):
    """Codes of replies on ``/ext/session/…``, and of what comes unasked on ``/ext/error/…``."""

    SUCCESS = 200
    ELSEWHERE = 427
    """The sub-device has connected in another way."""
    TOO_MANY = 428
    TOO_OFTEN = 429
    PARAMETER_ERROR = 460
    NO_SESSION = 520
    DELETED = 521
    DISABLED = 522
    NOT_FOUND = 6100
    INVALID_SIGN = 6287
    NO_RELATION = 6401


MESSAGES: Final[dict[int, str]] = {
    SessionCode.SUCCESS: "success",
    SessionCode.ELSEWHERE: "device connect in elsewhere",
    SessionCode.TOO_MANY: "too many subdevices under gateway",
    SessionCode.TOO_OFTEN: "rate limit, too many requests",
    SessionCode.PARAMETER_ERROR: "request parameter error",
    SessionCode.NO_SESSION: "device no session",
    SessionCode.DELETED: "device deleted",
    SessionCode.DISABLED: "device forbidden",
    SessionCode.NOT_FOUND: "device not found",
    SessionCode.INVALID_SIGN: "invalid sign",
    SessionCode.NO_RELATION: "topo relation not exist",
}


def named(product_key: str, device_name: str) -> dict[str, str]:
    """Return how messages name a device."""
    return {"productKey": product_key, "deviceName": device_name}


def session_message(code: SessionCode, data: Any, request_id: bytes = b'"0"') -> bytes:
    """Return a message; the SDK for C searches the text for the first id and code, so they come first."""
    encode = msgspec.json.encode
    return b'{"id":%b,"code":%d,"message":%b,"data":%b}' % (request_id, code, encode(MESSAGES[code]), encode(data))


def error_topic(identity: str) -> str:
    """Return where a gateway with this identity learns of errors."""
    return "/ext/error" + identity
