"""Validators compiled from a thing model.

`compile_model` is called when a model is published or a check level changes; the validators run for every message and
touch nothing but their arguments. Identifiers of custom modules are written `module:identifier` throughout.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from thingplane.things.model.checks import Check, CheckLevel, Failure, build_check, failure, not_defined
from thingplane.things.model.types import AccessMode, Parameter, ThingModel

__all__ = [
    "MAX_AHEAD_MS",
    "PROPERTY_NOT_FOUND",
    "CheckLevel",
    "Failure",
    "ModelValidator",
    "ParameterValidator",
    "PropertyValidator",
    "compile_model",
]

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
                refused = None if time is None else check_time(time, received, identifier)
                if refused is None:
                    refused = check(value["value"])
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
            service `set` and fails as such (6304).
        """
        if self.level is CheckLevel.NONE:
            return None
        for identifier, value in params.items():
            check = self._writable.get(identifier)
            if check is None:
                return not_defined(identifier) if identifier in self._checks else PROPERTY_NOT_FOUND
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


class ModelValidator:
    """All validators of a product's model."""

    __slots__ = ("_events", "_inputs", "_outputs", "level", "properties")

    def __init__(self, modules: Iterable[ThingModel], level: CheckLevel) -> None:
        """Compiles the modules of one product."""
        checks: dict[str, Check] = {}
        writable: dict[str, Check] = {}
        self._events: dict[str, ParameterValidator] = {}
        self._inputs: dict[str, ParameterValidator] = {}
        self._outputs: dict[str, ParameterValidator] = {}
        strong = level is CheckLevel.STRONG
        for module in modules:
            for prop in module.properties:
                identifier = module.qualified(prop.identifier)
                checks[identifier] = build_check(prop.type, identifier, level)
                if prop.access is not AccessMode.READ:
                    writable[identifier] = checks[identifier]
            for event in module.events:
                self._events[module.qualified(event.identifier)] = _parameters(event.output, level, complete=False)
            for service in module.services:
                identifier = module.qualified(service.identifier)
                self._inputs[identifier] = _parameters(service.input, level, complete=strong)
                self._outputs[identifier] = _parameters(service.output, level, complete=False)
        self.level = level
        self.properties = PropertyValidator(checks, writable, level)

    def event(self, identifier: str) -> ParameterValidator | None:
        """Validator of an event's output, None when the model has no such event."""
        return self._events.get(identifier)

    def service_input(self, identifier: str) -> ParameterValidator | None:
        """Validator of a service's input, None when the model has no such service."""
        return self._inputs.get(identifier)

    def service_output(self, identifier: str) -> ParameterValidator | None:
        """Validator of a service's output, None when the model has no such service."""
        return self._outputs.get(identifier)


def compile_model(modules: Iterable[ThingModel], level: CheckLevel) -> ModelValidator:
    """Compiles the validators of a product.

    Args:
        modules: the default module and the custom modules.
        level: how thoroughly messages are checked.
    """
    return ModelValidator(modules, level)


def _parameters(parameters: Iterable[Parameter], level: CheckLevel, *, complete: bool) -> ParameterValidator:
    checks = {
        parameter.identifier: build_check(parameter.type, parameter.identifier, level) for parameter in parameters
    }
    return ParameterValidator(checks, level, complete=complete)
