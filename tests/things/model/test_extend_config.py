import json
from typing import Any

import pytest

from thingplane.things.model.extend_config import check_extend_configs, render_extend_config
from thingplane.things.model.failures import ModelError
from thingplane.things.model.limits import ModelLimits
from thingplane.things.model.types import (
    AccessMode,
    CallType,
    Event,
    EventType,
    FunctionBlock,
    IntType,
    Parameter,
    Property,
    Service,
    ThingModel,
)

NUMBER = IntType(min="0", max="9", step="1")
MODBUS: dict[str, Any] = {
    "identifier": "Level",
    "registerAddress": "0xFE",
    "operateType": "coilStatus",
    "writeFunctionCode": 5,
    "writeOnly": 0,
    "scaling": 0.1,
    "pollingTime": 1000,
    "trigger": 1,
    "bitMask": 128,
    "originalDataType": {"type": "uint64", "specs": {"swap": 0, "swap16": 1, "reverseRegister": 0}},
}
OPC_UA: dict[str, Any] = {
    "identifier": "act",
    "displayName": "Action",
    "inputData": [{"identifier": "a", "index": 1}, {"identifier": "b", "index": 2}],
    "outputData": [{"identifier": "c", "index": 1}],
}


def with_property(config: dict[str, Any] | str) -> ThingModel:
    text = config if isinstance(config, str) else json.dumps(config)
    prop = Property(identifier="Level", name="Level", type=NUMBER, access=AccessMode.READ, extend_config=text)
    return ThingModel(properties=(prop,))


def with_event(config: dict[str, Any]) -> ThingModel:
    event = Event(
        identifier="act",
        name="Act",
        type=EventType.INFO,
        output=(Parameter("c", "c", NUMBER),),
        extend_config=json.dumps(config),
    )
    return ThingModel(events=(event,))


def with_service(config: dict[str, Any]) -> ThingModel:
    service = Service(
        identifier="act",
        name="Act",
        call_type=CallType.ASYNC,
        input=(Parameter("a", "a", NUMBER), Parameter("b", "b", NUMBER)),
        output=(Parameter("c", "c", NUMBER),),
        extend_config=json.dumps(config),
    )
    return ThingModel(services=(service,))


@pytest.mark.parametrize(
    "config",
    [
        MODBUS,
        {key: MODBUS[key] for key in ("registerAddress", "operateType", "originalDataType")},
        MODBUS | {"operateType": "inputStatus", "writeFunctionCode": 0},
        MODBUS | {"operateType": "inputRegister", "writeFunctionCode": 0, "registerAddress": "0x0"},
        MODBUS | {"operateType": "holdingRegister", "writeFunctionCode": 16, "writeOnly": 1, "trigger": 2},
        MODBUS | {"scaling": -2, "registerAddress": "0xffff"},
        MODBUS | {"originalDataType": {"type": "INT16"}},
        MODBUS | {"originalDataType": {"type": "STRING", "specs": {"registerCount": 4}}},
        MODBUS | {"originalDataType": {"type": "customized", "specs": {"registerCount": 4}}},
        # As the guide prints an answer of QueryThingModelExtendConfig.
        MODBUS | {"originalDataType": {"type": "bool", "specs": {"registerCount": 1, "swap16": 0}}, "scaling": 1},
    ],
)
def test_modbus_configurations_are_accepted(config: dict[str, Any]) -> None:
    check_extend_configs(with_property(config), "modbus")
    check_extend_configs(with_property(config), None)


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"identifier": "other"}, "identifier"),
        ({"registerAddress": None}, "registerAddress"),
        ({"registerAddress": "254"}, "registerAddress"),
        ({"registerAddress": "0x10000"}, "registerAddress"),
        ({"operateType": "register"}, "operateType"),
        ({"operateType": None}, "operateType"),
        ({"writeFunctionCode": 16}, "writeFunctionCode"),
        ({"operateType": "inputStatus"}, "writeFunctionCode"),
        ({"operateType": "inputRegister"}, "writeFunctionCode"),
        ({"operateType": "holdingRegister", "writeFunctionCode": 15}, "writeFunctionCode"),
        ({"writeOnly": 2}, "writeOnly"),
        ({"writeOnly": 1, "writeFunctionCode": 0}, "writeOnly"),
        ({"scaling": 0}, "scaling"),
        ({"scaling": "much"}, "scaling"),
        ({"pollingTime": 0}, "pollingTime"),
        ({"pollingTime": 1.5}, "pollingTime"),
        ({"trigger": 3}, "trigger"),
        ({"trigger": 0}, "trigger"),
        ({"bitMask": 3}, "bitMask"),
        ({"originalDataType": None}, "originalDataType"),
        ({"originalDataType": {"type": "int8"}}, "originalDataType.type"),
        ({"originalDataType": {"type": "string"}}, "originalDataType.specs.registerCount"),
        ({"originalDataType": {"type": "string", "specs": {"registerCount": 0}}}, "originalDataType.specs.register"),
        ({"originalDataType": {"type": "int16", "specs": {"swap": 2}}}, "originalDataType.specs.swap"),
        ({"originalDataType": {"type": "int16", "specs": {"reverseRegister": 2}}}, "originalDataType.specs.reverse"),
    ],
)
def test_broken_modbus_configurations_name_the_place(changes: dict[str, Any], place: str) -> None:
    with pytest.raises(ModelError) as caught:
        check_extend_configs(with_property(MODBUS | changes), "modbus")
    assert caught.value.path.startswith(f"properties[0].extendConfig.{place}")


def test_modbus_is_for_properties_only() -> None:
    config = {key: value for key, value in MODBUS.items() if key != "identifier"}
    for model in (with_event(config), with_service(config)):
        with pytest.raises(ModelError, match="only properties"):
            check_extend_configs(model, "modbus")


@pytest.mark.parametrize("protocol", ["opc-ua", None])
def test_opc_ua_configurations_are_accepted_for_every_kind(protocol: str | None) -> None:
    check_extend_configs(with_property({"identifier": "Level", "displayName": "Level of the tank"}), protocol)
    check_extend_configs(with_event({"displayName": "Act", "outputData": OPC_UA["outputData"]}), protocol)
    check_extend_configs(with_service(OPC_UA), protocol)
    check_extend_configs(with_service({"inputData": []}), protocol)


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"displayName": 1}, "displayName"),
        ({"inputData": {}}, "inputData"),
        ({"inputData": [{"identifier": "a"}]}, "inputData[0].index"),
        ({"inputData": [{"index": 1}]}, "inputData[0].identifier"),
        ({"inputData": [{"identifier": "c", "index": 1}]}, "inputData[0].identifier"),
        ({"outputData": [{"identifier": "a", "index": 1}]}, "outputData[0].identifier"),
        ({"inputData": [{"identifier": "a", "index": -1}]}, "inputData[0].index"),
        ({"inputData": [{"identifier": "a", "index": 1}, {"identifier": "b", "index": 1}]}, "inputData[1].index"),
        ({"inputData": [{"identifier": "a", "index": 1}, {"identifier": "a", "index": 2}]}, "inputData[1].identifier"),
    ],
)
def test_broken_opc_ua_configurations_name_the_place(changes: dict[str, Any], place: str) -> None:
    with pytest.raises(ModelError) as caught:
        check_extend_configs(with_service(OPC_UA | changes), "opc-ua")
    assert caught.value.path == f"services[0].extendConfig.{place}"


@pytest.mark.parametrize("config", [{}, {"displayName": ""}, {"displayName": "x", "inputData": [{"identifier": "a"}]}])
def test_properties_and_events_need_a_display_name_for_opc_ua(config: dict[str, Any]) -> None:
    for model in (with_property(config), with_event(config)):
        with pytest.raises(ModelError):
            check_extend_configs(model, "opc-ua")


def test_custom_configurations_hold_any_object() -> None:
    for model in (with_property({"customize": {"a": [1]}}), with_event({"customize": {}})):
        for protocol in ("customize", "zigbee", None):
            check_extend_configs(model, protocol)
    for config in ({}, {"customize": 1}, {"customize": "{}"}):
        with pytest.raises(ModelError, match="customize"):
            check_extend_configs(with_property(config), "customize")


def test_the_products_protocol_decides_the_shape() -> None:
    with pytest.raises(ModelError, match="displayName"):
        check_extend_configs(with_property(MODBUS), "opc-ua")
    with pytest.raises(ModelError, match="registerAddress"):
        check_extend_configs(with_property({"customize": {}}), "modbus")


def test_size_is_limited() -> None:
    config = {"customize": {"text": "x" * 100}}
    with pytest.raises(ModelError, match="at most 99 bytes"):
        check_extend_configs(with_property(config), "customize", ModelLimits(extend_config_bytes=99))


def test_the_document_lists_what_authors_wrote_under_the_features_identifiers() -> None:
    plain = Property(identifier="Plain", name="Plain", type=NUMBER, access=AccessMode.READ)
    configured = with_property({"customize": {"pin": 4.50}})
    model = ThingModel(properties=(plain, *configured.properties), services=with_service(OPC_UA).services)
    assert json.loads(render_extend_config(model, "a1Example01")) == {
        "profile": {"productKey": "a1Example01"},
        "properties": [{"identifier": "Level", "customize": {"pin": 4.5}}],
        "services": [OPC_UA],
    }
    module = ThingModel(events=with_event({"displayName": "x"}).events, block=FunctionBlock("Bat", "Battery"))
    assert json.loads(render_extend_config(module, "a1Example01")) == {
        "profile": {"productKey": "a1Example01"},
        "functionBlockId": "Bat",
        "functionBlockName": "Battery",
        "properties": [],
        "events": [{"identifier": "act", "displayName": "x"}],
    }
