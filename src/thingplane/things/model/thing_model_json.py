"""ThingModelJson: the text in which the cloud API edits and returns a thing model.

Source: guide, "Data structure of ThingModelJson". Keys are in alphabetical order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from thingplane.things.model.failures import ModelError
from thingplane.things.model.json_types import read_type, render_type
from thingplane.things.model.limits import DEFAULT_LIMITS, ModelLimits
from thingplane.things.model.reader import Node, parse_object
from thingplane.things.model.rules import check_model
from thingplane.things.model.types import (
    AccessMode,
    CallType,
    Event,
    EventType,
    Feature,
    FunctionBlock,
    Parameter,
    Property,
    Service,
    ThingModel,
)

_ACCESS = {"READ_WRITE": AccessMode.READ_WRITE, "READ_ONLY": AccessMode.READ, "WRITE_ONLY": AccessMode.WRITE}
_CALL = {"ASYNC": CallType.ASYNC, "SYNC": CallType.SYNC}
_EVENT = {"INFO_EVENT_TYPE": EventType.INFO, "ALERT_EVENT_TYPE": EventType.ALERT, "ERROR_EVENT_TYPE": EventType.ERROR}
_ACCESS_WORDS = {mode: word for word, mode in _ACCESS.items()}
_EVENT_WORDS = {kind: word for word, kind in _EVENT.items()}


def parse_thing_model_json(
    text: str, block: FunctionBlock | None = None, limits: ModelLimits = DEFAULT_LIMITS
) -> ThingModel:
    """Reads and checks a ThingModelJson text.

    Lists that are absent are empty. Product keys inside the text are not looked at: the call names the product.

    Args:
        text: the JSON text.
        block: the custom module the features belong to, None for the default module.
        limits: sizes that apply.

    Raises:
        ModelError: the text is not JSON, or a rule is broken; the message names the place.
    """
    root = parse_object(text, "ThingModelJson")
    model = ThingModel(
        properties=tuple(_read_property(node) for node in root.nodes("properties")),
        events=tuple(_read_event(node) for node in root.nodes("events")),
        services=tuple(_read_service(node) for node in root.nodes("services")),
        block=block,
    )
    check_model(model, limits)
    return model


def render_thing_model_json(
    model: ThingModel,
    product_key: str | None,
    version: str | None = None,
    version_description: str | None = None,
    blocks: Sequence[FunctionBlock] = (),
) -> str:
    """Writes a module as ThingModelJson.

    Args:
        model: the module.
        product_key: the product it belongs to; None for the model of a category.
        version: version of a published model; None for a draft, which has no `_ppk`.
        version_description: what the publisher wrote about the version.
        blocks: the product's custom modules, listed with the default module.
    """
    document: dict[str, Any] = {
        **_optional("productKey", product_key),
        "properties": [_render_property(prop, product_key) for prop in model.properties],
        "events": [_render_event(event, product_key) for event in model.events],
        "services": [_render_service(service, product_key) for service in model.services],
    }
    if version is not None:
        document["_ppk"] = {"version": version, **_optional("description", version_description)}
    if model.block:
        document |= {
            "identifier": model.block.id,
            "name": model.block.name,
            "description": model.block.description or "",
        }
    elif blocks:
        document["functionBlocks"] = [
            {"productKey": product_key, "functionBlockId": block.id, "functionBlockName": block.name}
            for block in blocks
        ]
    return msgspec.json.encode(document, order="sorted").decode()


def _read_feature(node: Node, name: str) -> dict[str, Any]:
    created = node.optional_integer("createTs")
    if created is not None and not 0 <= created < 10**13:
        raise ModelError(node.at("createTs"), "must be a timestamp of up to 13 digits")
    return {
        "identifier": node.text("identifier"),
        "name": node.text(name if node.has(name) or not node.has("name") else "name"),
        "description": node.optional_text("description"),
        "required": node.flag("required", default=False),
        "custom": node.flag("custom", default=True),
        "created": created,
        "extend_config": _read_extend_config(node),
    }


def _read_extend_config(node: Node) -> str | None:
    text = node.optional_text("extendConfig")
    if not text:
        return None
    try:
        parse_object(text, "it")
    except ModelError as error:
        raise ModelError(node.at("extendConfig"), str(error)) from error
    return text


def _read_property(node: Node) -> Property:
    return Property(**_read_feature(node, "name"), type=read_type(node), access=node.choice("rwFlag", _ACCESS))


def _read_event(node: Node) -> Event:
    # The guide's table spells the list outputdata, its samples outputData.
    output = "outputData" if node.has("outputData") else "outputdata"
    return Event(
        **_read_feature(node, "eventName"),
        type=node.choice("eventType", _EVENT),
        output=_read_parameters(node, output, "PARAM_OUTPUT"),
    )


def _read_service(node: Node) -> Service:
    return Service(
        **_read_feature(node, "serviceName"),
        call_type=node.choice("callType", _CALL),
        input=_read_parameters(node, "inputParams", "PARAM_INPUT"),
        output=_read_parameters(node, "outputParams", "PARAM_OUTPUT"),
    )


def _read_parameters(node: Node, name: str, direction: str) -> tuple[Parameter, ...]:
    ordered: dict[int, Parameter] = {}
    for position, entry in enumerate(node.nodes(name)):
        if entry.has("direction") and entry.text("direction") != direction:
            raise ModelError(entry.at("direction"), f"must be {direction}")
        order = entry.integer("paraOrder") if entry.has("paraOrder") else position
        if order < 0 or order in ordered:
            raise ModelError(entry.at("paraOrder"), "must be 0 or greater and unique among the parameters")
        ordered[order] = Parameter(entry.text("identifier"), entry.text("name"), read_type(entry))
    return tuple(parameter for _, parameter in sorted(ordered.items()))


def _render_feature(feature: Feature, product_key: str | None) -> dict[str, Any]:
    return {
        **_optional("productKey", product_key),
        "identifier": feature.identifier,
        "required": feature.required,
        "custom": feature.custom,
        "customFlag": feature.custom,
        "std": not feature.custom,
        **_optional("description", feature.description),
        **_optional("createTs", feature.created),
        **_optional("extendConfig", feature.extend_config),
        **_optional("configCode", feature.config_code),
    }


def _render_property(prop: Property, product_key: str | None) -> dict[str, Any]:
    return {
        **_render_feature(prop, product_key),
        **render_type(prop.type, prop.custom),
        "name": prop.name,
        "rwFlag": _ACCESS_WORDS[prop.access],
    }


def _render_event(event: Event, product_key: str | None) -> dict[str, Any]:
    return {
        **_render_feature(event, product_key),
        "eventName": event.name,
        "eventType": _EVENT_WORDS[event.type],
        "outputData": _render_parameters(event.output, "PARAM_OUTPUT", event.custom),
    }


def _render_service(service: Service, product_key: str | None) -> dict[str, Any]:
    return {
        **_render_feature(service, product_key),
        "serviceName": service.name,
        "callType": service.call_type.upper(),
        "inputParams": _render_parameters(service.input, "PARAM_INPUT", service.custom),
        "outputParams": _render_parameters(service.output, "PARAM_OUTPUT", service.custom),
    }


def _render_parameters(parameters: tuple[Parameter, ...], direction: str, custom: bool) -> list[dict[str, Any]]:
    return [
        {
            "identifier": parameter.identifier,
            "name": parameter.name,
            "direction": direction,
            "paraOrder": order,
            "custom": custom,
            **render_type(parameter.type, custom),
        }
        for order, parameter in enumerate(parameters)
    ]


def _optional(name: str, value: object) -> dict[str, Any]:
    return {} if value is None else {name: value}
