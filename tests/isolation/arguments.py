"""Parameters for a call of any operation, made of what an instance holds and of what its declaration says."""

import json
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, get_args, get_origin, get_type_hints

import msgspec

from tests.isolation.platform import encoded
from tests.isolation.things import MODEL, SCRIPT, Things, signed
from thingplane.cloud.registry import Operation

Value = Callable[[Things], Any]
THIRD: Final = "iot-third"
"""An instance to which things can be distributed."""
_NOW_MS: Final = int(time.time() * 1000)


def _constant(value: Any) -> Value:
    return lambda _things: value


_NONE: Final = _constant(None)


def _names(things: Things) -> list[dict[str, str]]:
    return [{"productKey": things.product, "deviceName": things.free_device}]


def _new_item(things: Things) -> list[dict[str, str]]:
    proof = signed(things.product, things.free_device, things.free_secret)
    return [{"ProductKey": things.product, "DeviceName": things.free_device, **proof}]


VALUES: Final[dict[str, Value]] = {
    # What names something.
    "ActionId": lambda things: things.action,
    "ApplyId": lambda things: things.apply,
    "ConsumerGroupId": lambda things: things.other_consumer_group,
    "ConsumerGroupIds": lambda things: [things.other_consumer_group],
    "Device": lambda things: [{"ProductKey": things.product, "DeviceName": things.free_device}],
    "DeviceListStr": lambda things: json.dumps(_names(things)),
    "DeviceName": lambda things: things.device,
    "DeviceNicknameInfo": lambda things: [{"IotId": things.iot_id, "Nickname": "Renamed"}],
    "DstTopic": lambda things: [f"/{things.product}/{things.free_device}/user/get"],
    "FileId": lambda things: things.file,
    "FirmwareId": lambda things: things.firmware,
    "FirmwareUrl": lambda things: things.firmware_url,
    "FirmwareSign": lambda things: things.firmware_sign,
    "GroupId": lambda things: things.group,
    "GwDeviceName": lambda things: things.gateway,
    "GwIotId": lambda things: things.gateway_iot_id,
    "GwProductKey": lambda things: things.gateway_product,
    "IotId": lambda things: things.iot_id,
    "JobId": lambda things: things.job,
    "ModuleName": lambda things: things.module,
    "ProductKey": lambda things: things.product,
    "RuleId": lambda things: things.rule,
    "SQL": lambda things: f'SELECT * FROM device WHERE product_key = "{things.product}"',
    "SourceProductKey": lambda things: things.product,
    "SrcTopic": lambda things: f"/{things.product}/{things.device}/user/submit",
    "SuperGroupId": lambda things: things.super_group,
    "TargetDeviceName": lambda things: [things.free_device],
    "TargetProductKey": lambda things: things.raw_product,
    "TaskId": lambda things: things.task,
    "TopicFullName": lambda things: f"/{things.product}/{things.device}/user/get",
    "TopicId": lambda things: things.topic_id,
    "TopoAddItem": _new_item,
    # What selects by content.
    "ProductTag": lambda things: [{"TagKey": "tag", "TagValue": things.tag}],
    "Tag": lambda things: [{"TagKey": "tag", "TagValue": things.tag}],
    "SearchName": lambda things: things.product,
    # Everything else.
    "Args": _constant('{"Delay":1}'),
    "Asc": _constant(1),
    "CategoryKey": _constant("Lighting"),
    "ClientId": _constant("unknown"),
    "Configuration": lambda things: json.dumps({"groupId": things.consumer_group}),
    "Count": _constant(1),
    "CurrentPage": _constant(1),
    "DataSourceId": _constant(1000),
    "DestVersion": _constant("4.0"),
    "EndTime": _constant(_NOW_MS + 3_600_000),
    "FirmwareName": _constant("made-of-it"),
    "GroupName": _constant("Made_of_it"),
    "Identifier": _constant("Temp"),
    "Items": _constant('{"Temp":7}'),
    "MessageContent": _constant(encoded(b"hello")),
    "Name": _constant("made_of_it"),
    "NewGroupName": _constant("Renamed_to_it"),
    "NodeType": _constant(0),
    "Operation": _constant("ALL"),
    "PageSize": _constant(10),
    "ProductName": _constant("Made_of_it"),
    "ProductTagKey": _constant(["tag"]),
    "PropKey": _constant("tag"),
    "PropertyTimestampFilter": _constant(True),
    "PropertyValueFilter": _constant(True),
    "Props": _constant('{"new":"1"}'),
    "RequestBase64Byte": _constant(encoded(b"hello")),
    "ScriptContent": _constant(SCRIPT),
    "ScriptType": _constant("JavaScript"),
    "ShadowMessage": _constant('{"method":"update","state":{"desired":{"color":"green"}},"version":1}'),
    "StartTime": _constant(_NOW_MS - 3_600_000),
    "Status": _constant(0),
    "TagString": _constant('[{"tagKey":"tag","tagValue":"new"}]'),
    "TargetInstanceConfig": _constant([{"TargetInstanceId": THIRD}]),
    "TargetInstanceId": _constant(THIRD),
    "TargetSelection": _constant("SPECIFIC"),
    "Timeout": _constant(1000),
    "Topic": lambda things: f"/{things.product}/{things.device}/user/get",
    "TopicShortName": _constant("get"),
    "Type": _constant("AMQP"),
    "Versions": _constant('{"Temp":0}'),
}
"""By parameter. One that an operation demands and that is not here has to be added."""

SPECIAL: Final[dict[str, dict[str, Value]]] = {
    "BatchCheckDeviceNames": {"DeviceName": _constant(["checked-1", "checked-2"])},
    "CancelOTAStrategyByJob": {"JobId": lambda things: things.dynamic_job},
    "CancelOTATaskByJob": {"CancelQueuedTask": _constant(True)},
    # What becomes of the devices shows in the result of the task only.
    "CreateDeviceDistributeJob": {"DeviceName": _constant(["distributed"])},
    "CreateDataSourceItem": {"ScopeType": _constant("PRODUCT"), "DeviceName": _NONE},
    "CreateOTADynamicUpgradeJob": {"SrcVersion": _constant(["0.2"]), "Tag": _NONE, "GroupId": _NONE},
    "CreateOTAFirmware": {"NeedToVerify": _constant(False), "ModuleName": _NONE},
    "CreateOTAModule": {"ModuleName": _constant("made")},
    "CreateOTAStaticUpgradeJob": {"Tag": _NONE, "GroupId": _NONE},
    "CreateOTAVerifyJob": {"Tag": _NONE},
    "CreateProductTags": {"ProductTag": _constant([{"TagKey": "more", "TagValue": "x"}])},
    "CreateProductTopic": {"TopicShortName": _constant("made")},
    "CreateRule": {
        "ShortTopic": _constant("+/user/#"),
        "TopicType": _constant(1),
        "Select": _constant("*"),
        "Topic": _NONE,
    },
    "CreateRuleAction": {"Configuration": lambda things: json.dumps({"groupId": things.other_consumer_group})},
    "CreateSubscribeRelation": {"ProductKey": lambda things: things.raw_product, "DeviceDataFlag": _constant(True)},
    "CreateThingModel": {
        "ThingModelJson": _constant(
            json.dumps({"properties": [{**MODEL["properties"][0], "identifier": "More", "name": "More"}]})
        )
    },
    "CreateThingScript": {"ProductKey": lambda things: things.bare_product},
    "DeleteConsumerGroupSubscribeRelation": {"ConsumerGroupId": lambda things: things.consumer_group},
    "DeleteThingModel": {"PropertyIdentifier": _constant(["Temp"])},
    "GetGatewayBySubDevice": {
        "DeviceName": lambda things: things.sub_device,
        "IotId": lambda things: things.sub_iot_id,
    },
    "GetThingScript": {"ProductKey": lambda things: things.raw_product},
    "GetThingTopo": {
        "ProductKey": lambda things: things.gateway_product,
        "DeviceName": lambda things: things.gateway,
        "IotId": lambda things: things.gateway_iot_id,
        "PageNo": _constant(1),
    },
    "ImportThingModelTsl": {"TslStr": _constant(json.dumps({"properties": []}))},
    "InvokeThingService": {"Identifier": _constant("Restart")},
    "InvokeThingsService": {"Identifier": _constant("Restart")},
    "ListDistributedProduct": {"TargetInstanceId": _NONE},
    "ListOTAUnfinishedTaskByDevice": {"TaskStatus": _constant("QUEUED"), "ModuleName": _NONE},
    "Pub": {"DeviceName": _NONE},
    "PubBroadcast": {"TopicFullName": lambda things: f"/broadcast/{things.product}/all"},
    "QueryConsumerGroupList": {"Type": _NONE},
    "QueryDeviceEventData": {"Identifier": _constant("Alarm")},
    "QueryDeviceGroupByTags": {"Tag": lambda things: [{"TagKey": "tag", "TagValue": things.tag}]},
    "QueryDeviceOriginalEventData": {"Identifier": _constant("Alarm")},
    "QueryDeviceOriginalServiceData": {"Identifier": _constant("Restart")},
    "QueryDeviceServiceData": {"Identifier": _constant("Restart")},
    "RegisterDevice": {"DeviceName": _constant("registered")},
    "RemoveThingTopo": {"DeviceName": lambda things: things.sub_device, "IotId": lambda things: things.sub_iot_id},
    "SetDeviceDesiredProperty": {"Versions": _constant('{"Temp":1}')},
    "SubscribeTopic": {"Topic": lambda things: [f"/{things.product}/{things.device}/user/get"]},
    "UpdateProduct": {"ProductName": _constant("Renamed_to_it")},
    "UpdateProductTags": {"ProductTag": _constant([{"TagKey": "tag", "TagValue": "x"}])},
    "UpdateProductTopic": {"TopicShortName": _constant("renamed")},
    "UpdateRule": {"Name": _constant("renamed_rule"), "Topic": _NONE},
    "UpdateSubscribeRelation": {"DeviceDataFlag": _constant(True)},
    "UpdateThingModel": {
        "Identifier": _constant("Temp"),
        "ThingModelJson": _constant(json.dumps({"properties": MODEL["properties"]})),
    },
    "UpdateThingScript": {"ProductKey": lambda things: things.raw_product},
}
"""By operation, where a parameter means something else than elsewhere, or is left out."""

MORE: Final[dict[str, list[dict[str, Value]]]] = {
    "CreateOTADynamicUpgradeJob": [{"GroupId": lambda things: things.group, "GroupType": _constant("LINK_PLATFORM")}],
    "CreateOTAStaticUpgradeJob": [
        {
            "TargetSelection": _constant("GROUP"),
            "TargetDeviceName": _constant(None),
            "GroupId": lambda things: things.group,
            "GroupType": _constant("LINK_PLATFORM"),
        },
        {"DnListFileUrl": lambda things: things.firmware_url, "TargetDeviceName": _constant(None)},
    ],
    "CreateRuleAction": [
        {
            "Type": _constant("REPUBLISH"),
            "Configuration": lambda things: json.dumps(
                {"topic": f"/{things.product}/{things.device}/user/get", "topicType": 1}
            ),
        }
    ],
    "QueryDeviceBySQL": [
        {"SQL": lambda things: f'SELECT * FROM device WHERE name = "{things.device}"'},
        {"SQL": lambda things: f'SELECT * FROM device WHERE group.group_id = "{things.group}"'},
        {"SQL": lambda things: f'SELECT * FROM device WHERE tag.tag_name = "tag" AND tag.tag_value = "{things.tag}"'},
    ],
    "UpdateRuleAction": [
        {
            "Type": _constant("REPUBLISH"),
            "Configuration": lambda things: json.dumps(
                {"topic": f"/sys/{things.product}/{things.device}/thing/service/property/set", "topicType": 0}
            ),
        }
    ],
    "RRpc": [{"Topic": lambda things: f"/{things.product}/{things.device}/user/get"}],
}
"""Further ways to say what a call is about, by operation."""

CONSUMER_GROUPS: Final = frozenset(
    {
        "DeleteConsumerGroup",
        "QueryConsumerGroupByGroupId",
        "QueryConsumerGroupStatus",
        "ResetConsumerGroupPosition",
        "UpdateConsumerGroup",
    }
)
"""Operations whose GroupId is that of a consumer group."""

NEVER: Final = frozenset({"DeviceNameList", "FunctionBlockId", "GroupType", "ResponseTopicTemplateName", "Type"})
"""Optional parameters that say nothing of whose something is, or exclude others."""


def mandatory(operation: Operation) -> list[str]:
    """Return the parameters without which the gateway refuses a call."""
    fields = operation.request.__struct_fields__
    defaults = operation.request.__struct_defaults__
    missing = fields[: len(fields) - len(defaults)]
    given = zip(fields[len(missing) :], defaults, strict=True)
    return [*missing, *(name for name, default in given if default is msgspec.NODEFAULT)]


def variants(operation: Operation, things: Things) -> list[dict[str, Any]]:
    """Return parameters for calls about these things, said in all the ways there are."""
    found = [_arguments(operation, things, by_iot_id=by_iot_id) for by_iot_id in (False, True)]
    more = MORE.get(operation.name, [])
    return [*found, *(_arguments(operation, things, more=values) for values in more)]


def _arguments(
    operation: Operation, things: Things, *, by_iot_id: bool = False, more: Mapping[str, Value] | None = None
) -> dict[str, Any]:
    """Return parameters for a call.

    Args:
        operation: which.
        things: what it is about.
        by_iot_id: name the device by IotId where ProductKey and DeviceName are another way.
        more: instead of, or beside, the usual ones.
    """
    special = {**SPECIAL.get(operation.name, {}), **(more or {})}
    demanded = mandatory(operation)
    wanted: dict[str, Any] = {}
    for name in operation.request.__struct_fields__:
        value = special.get(name) or VALUES.get(name)
        if name in demanded or name in special or (name in NAMING and name not in NEVER):
            if name == "IotInstanceId":
                continue
            assert value is not None, f"{operation.name}: add a value for {name} to tests/isolation/arguments.py"
            wanted[name] = _shaped(operation, name, value(things))
    if operation.name in CONSUMER_GROUPS:
        wanted["GroupId"] = things.other_consumer_group
    for one, other in (("IotId", "DeviceName"), ("GwIotId", "GwDeviceName")):
        if one in wanted and other in wanted and one not in demanded and other not in demanded:
            prefix = one.removesuffix("IotId")
            del wanted[other if by_iot_id else one]
            if by_iot_id and f"{prefix}ProductKey" not in demanded:
                wanted.pop(f"{prefix}ProductKey", None)
    return {name: value for name, value in wanted.items() if value is not None}


def _shaped(operation: Operation, name: str, value: Any) -> Any:
    """Return a value as the operation wants it: one, or a list."""
    hint = get_type_hints(operation.request)[name]
    wants_list = any(get_origin(item) is list for item in (hint, *get_args(hint)))
    if wants_list and value is not None and not isinstance(value, list):
        return [value]
    return value[0] if isinstance(value, list) and not wants_list else value


def _is_naming(value: Value) -> bool:
    return bool(value(_probe("a")) != value(_probe("b")))


def _probe(letter: str) -> Things:
    hints: Mapping[str, Any] = get_type_hints(Things)
    values: dict[str, Any] = {name: ord(letter) if hint is int else letter for name, hint in hints.items()}
    return Things(**values)


NAMING: Final = frozenset(name for name, value in VALUES.items() if _is_naming(value)) - {
    "Configuration",
    "SearchName",
    "FirmwareSign",
}
"""Parameters that say what a call is about: given also where they are optional."""
