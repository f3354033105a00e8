"""What devices read: compact JSON, always with HTTP status 200 unless the method is wrong (device-protocol, 10.1)."""

from enum import IntEnum
from typing import Any, Final

import msgspec

from thingplane.cloud.http import CONTENT_LENGTH, Send

_JSON: Final = b"application/json;charset=utf-8"


class Code(IntEnum):
    """Codes of ``/auth`` and ``/topic``."""

    COMMON_ERROR = 10000
    PARAMETER_ERROR = 10001
    AUTHENTICATION_FAILED = 20000
    TOKEN_EXPIRED = 20001
    TOKEN_MISSING = 20002
    TOKEN_WRONG = 20003
    SESSION_ERROR = 20004
    PUBLISH_FAILED = 30001
    TOO_MANY_REQUESTS = 40000


MESSAGES: Final = {
    Code.COMMON_ERROR: "common error",
    Code.PARAMETER_ERROR: "param error",
    Code.AUTHENTICATION_FAILED: "auth check error",
    Code.TOKEN_EXPIRED: "token is expired",
    Code.TOKEN_MISSING: "token is null",
    Code.TOKEN_WRONG: "check token error",
    Code.SESSION_ERROR: "update session error",
    Code.PUBLISH_FAILED: "publish message error",
    Code.TOO_MANY_REQUESTS: "request too many",
}


class RefusedError(Exception):
    """A request that is answered with a code.

    Attributes:
        body: the answer.
    """

    def __init__(self, body: bytes) -> None:
        super().__init__(body.decode())
        self.body = body


def refused(code: Code) -> RefusedError:
    """Return the refusal of ``/auth`` and ``/topic`` with a code."""
    return RefusedError(msgspec.json.encode({"code": code, "message": MESSAGES[code]}))


def refused_registration(code: int, message: str) -> RefusedError:
    """Return the refusal of what lies below ``/auth/``."""
    return RefusedError(msgspec.json.encode({"code": code, "message": message}))


def info(content: dict[str, Any]) -> bytes:
    """Return the successful answer of ``/auth`` and ``/topic``."""
    return msgspec.json.encode({"code": 0, "message": "success", "info": content})


def data(content: dict[str, Any]) -> bytes:
    """Return the successful answer of what lies below ``/auth/``."""
    return msgspec.json.encode({"code": 200, "data": content, "message": "success"})


async def answer(send: Send, body: bytes, status: int = 200) -> None:
    """Send an answer."""
    headers = [(b"content-type", _JSON), (CONTENT_LENGTH, str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
