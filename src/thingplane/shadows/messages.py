"""What devices get on ``/shadow/get`` (device-protocol reference, 6). Timestamps are epoch seconds.

The payload, which holds names of the device's own, comes last: the vendor's SDK for C searches the text for the first
``"version"`` and the like.
"""

from typing import Any

import msgspec

from thingplane.shadows.document import Shadow


def topic(product_key: str, name: str) -> str:
    """Return the topic of answers and pushes."""
    return f"/shadow/get/{product_key}/{name}"


def changed(shadow: Shadow, now: int, token: bytes) -> bytes:
    """Return the answer to an update or delete."""
    return _message("reply", now, {"status": "success", "version": shadow.version}, token)


def fetched(shadow: Shadow, now: int, token: bytes) -> bytes:
    """Return the answer to a get."""
    return _message("reply", now, _content(shadow), token, shadow.version)


def refused(code: int, message: str, now: int, token: bytes) -> bytes:
    """Return the answer to a request that was refused."""
    content = {"errorcode": str(code), "errormessage": message}
    return _message("reply", now, {"status": "error", "content": content}, token)


def control(shadow: Shadow, now: int) -> bytes:
    """Return the push that tells a device what is desired."""
    return _message("control", now, _content(shadow), b"", shadow.version)


def document(shadow: Shadow) -> str:
    """Return the shadow as applications get it (guide 4.16.1); one that was never written has no timestamp."""
    content: dict[str, Any] = {"method": "update", "state": shadow.state, "metadata": shadow.metadata}
    if shadow.updated_at:
        content["timestamp"] = shadow.updated_at // 1000
    return msgspec.json.encode(content | {"version": shadow.version}).decode()


def _content(shadow: Shadow) -> dict[str, Any]:
    return {"status": "success", "state": shadow.state, "metadata": shadow.metadata}


def _message(method: str, now: int, payload: dict[str, Any], token: bytes, version: int | None = None) -> bytes:
    message: dict[str, Any] = {"method": method}
    if version is not None:
        message["version"] = version
    message["timestamp"] = now // 1000
    if token:
        message["clientToken"] = msgspec.Raw(token)
    return msgspec.json.encode(message | {"payload": payload})
