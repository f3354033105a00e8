"""A product's thing model, ready for use: definitions by qualified identifier and their validators.

Compiled when a model is published or a product's check level changes. Identifiers of features of custom modules are
written `module:identifier` throughout.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from thingplane.things.model.checks import Check, CheckLevel, Failure, build_check
from thingplane.things.model.types import EMPTY, AccessMode, CallType, Event, Property, Service, ThingModel
from thingplane.things.model.validator import ParameterValidator, PropertyValidator, parameter_validator


@dataclass(frozen=True, slots=True)
class CompiledEvent:
    """An event and the validator of its output."""

    definition: Event
    output: ParameterValidator


@dataclass(frozen=True, slots=True)
class CompiledService:
    """A service and the validators of its input and output."""

    definition: Service
    input: ParameterValidator
    output: ParameterValidator

    @property
    def call_type(self) -> CallType:
        """Whether a call waits for the device."""
        return self.definition.call_type


class CompiledModel:
    """All modules of one version of a product's thing model.

    Attributes:
        modules: default module first, then the custom modules.
        version: name of the published version, None when nothing is published.
        level: how thoroughly messages are checked.
        properties: validator of property reports and settings.
        definitions: properties by qualified identifier, in the order of the model.
    """

    __slots__ = ("_events", "_services", "definitions", "level", "modules", "properties", "version")

    def __init__(self, modules: Iterable[ThingModel], level: CheckLevel, version: str | None = None) -> None:
        """Compiles the modules."""
        self.modules = tuple(modules)
        self.level = level
        self.version = version
        definitions: dict[str, Property] = {}
        checks: dict[str, Check] = {}
        writable: dict[str, Check] = {}
        self._events: dict[str, CompiledEvent] = {}
        self._services: dict[str, CompiledService] = {}
        for module in self.modules:
            for prop in module.properties:
                identifier = module.qualified(prop.identifier)
                definitions[identifier] = prop
                checks[identifier] = build_check(prop.type, identifier, level)
                if prop.access is not AccessMode.READ:
                    writable[identifier] = checks[identifier]
            for event in module.events:
                output = parameter_validator(event.output, level)
                self._events[module.qualified(event.identifier)] = CompiledEvent(event, output)
            for service in module.services:
                self._services[module.qualified(service.identifier)] = CompiledService(
                    service,
                    parameter_validator(service.input, level, complete=level is CheckLevel.STRONG),
                    parameter_validator(service.output, level),
                )
        self.definitions: Mapping[str, Property] = MappingProxyType(definitions)
        self.properties = PropertyValidator(checks, writable, level)

    @property
    def model(self) -> ThingModel:
        """The default module."""
        return next((module for module in self.modules if module.block is None), EMPTY)

    def check_desired(self, values: Mapping[str, object]) -> Failure | None:
        """Checks values that are desired: of the data type and within the range of the definition (guide 4.11.9).

        How thoroughly the data of devices is checked does not matter, unless it is not checked at all. Nothing is
        compiled for it: few values are desired at a time.

        Args:
            values: by qualified identifiers of the model.
        """
        if self.level is CheckLevel.NONE:
            return None
        for identifier, value in values.items():
            failure = build_check(self.definitions[identifier].type, identifier, CheckLevel.STRONG)(value)
            if failure is not None:
                return failure
        return None

    def event(self, identifier: str) -> CompiledEvent | None:
        """An event by qualified identifier."""
        return self._events.get(identifier)

    def service(self, identifier: str) -> CompiledService | None:
        """A service by qualified identifier."""
        return self._services.get(identifier)
