"""What a thing model must satisfy, whichever text it came from.

Source: guide, "Data structure of ThingModelJson", the TSL rules and the table of limits.
"""

from __future__ import annotations

from thingplane.things.model.failures import ModelError, Reason
from thingplane.things.model.limits import DEFAULT_LIMITS, ModelLimits
from thingplane.things.model.naming import check_block, check_description, check_identifier, check_name
from thingplane.things.model.type_rules import check_type
from thingplane.things.model.types import Feature, Parameter, ThingModel


def check_model(model: ThingModel, limits: ModelLimits = DEFAULT_LIMITS) -> None:
    """Checks a whole module.

    Raises:
        ModelError: the first rule that is broken, with the place.
    """
    if model.block:
        check_block(model.block, limits)
    if model.feature_count > limits.features:
        raise ModelError("", f"a module has at most {limits.features} features", Reason.CONFLICT)
    for index, prop in enumerate(model.properties):
        path = f"properties[{index}]"
        _check_feature(prop, path, limits)
        check_type(prop.type, f"{path}.dataSpecs", limits)
    for index, event in enumerate(model.events):
        path = f"events[{index}]"
        _check_feature(event, path, limits)
        _check_parameters(event.output, f"{path}.outputData", limits.event_outputs, limits)
    for index, service in enumerate(model.services):
        path = f"services[{index}]"
        _check_feature(service, path, limits)
        _check_parameters(service.input, f"{path}.inputParams", limits.service_inputs, limits)
        _check_parameters(service.output, f"{path}.outputParams", limits.service_outputs, limits)
    _check_unique(model)


def _check_feature(feature: Feature, path: str, limits: ModelLimits) -> None:
    check_identifier(feature.identifier, f"{path}.identifier", limits)
    check_name(feature.name, f"{path}.name", limits.name_characters)
    check_description(feature.description, f"{path}.description", limits)


def _check_parameters(parameters: tuple[Parameter, ...], path: str, most: int, limits: ModelLimits) -> None:
    if len(parameters) > most:
        raise ModelError(path, f"has more than {most} parameters")
    seen: set[str] = set()
    for index, parameter in enumerate(parameters):
        place = f"{path}[{index}]"
        check_identifier(parameter.identifier, f"{place}.identifier", limits)
        check_name(parameter.name, f"{place}.name", limits.name_characters)
        if parameter.identifier in seen:
            raise ModelError(f"{place}.identifier", f"two parameters are called {parameter.identifier}")
        seen.add(parameter.identifier)
        check_type(parameter.type, f"{place}.dataSpecs", limits)


def _check_unique(model: ThingModel) -> None:
    identifiers: set[str] = set()
    names: set[str] = set()
    for feature in (*model.properties, *model.events, *model.services):
        if feature.identifier in identifiers:
            message = f"the identifier {feature.identifier} is used by more than one feature"
            raise ModelError("", message, Reason.CONFLICT)
        if feature.name in names:
            message = f"the name {feature.name} is used by more than one feature"
            raise ModelError("", message, Reason.DUPLICATE_NAME)
        identifiers.add(feature.identifier)
        names.add(feature.name)
