"""The document of a shadow, and how it changes (device-protocol reference, 6).

Objects merge member by member, everything else, arrays too, is replaced as a whole; the value null or the text
``"null"`` takes a member away. Each attribute has the time of its last change, in epoch seconds, in a tree of the same
shape.
"""

from enum import Enum
from typing import Any, Final, NamedTuple

import msgspec

MAX_SIZE: Final = 16 * 1024
"""Bytes of a message, and of the state that a shadow keeps."""
MAX_ATTRIBUTES: Final = 128
"""Attributes of either part, counting those inside objects."""
MAX_DEPTH: Final = 5
"""Levels of objects and arrays inside either part, which itself is the first."""
MAX_VERSION: Final = 2**63 - 1
FORCED: Final = -1
"""Version of a request that is accepted whatever the shadow's version is, and sets that back to 0."""


class Reason(Enum):
    """Why a change is refused."""

    VERSION = "version"
    TOO_MANY_DESIRED = "too many desired"
    TOO_MANY_REPORTED = "too many reported"
    TOO_LARGE = "too large"
    TOO_DEEP = "too deep"


class ShadowError(Exception):
    """A change that a shadow does not accept; nothing has changed."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Part(msgspec.Struct):
    """Either part of a shadow: what is desired, or what was reported."""

    values: dict[str, Any] = msgspec.field(default_factory=dict)
    times: dict[str, Any] = msgspec.field(default_factory=dict)
    """For each attribute ``{"timestamp": seconds}``, inside objects as deep as they are."""


class Shadow(msgspec.Struct):
    """What the platform keeps of a device."""

    version: int = 0
    updated_at: int = 0
    """Epoch milliseconds of the last change; 0 for a shadow that was never written."""
    desired: Part = msgspec.field(default_factory=Part)
    reported: Part = msgspec.field(default_factory=Part)

    @property
    def state(self) -> dict[str, Any]:
        """The parts that have attributes."""
        return {name: part.values for name, part in self._parts() if part.values}

    @property
    def metadata(self) -> dict[str, Any]:
        """The times of the parts that have attributes."""
        return {name: part.times for name, part in self._parts() if part.values}

    def _parts(self) -> tuple[tuple[str, Part], ...]:
        return ("reported", self.reported), ("desired", self.desired)


class Edit(NamedTuple):
    """What happens to one part."""

    values: dict[str, Any]
    """Merged into the part."""
    clears: bool = False
    """Whether what was there goes away before."""

    def __bool__(self) -> bool:
        return self.clears or bool(self.values)


KEEP: Final = Edit({})


class Change(NamedTuple):
    """What a request wants."""

    version: int | None
    """The version that the shadow gets; None: the next one."""
    desired: Edit = KEEP
    reported: Edit = KEEP


def apply(shadow: Shadow, change: Change, now: int) -> None:
    """Change a shadow that is the caller's own; of no use any more when this raises.

    Args:
        shadow: what is changed.
        change: how.
        now: epoch milliseconds.

    Raises:
        ShadowError: the version is not above the shadow's, or the result would exceed a limit.
    """
    version = _next_version(shadow.version, change.version)
    for part, edit in ((shadow.desired, change.desired), (shadow.reported, change.reported)):
        if _depth(edit.values) > MAX_DEPTH:
            raise ShadowError(Reason.TOO_DEEP, f"a shadow has at most {MAX_DEPTH} levels")
        if edit.clears:
            part.values.clear()
            part.times.clear()
        _merge(part.values, part.times, edit.values, now // 1000)
    if _attributes(shadow.desired.values) > MAX_ATTRIBUTES:
        raise ShadowError(Reason.TOO_MANY_DESIRED, f"more than {MAX_ATTRIBUTES} desired attributes")
    if _attributes(shadow.reported.values) > MAX_ATTRIBUTES:
        raise ShadowError(Reason.TOO_MANY_REPORTED, f"more than {MAX_ATTRIBUTES} reported attributes")
    if len(msgspec.json.encode(shadow.state)) > MAX_SIZE:
        raise ShadowError(Reason.TOO_LARGE, f"a shadow has at most {MAX_SIZE} bytes")
    shadow.version = version
    shadow.updated_at = now


def is_null(value: object) -> bool:
    """Tell whether a value takes away what it stands for."""
    return value is None or value == "null"


def _next_version(present: int, wanted: int | None) -> int:
    if wanted == FORCED:
        return 0
    version = present + 1 if wanted is None else wanted
    if not present < version <= MAX_VERSION:
        raise ShadowError(Reason.VERSION, f"shadow version conflict, it is {present}")
    return version


def _merge(values: dict[str, Any], times: dict[str, Any], changes: dict[str, Any], at: int) -> None:
    for name, value in changes.items():
        if is_null(value):
            values.pop(name, None)
            times.pop(name, None)
        elif type(value) is dict and value:
            present = values.get(name)
            if type(present) is not dict or not present:
                # What was there is no object: nothing of its time may mix with those of the new members.
                values[name], times[name] = {}, {}
            _merge(values[name], times[name], value, at)
            if not values[name]:
                del values[name], times[name]
        elif type(value) is not dict or type(values.get(name)) is not dict:
            values[name], times[name] = value, {"timestamp": at}


def _depth(value: Any) -> int:
    depth = 0
    layer = [value]
    while layer := [item for item in layer if type(item) in {dict, list}]:
        depth += 1
        layer = [member for item in layer for member in (item.values() if type(item) is dict else item)]
    return depth


def _attributes(values: dict[str, Any]) -> int:
    return sum(_attributes(value) if type(value) is dict and value else 1 for value in values.values())
