"""TSL: the text in which applications and devices read a thing model.

Source: guide, GetThingModelTsl and ImportThingModelTsl; vendor page "TSL fields". The event `post` and the services
`set` and `get` are not features of a model: they are generated when it is written and skipped when it is read.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from thingplane.things.model.failures import ModelError, Reason
from thingplane.things.model.limits import DEFAULT_LIMITS, ModelLimits
from thingplane.things.model.reader import Node, parse_object
from thingplane.things.model.rules import check_model
from thingplane.things.model.tsl_types import read_type, render_type
from thingplane.things.model.types import (
    AccessMode,
    CallType,
    Event,
    EventType,
    FunctionBlock,
    Parameter,
    Property,
    Service,
    ThingModel,
)

SCHEMA: Final = "https://iotx-tsl.oss-ap-southeast-1.aliyuncs.com/schema.json"
"""Value of `schema`, which names the document's format; clients compare it, nothing fetches it."""

_ACCESS = {mode.value: mode for mode in AccessMode}
_CALL = {call.value: call for call in CallType}
_EVENT = {kind.value: kind for kind in EventType}


def parse_tsl(text: str, block: FunctionBlock | None = None, limits: ModelLimits = DEFAULT_LIMITS) -> ThingModel:
    """Reads and checks a TSL text.

    Args:
        text: the JSON text.
        block: the custom module the features belong to, None for the default module.
        limits: sizes that apply.

    Raises:
        ModelError: the text is not JSON, too large, or a rule is broken; the message names the place.
    """
    root = parse_object(text, "TSL")
    model = ThingModel(
        properties=tuple(_read_property(node) for node in root.nodes("properties")),
        events=tuple(_read_event(node) for node in root.nodes("events") if node.text("identifier") != "post"),
        services=tuple(
            _read_service(node) for node in root.nodes("services") if node.text("identifier") not in {"set", "get"}
        ),
        block=block,
    )
    check_model(model, limits)
    return model


def tsl_document(
    model: ThingModel,
    product_key: str,
    version: str | None = None,
    blocks: Sequence[FunctionBlock] = (),
    *,
    simple: bool = False,
) -> dict[str, Any]:
    """Builds the TSL of a module as JSON data.

    Args:
        model: the module.
        product_key: the product it belongs to.
        version: version of a published model, None for a draft.
        blocks: the product's custom modules, listed with the default module.
        simple: only identifiers and data types, for devices with little memory.
    """
    profile = {"productKey": product_key}
    if version is not None:
        profile["version"] = version
    document: dict[str, Any] = {"schema": SCHEMA, "profile": profile}
    if model.block:
        document |= {"functionBlockId": model.block.id, "functionBlockName": model.block.name}
    elif blocks:
        document["functionBlocks"] = [
            {"functionBlockId": block.id, "functionBlockName": block.name, "productKey": product_key}
            for block in blocks
        ]
    every = _render_parameters(model.properties, simple=simple)
    writable = _render_parameters([p for p in model.properties if p.access is not AccessMode.READ], simple=simple)
    readable = [p.identifier for p in model.properties]
    document["properties"] = [_render_property(prop, simple=simple) for prop in model.properties]
    document["events"] = [
        _generated(
            {"identifier": "post", "name": "post", "type": "info", "required": True, "desc": "Property report"},
            "thing.event.property.post",
            {"outputData": every},
            simple=simple,
        ),
        *(_render_event(event, model, simple=simple) for event in model.events),
    ]
    document["services"] = [
        _generated(
            {"identifier": "set", "name": "set", "required": True, "callType": "async", "desc": "Property setting"},
            "thing.service.property.set",
            {"inputData": writable, "outputData": []},
            simple=simple,
        ),
        _generated(
            {"identifier": "get", "name": "get", "required": True, "callType": "async", "desc": "Property reading"},
            "thing.service.property.get",
            {"inputData": readable, "outputData": every},
            simple=simple,
        ),
        *(_render_service(service, model, simple=simple) for service in model.services),
    ]
    return document


def render_tsl(
    model: ThingModel,
    product_key: str,
    version: str | None = None,
    blocks: Sequence[FunctionBlock] = (),
    *,
    simple: bool = False,
) -> str:
    """Writes the TSL of a module as JSON text. Arguments as for `tsl_document`."""
    return msgspec.json.encode(tsl_document(model, product_key, version, blocks, simple=simple)).decode()


def check_size(model: ThingModel, limits: ModelLimits = DEFAULT_LIMITS) -> None:
    """Checks that the TSL text of a module with its extended configurations is not larger than allowed.

    Raises:
        ModelError: it is, with `Reason.TOO_LARGE`.
    """
    size = len(msgspec.json.encode(tsl_document(model, "")))
    features = (*model.properties, *model.events, *model.services)
    size += sum(len(feature.extend_config.encode()) for feature in features if feature.extend_config)
    if size > limits.document_bytes:
        message = f"the TSL text would have {size} bytes, {limits.document_bytes} are allowed"
        raise ModelError("", message, Reason.TOO_LARGE)


def _read_feature(node: Node) -> dict[str, Any]:
    return {
        "identifier": node.text("identifier"),
        "name": node.text("name"),
        "description": node.optional_text("desc") or None,
        "required": node.flag("required", default=False),
    }


def _read_property(node: Node) -> Property:
    return Property(
        **_read_feature(node), type=read_type(node.node("dataType")), access=node.choice("accessMode", _ACCESS)
    )


def _read_event(node: Node) -> Event:
    return Event(**_read_feature(node), type=node.choice("type", _EVENT), output=_read_parameters(node, "outputData"))


def _read_service(node: Node) -> Service:
    return Service(
        **_read_feature(node),
        call_type=node.choice("callType", _CALL),
        input=_read_parameters(node, "inputData"),
        output=_read_parameters(node, "outputData"),
    )


def _read_parameters(node: Node, name: str) -> tuple[Parameter, ...]:
    return tuple(
        Parameter(entry.text("identifier"), entry.text("name"), read_type(entry.node("dataType")))
        for entry in node.nodes(name)
    )


def _generated(head: dict[str, Any], method: str, data: dict[str, Any], *, simple: bool) -> dict[str, Any]:
    return {"identifier": head["identifier"], **data} if simple else {**head, "method": method, **data}


def _described(description: str | None) -> dict[str, str]:
    return {"desc": description} if description else {}


def _render_property(prop: Property, *, simple: bool) -> dict[str, Any]:
    if simple:
        return {"identifier": prop.identifier, "dataType": render_type(prop.type)}
    return {
        "identifier": prop.identifier,
        "name": prop.name,
        "accessMode": prop.access.value,
        "required": prop.required,
        **_described(prop.description),
        "dataType": render_type(prop.type),
    }


def _render_event(event: Event, model: ThingModel, *, simple: bool) -> dict[str, Any]:
    output = _render_parameters(event.output, simple=simple)
    if simple:
        return {"identifier": event.identifier, "outputData": output}
    return {
        "identifier": event.identifier,
        "name": event.name,
        "type": event.type.value,
        "required": event.required,
        **_described(event.description),
        "method": f"thing.event.{model.qualified(event.identifier)}.post",
        "outputData": output,
    }


def _render_service(service: Service, model: ThingModel, *, simple: bool) -> dict[str, Any]:
    data = {
        "inputData": _render_parameters(service.input, simple=simple),
        "outputData": _render_parameters(service.output, simple=simple),
    }
    if simple:
        return {"identifier": service.identifier, **data}
    return {
        "identifier": service.identifier,
        "name": service.name,
        "required": service.required,
        "callType": service.call_type.value,
        **_described(service.description),
        "method": f"thing.service.{model.qualified(service.identifier)}",
        **data,
    }


def _render_parameters(parameters: Sequence[Parameter | Property], *, simple: bool) -> list[dict[str, Any]]:
    return [
        {
            "identifier": parameter.identifier,
            **({} if simple else {"name": parameter.name}),
            "dataType": render_type(parameter.type),
        }
        for parameter in parameters
    ]
