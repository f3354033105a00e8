"""Validators of what devices report and of what they are asked to do.

They run for every message and touch nothing but their arguments. Identifiers of properties of custom modules are
written `module:identifier`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from thingplane.things.model.checks import Check, CheckLevel, Failure, build_check, failure, not_defined
from thingplane.things.model.types import Parameter

MAX_AHEAD_MS: Final = 24 * 60 * 60 * 1000
"""How far a reported time may lie in the future."""
PROPERTY_NOT_FOUND: Final = Failure(5092, "property not found")
NOT_AN_OBJECT: Final = Failure(460, "request parameter error")


def check_time(time: object, received: int, identifier: str) -> Failure | None:
    """Checks the time a device gives to a value.

    Args:
        time: as decoded; must be an integer of UTC milliseconds, at most 24 hours after `received`.
        received: UTC milliseconds at which the platform got the message.
        identifier: named in the failure.
    """
    if type(time) is not int or time < 0:
        return failure(6326, "time must be a number of UTC ms", identifier)
    if time > received + MAX_AHEAD_MS:
        return failure(6326, "time is more than 24 hours ahead", identifier)
    return None


class PropertyValidator:
    """Checks property reports and property settings."""

    __slots__ = ("_checks", "_writable", "level")

    def __init__(self, checks: Mapping[str, Check], writable: Mapping[str, Check], level: CheckLevel) -> None:
        """Takes prepared checks.

        Args:
            checks: check of every property by qualified identifier.
            writable: the subset that may be set.
            level: how thoroughly is checked.
        """
        self._checks = checks
        self._writable = writable
        self.level = level

    def __contains__(self, identifier: str) -> bool:
        """Whether the model has this property."""
        return identifier in self._checks

    def check_post(self, params: Mapping[str, object], received: int) -> dict[str, Failure] | None:
        """Checks a property report.

        Args:
            params: identifier to bare value or to `{"value": …, "time": UTC ms}`; time is optional.
            received: UTC milliseconds at which the platform got the message.

        Returns:
            None when every member is valid, otherwise the failures by identifier.
        """
        if self.level is CheckLevel.NONE:
            return None
        failures: dict[str, Failure] | None = None
        find = self._checks.get
        for identifier, value in params.items():
            check = find(identifier)
            if check is None:
                refused: Failure | None = PROPERTY_NOT_FOUND
            # No struct member may be called value, so the key tells the two forms apart.
            elif type(value) is dict and "value" in value:
                time = value.get("time")
                # A call less for the usual case.
                if time is None or (type(time) is int and 0 <= time <= received):
                    refused = check(value["value"])
                else:
                    refused = check_time(time, received, identifier) or check(value["value"])
            else:
                refused = check(value)
            if refused is not None:
                if failures is None:
                    failures = {}
                failures[identifier] = refused
        return failures

    def check_set(self, params: Mapping[str, object]) -> Failure | None:
        """Checks values the platform is asked to set: known, writable, bare and valid.

        Returns:
            None, or the first failure. A property that can only be read is not a parameter of the generated
            service `set` and fails as such (6304), also where the data of devices is not checked.
        """
        unchecked = self.level is CheckLevel.NONE
        for identifier, value in params.items():
            check = self._writable.get(identifier)
            if check is None and identifier in self._checks:
                return not_defined(identifier)
            if unchecked:
                continue
            if check is None:
                return PROPERTY_NOT_FOUND
            refused = check(value)
            if refused is not None:
                return refused
        return None


class ParameterValidator:
    """Checks the parameters of an event or of one direction of a service."""

    __slots__ = ("_checks", "_required", "level")

    def __init__(self, checks: Mapping[str, Check], level: CheckLevel, *, complete: bool) -> None:
        """Takes prepared checks.

        Args:
            checks: check of every parameter by identifier.
            level: how thoroughly is checked.
            complete: whether every parameter must be present.
        """
        self._checks = checks
        self._required = tuple(checks) if complete else ()
        self.level = level

    def check(self, value: object) -> Failure | None:
        """The first failure of a parameter object, None when it is valid."""
        failures = self.check_each(value)
        return None if failures is None else next(iter(failures.values()))

    def check_each(self, value: object) -> dict[str, Failure] | None:
        """Checks a parameter object.

        Returns:
            None when every parameter is valid, otherwise the failures by identifier. A value that is no object has
            the single failure 460 under the empty identifier.
        """
        if self.level is CheckLevel.NONE:
            return None
        if type(value) is not dict:
            return {"": NOT_AN_OBJECT}
        failures: dict[str, Failure] = {}
        for identifier, member in value.items():
            check = self._checks.get(identifier)
            refused = not_defined(identifier) if check is None else check(member)
            if refused is not None:
                failures[identifier] = refused
        for identifier in self._required:
            if identifier not in value:
                failures[identifier] = failure(6302, "required param is missing", identifier)
        return failures or None


def parameter_validator(
    parameters: Iterable[Parameter], level: CheckLevel, *, complete: bool = False
) -> ParameterValidator:
    """Builds the validator of a parameter list; `complete` demands every parameter."""
    checks = {
        parameter.identifier: build_check(parameter.type, parameter.identifier, level) for parameter in parameters
    }
    return ParameterValidator(checks, level, complete=complete)
