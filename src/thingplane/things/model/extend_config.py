"""Extended configuration: how a gateway finds a feature on the field bus behind it.

It is a JSON text that a feature carries in ThingModelJson (`extendConfig`). Its shape depends on how the product's
devices reach their gateway. Source: guide, "Data structure of the extendConfig parameter"; device-protocol, 4.7.
Members a data type has no use for (`scaling` of a bool) are let through: the vendor's own samples have them.
"""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from thingplane.things.model.failures import ModelError
from thingplane.things.model.limits import DEFAULT_LIMITS, ModelLimits
from thingplane.things.model.ranges import decimal
from thingplane.things.model.reader import Node, parse_object
from thingplane.things.model.types import Event, Feature, Property, Service, ThingModel

MODBUS: Final = "modbus"
OPC_UA: Final = "opc-ua"
CUSTOM: Final = "customize"

_WRITE_CODES: Final = {
    "coilStatus": {0, 5, 6, 15},
    "inputStatus": {0},
    "holdingRegister": {0, 6, 16},
    "inputRegister": {0},
}
"""Values of writeFunctionCode by operateType; 0 only reads."""
_ORIGINAL_TYPES: Final = {
    *("int16", "uint16", "int32", "uint32", "int64", "uint64"),
    *("float", "double", "string", "boolean", "bool", "customized"),
}
"""Of the register; the guide writes them in capitals, its samples do not."""
_COUNTED: Final = {"string", "customized"}
"""Types whose length only the number of registers tells."""
_BIT_MASKS: Final = {1 << bit for bit in range(16)}
_ADDRESS = re.compile(r"0[xX][0-9A-Fa-f]{1,4}")


def check_extend_configs(model: ThingModel, protocol: str | None, limits: ModelLimits = DEFAULT_LIMITS) -> None:
    """Checks the extended configuration of every feature that has one.

    Args:
        model: the features.
        protocol: ProtocolType of the product. Products with none of modbus, opc-ua and customize may carry any of the
            three kinds, told apart by their members: their models may be meant for products behind gateways.
        limits: sizes that apply.

    Raises:
        ModelError: the first rule that is broken, with the place.
    """
    lists: tuple[tuple[str, tuple[Feature, ...]], ...] = (
        ("properties", model.properties),
        ("events", model.events),
        ("services", model.services),
    )
    for kind, features in lists:
        for index, feature in enumerate(features):
            if feature.extend_config:
                _check(feature, feature.extend_config, f"{kind}[{index}].extendConfig", protocol, limits)


def render_extend_config(model: ThingModel, product_key: str) -> str:
    """Writes the extended configuration of a module as JSON text, as gateways get it.

    Args:
        model: the module.
        product_key: the product it belongs to.

    Returns:
        `profile`, `properties`, and `events` and `services` if any of them is configured. Each entry is what its author
        wrote, with the feature's identifier.
    """
    document: dict[str, Any] = {"profile": {"productKey": product_key}}
    if model.block:
        document |= {"functionBlockId": model.block.id, "functionBlockName": model.block.name}
    document["properties"] = _entries(model.properties)
    for name, features in (("events", model.events), ("services", model.services)):
        entries = _entries(features)
        if entries:
            document[name] = entries
    return msgspec.json.encode(document).decode()


def without_extend_configs(model: ThingModel) -> ThingModel:
    """The module without any extended configuration."""
    return _replaced(model, extend_config=None, config_code=None)


def without_codes(model: ThingModel) -> ThingModel:
    """The module with its extended configurations, but without the codes the platform gave to them."""
    return _replaced(model, config_code=None)


def _replaced(model: ThingModel, **changes: None) -> ThingModel:
    return msgspec.structs.replace(
        model,
        properties=tuple(msgspec.structs.replace(feature, **changes) for feature in model.properties),
        events=tuple(msgspec.structs.replace(feature, **changes) for feature in model.events),
        services=tuple(msgspec.structs.replace(feature, **changes) for feature in model.services),
    )


def _entries(features: tuple[Feature, ...]) -> list[dict[str, Any]]:
    return [
        msgspec.json.decode(feature.extend_config) | {"identifier": feature.identifier}
        for feature in features
        if feature.extend_config
    ]


def _check(feature: Feature, text: str, path: str, protocol: str | None, limits: ModelLimits) -> None:
    if len(text.encode()) > limits.extend_config_bytes:
        raise ModelError(path, f"must be at most {limits.extend_config_bytes} bytes long")
    config = Node(parse_object(text, path).members(), path)
    if config.has("identifier") and config.text("identifier") != feature.identifier:
        raise ModelError(config.at("identifier"), f"must be {feature.identifier}, the identifier of the feature")
    match protocol if protocol in {MODBUS, OPC_UA, CUSTOM} else _recognized(config):
        case "modbus":
            if not isinstance(feature, Property):
                raise ModelError(path, "only properties have an extended configuration for Modbus")
            _check_modbus(config)
        case "opc-ua":
            _check_opc_ua(config, feature)
        case _:
            config.node("customize")


def _recognized(config: Node) -> str:
    if config.has("customize"):
        return CUSTOM
    return MODBUS if config.has("registerAddress") or config.has("operateType") else OPC_UA


def _check_modbus(config: Node) -> None:
    if not _ADDRESS.fullmatch(config.text("registerAddress")):
        raise ModelError(config.at("registerAddress"), "must be 0x0 to 0xFFFF")
    operation = config.text("operateType")
    if operation not in _WRITE_CODES:
        raise ModelError(config.at("operateType"), f"must be one of {', '.join(_WRITE_CODES)}")
    write_code = _one_of(config, "writeFunctionCode", _WRITE_CODES[operation])
    write_only = _one_of(config, "writeOnly", {0, 1})
    if write_only and not write_code:
        raise ModelError(config.at("writeOnly"), "must be 0 where writeFunctionCode is 0, which only reads")
    scaling = config.optional_decimal_text("scaling")
    if scaling is not None and not decimal(scaling):
        raise ModelError(config.at("scaling"), "must be a number other than 0")
    polling = config.optional_integer("pollingTime")
    if polling is not None and polling <= 0:
        raise ModelError(config.at("pollingTime"), "must be a number of ms above 0")
    _one_of(config, "trigger", {1, 2})
    _one_of(config, "bitMask", _BIT_MASKS)
    _check_original_type(config.node("originalDataType"))


def _check_original_type(original: Node) -> None:
    word = original.text("type").lower()
    if word not in _ORIGINAL_TYPES:
        raise ModelError(original.at("type"), f"must be one of {', '.join(sorted(_ORIGINAL_TYPES))}")
    specs = original.node("specs") if original.has("specs") else Node({}, original.at("specs"))
    count = specs.optional_integer("registerCount")
    if count is None and word in _COUNTED:
        raise ModelError(specs.at("registerCount"), f"is missing: the length of a {word} is not known without it")
    if count is not None and count <= 0:
        raise ModelError(specs.at("registerCount"), "must be above 0")
    # The guide's table calls it swap, its samples and what gateways read swap16.
    for name in ("swap", "swap16", "reverseRegister"):
        _one_of(specs, name, {0, 1})


def _check_opc_ua(config: Node, feature: Feature) -> None:
    if not isinstance(feature, Service) and not config.text("displayName"):
        raise ModelError(config.at("displayName"), "is empty")
    config.optional_text("displayName")
    _check_indexes(config, "inputData", _identifiers(feature, "inputData"))
    _check_indexes(config, "outputData", _identifiers(feature, "outputData"))


def _identifiers(feature: Feature, name: str) -> set[str]:
    match feature:
        case Service():
            parameters = feature.input if name == "inputData" else feature.output
        case Event() if name == "outputData":
            parameters = feature.output
        case _:
            parameters = ()
    return {parameter.identifier for parameter in parameters}


def _check_indexes(config: Node, name: str, known: set[str]) -> None:
    identifiers: set[str] = set()
    indexes: set[int] = set()
    for entry in config.nodes(name):
        identifier, index = entry.text("identifier"), entry.integer("index")
        if identifier not in known:
            raise ModelError(entry.at("identifier"), f"the feature has no parameter {identifier} there")
        if identifier in identifiers:
            raise ModelError(entry.at("identifier"), f"{identifier} is there twice")
        if index in indexes or index < 0:
            raise ModelError(entry.at("index"), "must be 0 or greater and unique in the list")
        identifiers.add(identifier)
        indexes.add(index)


def _one_of(node: Node, name: str, allowed: set[int]) -> int:
    """An optional integer, 0 when absent."""
    value = node.optional_integer(name)
    if value is not None and value not in allowed:
        raise ModelError(node.at(name), f"must be one of {', '.join(map(str, sorted(allowed)))}")
    return value or 0
