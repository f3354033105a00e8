"""The ShadowMessage of UpdateDeviceShadow (guide 4.16.2)."""

from typing import Any

import msgspec

from thingplane.cloud import ErrorCode
from thingplane.shadows import errors
from thingplane.shadows.document import FORCED, KEEP, MAX_SIZE, MAX_VERSION, Change, Edit, Reason, ShadowError

_CODES = {
    Reason.VERSION: errors.INVALID_VERSION_VALUE,
    Reason.TOO_MANY_DESIRED: errors.TOO_MANY_ELEMENT_IN_DESIRE,
    Reason.TOO_MANY_REPORTED: errors.TOO_MANY_ELEMENT_IN_REPORT,
    Reason.TOO_LARGE: errors.SHADOW_MESSAGE_LENGTH_IS_LARGE,
    Reason.TOO_DEEP: errors.UPDATE_DEVICE_SHADOW_MESSAGE_FAILED,
}

_decode = msgspec.json.Decoder(dict[str, Any]).decode


def read_shadow_message(text: str, *, delta: bool) -> Change:
    """Return what an application wants.

    ``state.desired`` is needed unless there is ``state.reported``, which an application may send too, on behalf of a
    device that does not report by itself. The text ``"null"`` in the place of either clears it.

    Args:
        text: JSON text of method, state and version.
        delta: whether what is desired is merged into what was before, else takes its place.

    Raises:
        BusinessError: the code of the guide for the first mistake.
    """
    if len(text.encode()) > MAX_SIZE:
        raise errors.SHADOW_MESSAGE_LENGTH_IS_LARGE()
    try:
        message = _decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise errors.SHADOW_MESSAGE_IS_NOT_JSON() from error
    method, state = message.get("method"), message.get("state")
    if method is None or method == "":
        raise errors.NOT_FOUND_METHOD()
    if method != "update":
        raise errors.METHOD_VALUE_IS_NOT_UPDATE()
    if state is None or state == "":
        raise errors.NOT_FOUND_STATE()
    if not isinstance(state, dict):
        raise errors.SHADOW_MESSAGE_IS_NOT_JSON("The state of the shadow is not a JSON object.")
    version = _version(message.get("version"))
    if "desired" not in state and "reported" not in state:
        raise errors.NOT_FOUND_DESIRE()
    return Change(version, _desired(state, delta=delta), _reported(state))


def refusal_code(error: ShadowError) -> ErrorCode:
    """Return the documented code of a change that a shadow does not accept."""
    return _CODES[error.reason]


def _version(version: object) -> int:
    if version is None or version == "":
        raise errors.NOT_FOUND_VERSION()
    # type() instead of isinstance(): true is no version.
    if type(version) is not int or not FORCED <= version <= MAX_VERSION:
        raise errors.INVALID_VERSION_VALUE("The version of a shadow is a whole number; -1 overrides the present one.")
    return version


def _desired(state: dict[str, Any], *, delta: bool) -> Edit:
    if "desired" not in state:
        return KEEP
    desired = state["desired"]
    if desired is None or desired == "":
        raise errors.DESIRE_VALUE_IS_NULL()
    if desired == "null":
        return Edit({}, clears=True)
    if not isinstance(desired, dict):
        raise errors.DESIRE_INFO_IS_NOT_JSON()
    if not desired:
        raise errors.NONE_ELEMENT_IN_DESIRE()
    if not _is_complete(desired):
        raise errors.ELEMENT_IS_NULL_IN_DESIRE()
    return Edit(desired, clears=not delta)


def _reported(state: dict[str, Any]) -> Edit:
    if "reported" not in state:
        return KEEP
    reported = state["reported"]
    if reported == "null":
        return Edit({}, clears=True)
    if not isinstance(reported, dict):
        raise errors.REPORT_IS_NOT_JSON()
    if not reported:
        raise errors.NONE_ELEMENT_IN_REPORT()
    if not _is_complete(reported):
        raise errors.ELEMENT_IS_NULL_IN_REPORT()
    return Edit(reported)


def _is_complete(part: dict[str, Any]) -> bool:
    """Tell whether every attribute has a name and a value."""
    layer = [part]
    while layer:
        if any(not name or value is None for item in layer for name, value in item.items()):
            return False
        layer = [value for item in layer for value in item.values() if isinstance(value, dict)]
    return True
