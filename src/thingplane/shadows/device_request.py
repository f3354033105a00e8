"""What devices say on ``/shadow/update`` (device-protocol reference, 6)."""

from typing import Any, Final, Literal

import msgspec

from thingplane.shadows.document import FORCED, KEEP, MAX_SIZE, MAX_VERSION, Change, Edit, Reason, ShadowError, is_null

_Method = Literal["get", "update", "delete"]

_CODES: Final = {
    Reason.VERSION: 409,
    Reason.TOO_MANY_DESIRED: 408,
    Reason.TOO_MANY_REPORTED: 408,
    Reason.TOO_LARGE: 400,
    Reason.TOO_DEEP: 400,
}


class RefusedError(Exception):
    """A request that is answered with an error."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        """errorcode of the answer."""
        self.message = message


class DeviceRequest(msgspec.Struct):
    """One request of a device, as far as it was understood."""

    token: bytes = b""
    """JSON text of its clientToken, which the answer repeats; empty without one."""
    change: Change | None = None
    """None: the device only asks for its shadow."""


class _Envelope(msgspec.Struct):
    method: Any = None
    state: Any = None
    version: Any = None
    clientToken: msgspec.Raw = msgspec.Raw(b"")


_decode = msgspec.json.Decoder(_Envelope).decode


def read_request(payload: bytes, request: DeviceRequest) -> None:
    """Fill a request with what a payload says.

    Raises:
        RefusedError: with the errorcode of its first mistake; the token is filled in all the same if it was readable.
    """
    if not payload.strip():
        raise RefusedError(407, "shadow content is empty")
    if len(payload) > MAX_SIZE:
        raise RefusedError(400, f"a shadow message has at most {MAX_SIZE} bytes")
    try:
        envelope = _decode(payload)
        token = bytes(envelope.clientToken)
        token.decode()  # it was skipped over without a look at its encoding
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RefusedError(400, "shadow message is not a JSON object") from error
    request.token = token
    method = _method(envelope.method)
    if method != "get":
        request.change = _change(method, envelope)


def refusal(error: ShadowError) -> RefusedError:
    """Return how a device is told that its shadow does not accept a change."""
    return RefusedError(_CODES[error.reason], str(error))


def _method(method: object) -> _Method:
    if method is None or method == "":
        raise RefusedError(401, "shadow message has no method")
    if method == "get" or method == "update" or method == "delete":  # noqa: PLR1714 - mypy narrows nothing else
        return method
    raise RefusedError(406, "shadow method must be get, update or delete")


def _change(method: Literal["update", "delete"], envelope: _Envelope) -> Change:
    state = envelope.state
    if type(state) is not dict:
        raise RefusedError(402, "shadow message has no state")
    version = envelope.version
    if version is not None and (type(version) is not int or not FORCED <= version <= MAX_VERSION):
        raise RefusedError(403, "shadow version is not a number")
    if "reported" not in state and "desired" not in state:
        raise RefusedError(404, "shadow state has no reported part")
    removes = method == "delete"
    # An update clears what is desired, but only a delete takes away everything that was reported.
    desired = _edit(state["desired"], removes=removes, may_clear=True) if "desired" in state else KEEP
    reported = _edit(state["reported"], removes=removes, may_clear=removes) if "reported" in state else KEEP
    return Change(version, desired, reported)


def _edit(part: object, *, removes: bool, may_clear: bool) -> Edit:
    if may_clear and is_null(part):
        return Edit({}, clears=True)
    if not isinstance(part, dict) or not part:
        raise RefusedError(405, "reported and desired part of a shadow must be objects with attributes")
    if not _has_names(part):
        raise RefusedError(400, "an attribute of a shadow has an empty name")
    if removes and not _is_null_throughout(part):
        raise RefusedError(400, 'attributes to delete must have the value "null"')
    return Edit(part)


def _has_names(part: object) -> bool:
    layer = [part]
    while layer:
        if any("" in item for item in layer if isinstance(item, dict)):
            return False
        layer = [member for item in layer if isinstance(item, dict) for member in item.values()]
    return True


def _is_null_throughout(part: object) -> bool:
    layer = [part]
    while layer := [item for item in layer if not is_null(item)]:
        if not all(isinstance(item, dict) and item for item in layer):
            return False
        layer = [member for item in layer if isinstance(item, dict) for member in item.values()]
    return True
