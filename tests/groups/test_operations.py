"""The 13 group operations through the whole cloud API, on both databases."""

import asyncio
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from alibabacloud_iot20180120 import models

from tests.common.api import Api
from tests.common.clock import FakeClock
from tests.groups.conftest import Register
from thingplane.cloud import Services
from thingplane.cloud.client import CallError
from thingplane.cloud.conformance import violations
from thingplane.cloud.registry import OPERATIONS
from thingplane.devices.service import Device, DeviceService
from thingplane.groups.service import GroupLimits, GroupService
from thingplane.products.service import Product, ProductService
from thingplane.storage.database import Database

DYNAMIC = "LINK_PLATFORM_DYNAMIC"
CREATED = "2023-11-14T22:13:20.000Z"
MALFORMED = "iot.common.InvalidFormattedParameter"
one_database = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
"""For tests of what happens before any database is asked."""


async def code(api: Api, action: str, /, **parameters: Any) -> str:
    """Return the code of a call that is refused."""
    answer = await api.call(action, **parameters)
    assert answer["Success"] is False
    assert answer["ErrorMessage"]
    return str(answer["Code"])


async def create(api: Api, name: str = "Floor", **parameters: Any) -> str:
    """Create a group; returns its GroupId."""
    answer = await api.call("CreateDeviceGroup", GroupName=name, **parameters)
    assert answer["Success"] is True
    return str(answer["Data"]["GroupId"])


def named(*devices: Device) -> list[dict[str, str]]:
    return [{"ProductKey": device.product_key, "DeviceName": device.name} for device in devices]


async def listed(api: Api, **parameters: Any) -> list[str]:
    answer = await api.call("QueryDeviceGroupList", **parameters)
    return [info["GroupName"] for info in answer["Data"]["GroupInfo"]]


def test_every_operation_is_declared_as_documented() -> None:
    ours = [item for item in OPERATIONS.values() if item.module.startswith("thingplane.groups.")]
    assert len(ours) == 13
    assert [text for operation in ours for text in violations(operation)] == []


async def test_a_group_is_created_described_queried_and_deleted(api: Api) -> None:
    answer = await api.call("CreateDeviceGroup", GroupName="Floor", GroupDesc="Halls")
    group_id = answer["Data"].pop("GroupId")
    assert answer["Data"] == {"GroupName": "Floor", "GroupDesc": "Halls", "UtcCreate": CREATED}
    assert (await api.call("UpdateDeviceGroup", GroupId=group_id, GroupDesc="Hall and stairs"))["Success"] is True
    assert (await api.call("UpdateDeviceGroup", GroupId=group_id, GroupType="LINK_PLATFORM"))["Success"] is True
    assert (await api.call("QueryDeviceGroupInfo", GroupId=group_id))["Data"] == {
        "GroupId": group_id,
        "GroupName": "Floor",
        "GroupDesc": "Hall and stairs",
        "UtcCreate": CREATED,
        "DeviceCount": 0,
        "DeviceActive": 0,
        "DeviceOnline": 0,
    }
    assert (await api.call("DeleteDeviceGroup", GroupId=group_id))["Success"] is True
    assert await code(api, "QueryDeviceGroupInfo", GroupId=group_id) == "iot.group.NotExistedGroup"


async def test_a_group_without_description_shows_none(api: Api) -> None:
    answer = await api.call("CreateDeviceGroup", GroupName="Floor")
    assert "GroupDesc" not in answer["Data"]
    info = await api.call("QueryDeviceGroupInfo", GroupId=answer["Data"]["GroupId"])
    assert "GroupDesc" not in info["Data"]


@one_database
@pytest.mark.parametrize("name", ["abcd", "a" * 30, "Floor_1", "楼层", "灯" * 15])
async def test_names_have_4_to_30_letters_digits_underscores(api: Api, name: str) -> None:
    assert await listed(api, GroupName=name) == []
    await create(api, name)
    assert await listed(api, GroupName=name) == [name]


REFUSED = [
    ("CreateDeviceGroup", {"GroupName": ""}, "iot.group.InvalidGroupName"),
    ("CreateDeviceGroup", {"GroupName": "abc"}, "iot.group.InvalidGroupName"),
    ("CreateDeviceGroup", {"GroupName": "a" * 31}, "iot.group.InvalidGroupName"),
    ("CreateDeviceGroup", {"GroupName": "灯" * 16}, "iot.group.InvalidGroupName"),
    ("CreateDeviceGroup", {"GroupName": "Floor-1"}, "iot.group.InvalidGroupName"),
    ("CreateDeviceGroup", {"GroupName": "Floor 1"}, "iot.group.InvalidGroupName"),
    ("CreateDeviceGroup", {"GroupName": "Floor", "GroupDesc": ""}, "iot.group.LongGroupDescError"),
    ("CreateDeviceGroup", {"GroupName": "Floor", "GroupDesc": "d" * 101}, "iot.group.LongGroupDescError"),
    ("CreateDeviceGroup", {"GroupName": "Floor", "SuperGroupId": ""}, "iot.group.NullGroupId"),
    ("CreateDeviceGroup", {"GroupName": "Floor", "SuperGroupId": "none"}, "iot.group.NotExistedGroup"),
    ("UpdateDeviceGroup", {"GroupId": "none", "GroupDesc": "d" * 101}, "iot.group.LongGroupDescError"),
    ("UpdateDeviceGroup", {"GroupId": "none", "GroupType": "OTHER"}, MALFORMED),
    ("QueryDeviceGroupInfo", {"GroupId": "none", "GroupType": "OTHER"}, MALFORMED),
    ("QueryDeviceGroupTagList", {"GroupId": "none", "GroupType": "OTHER"}, MALFORMED),
    ("SetDeviceGroupTags", {"GroupId": "none", "GroupType": "OTHER"}, MALFORMED),
    ("SetDeviceGroupTags", {"GroupId": "none", "TagString": ""}, "iot.group.InvalidFormattedTagString"),
    ("SetDeviceGroupTags", {"GroupId": "none", "TagString": "h1"}, "iot.group.InvalidFormattedTagString"),
    ("QueryDeviceGroupList", {"GroupTypes": ["OTHER"]}, MALFORMED),
    ("QueryDeviceGroupList", {"SuperGroupId": "none"}, "iot.group.NotExistedGroup"),
    ("QueryDeviceGroupList", {"SuperGroupId": ""}, "iot.group.NullGroupId"),
    ("QueryDeviceGroupByDevice", {"ProductKey": "", "DeviceName": "lamp-1"}, "iot.prod.NullProductKey"),
    ("QueryDeviceGroupByDevice", {"ProductKey": "none", "DeviceName": ""}, "iot.device.NullDeviceName"),
    ("QueryDeviceGroupByDevice", {"ProductKey": "none", "DeviceName": "lamp-1"}, "iot.prod.NotExistedProduct"),
    ("QueryDeviceGroupByTags", {"Tag": [{"TagKey": "", "TagValue": "v"}]}, MALFORMED),
    ("QueryDeviceGroupByTags", {"Tag": [{"TagKey": "k", "TagValue": ""}]}, MALFORMED),
    ("QueryDeviceGroupByTags", {"Tag": [{"TagKey": "k", "TagValue": "v"}] * 101}, MALFORMED),
]


@one_database
@pytest.mark.parametrize(("action", "parameters", "expected"), REFUSED)
async def test_every_constraint_has_its_code(api: Api, action: str, parameters: dict[str, Any], expected: str) -> None:
    assert await code(api, action, **parameters) == expected
    assert await listed(api) == []


ADDRESSED = [
    ("UpdateDeviceGroup", {}),
    ("DeleteDeviceGroup", {}),
    ("QueryDeviceGroupInfo", {}),
    ("SetDeviceGroupTags", {"TagString": "[]"}),
    ("QueryDeviceGroupTagList", {}),
    ("QuerySuperDeviceGroup", {}),
    ("QueryDeviceListByDeviceGroup", {}),
    ("BatchAddDeviceGroupRelations", {"Device": [{"ProductKey": "a1", "DeviceName": "lamp-1"}]}),
    ("BatchDeleteDeviceGroupRelations", {"Device": [{"ProductKey": "a1", "DeviceName": "lamp-1"}]}),
]


@one_database
@pytest.mark.parametrize(("action", "parameters"), ADDRESSED)
async def test_a_group_id_must_be_of_a_group_of_the_instance(api: Api, action: str, parameters: dict[str, Any]) -> None:
    foreign = await create(api, IotInstanceId="iot-other")
    with pytest.raises(CallError, match="MissingGroupId"):
        await api.call(action, **parameters)
    assert await code(api, action, GroupId="", **parameters) == "iot.group.NullGroupId"
    assert await code(api, action, GroupId="none", **parameters) == "iot.group.NotExistedGroup"
    assert await code(api, action, GroupId=foreign, **parameters) == "iot.group.NotExistedGroup"
    assert (await api.call(action, GroupId=foreign, IotInstanceId="iot-other", **parameters))["Success"] is True


@one_database
@pytest.mark.parametrize(
    "action", ["UpdateDeviceGroup", "QueryDeviceGroupInfo", "SetDeviceGroupTags", "QueryDeviceGroupTagList"]
)
async def test_no_group_is_dynamic(api: Api, action: str) -> None:
    group_id = await create(api)
    assert await code(api, action, GroupId=group_id, GroupType=DYNAMIC) == "iot.group.NotExistedGroup"


@one_database
@pytest.mark.parametrize(
    ("action", "parameters", "missing"),
    [
        ("CreateDeviceGroup", {}, "MissingGroupName"),
        ("BatchAddDeviceGroupRelations", {"GroupId": "none"}, "MissingDevice"),
        ("BatchDeleteDeviceGroupRelations", {"GroupId": "none"}, "MissingDevice"),
        ("QueryDeviceGroupByDevice", {"DeviceName": "lamp-1"}, "MissingProductKey"),
        ("QueryDeviceGroupByDevice", {"ProductKey": "a1"}, "MissingDeviceName"),
        ("QueryDeviceGroupByTags", {}, "MissingTag"),
        ("QueryDeviceGroupByTags", {"Tag": [{"TagValue": "v"}]}, r"MissingTag\.1\.TagKey"),
        ("QueryDeviceGroupByTags", {"Tag": [{"TagKey": "k"}]}, r"MissingTag\.1\.TagValue"),
    ],
)
async def test_mandatory_parameters_have_to_be_there(
    api: Api, action: str, parameters: dict[str, Any], missing: str
) -> None:
    with pytest.raises(CallError, match=missing):
        await api.call(action, **parameters)


@one_database
@pytest.mark.parametrize(
    ("action", "parameters"),
    [
        ("QueryDeviceGroupList", {}),
        ("QueryDeviceGroupByTags", {"Tag": [{"TagKey": "k", "TagValue": "v"}]}),
        ("QueryDeviceListByDeviceGroup", {"GroupId": "none"}),
    ],
)
@pytest.mark.parametrize(
    "paging", [{"PageSize": 0}, {"PageSize": 201}, {"PageSize": "many"}, {"CurrentPage": 0}, {"CurrentPage": ""}]
)
async def test_pages_have_1_to_200_entries_and_numbers_from_1(
    api: Api, action: str, parameters: dict[str, Any], paging: dict[str, Any]
) -> None:
    assert await code(api, action, **parameters, **paging) == "iot.common.InvalidPageParams"


async def test_names_limits_and_levels_have_their_codes(api: Api) -> None:
    floor = await create(api)
    assert await code(api, "CreateDeviceGroup", GroupName="Floor") == "iot.group.GroupNameExisted"
    room = await create(api, "Room", SuperGroupId=floor)
    corner = await create(api, "Corner", SuperGroupId=room)
    too_deep = await code(api, "CreateDeviceGroup", GroupName="Chair", SuperGroupId=corner)
    assert too_deep == "iot.group.GroupLevelExceedingLimitError"
    assert await code(api, "DeleteDeviceGroup", GroupId=floor) == "iot.group.SubGroupNotNull"
    assert await create(api, "Floor", IotInstanceId="iot-other")


async def test_of_identical_creations_at_once_one_succeeds(api: Api) -> None:
    answers = await asyncio.gather(*(api.call("CreateDeviceGroup", GroupName="Floor") for _ in range(6)))
    refused = [answer["Code"] for answer in answers if not answer["Success"]]
    assert refused == ["iot.group.GroupNameExisted"] * 5


@one_database
async def test_a_group_takes_100_subgroups(api: Api, groups: GroupService) -> None:
    group_id = await create(api)
    floor = await groups.get(1, group_id)
    for number in range(100):
        await groups.create(1, f"Room_{number}", parent=floor)
    one_more = await code(api, "CreateDeviceGroup", GroupName="Room", SuperGroupId=group_id)
    assert one_more == "iot.group.GroupCountExceedMax"


async def test_the_parent_is_told(api: Api) -> None:
    floor = await create(api, GroupDesc="Halls")
    room = await create(api, "Room", SuperGroupId=floor)
    corner = await create(api, "Corner", SuperGroupId=room)
    parent = {"GroupId": floor, "GroupName": "Floor", "GroupDesc": "Halls"}
    assert (await api.call("QuerySuperDeviceGroup", GroupId=room))["Data"] == {"GroupInfo": [parent]}
    above = (await api.call("QuerySuperDeviceGroup", GroupId=corner))["Data"]
    assert above == {"GroupInfo": [{"GroupId": room, "GroupName": "Room"}]}
    assert (await api.call("QuerySuperDeviceGroup", GroupId=floor))["Data"] == {"GroupInfo": []}


async def test_groups_are_listed_newest_first(api: Api, clock: FakeClock) -> None:
    floor = await create(api, GroupDesc="Halls")
    clock.advance(0.25)
    room = await create(api, "Room", SuperGroupId=floor)
    await create(api, "Elsewhere", IotInstanceId="iot-other")
    answer = await api.call("QueryDeviceGroupList")
    assert {key: answer[key] for key in ("Total", "PageCount", "PageSize", "CurrentPage")} == {
        "Total": 2,
        "PageCount": 1,
        "PageSize": 10,
        "CurrentPage": 1,
    }
    static = {"GroupType": "LINK_PLATFORM"}
    assert answer["Data"]["GroupInfo"] == [
        {"GroupId": room, "GroupName": "Room", "UtcCreate": "2023-11-14T22:13:20.250Z", **static},
        {"GroupId": floor, "GroupName": "Floor", "GroupDesc": "Halls", "UtcCreate": CREATED, **static},
    ]


async def test_the_list_is_filtered_by_parent_name_and_type(api: Api) -> None:
    floor = await create(api)
    for name in ("Room_1", "Room_2"):
        await create(api, name, SuperGroupId=floor)
    assert await listed(api, SuperGroupId=floor) == ["Room_2", "Room_1"]
    assert await listed(api, GroupName="oom") == ["Room_2", "Room_1"]
    assert await listed(api, GroupName="") == ["Room_2", "Room_1", "Floor"]
    assert await listed(api, GroupName="_1", SuperGroupId=floor) == ["Room_1"]
    assert await listed(api, CurrentPage=2, PageSize=2) == ["Floor"]
    assert await listed(api, GroupTypes=[DYNAMIC, "LINK_PLATFORM"], PageSize=1) == ["Room_2"]
    none = await api.call("QueryDeviceGroupList", GroupTypes=[DYNAMIC])
    assert (none["Data"], none["Total"], none["PageCount"]) == ({"GroupInfo": []}, 0, 0)
    last = await api.call("QueryDeviceGroupList", CurrentPage=2, PageSize=2)
    assert (last["Total"], last["PageCount"], last["CurrentPage"], last["PageSize"]) == (3, 2, 2, 2)


async def test_devices_are_added_listed_and_removed(
    api: Api, register: Register, devices: DeviceService, foreign_product: Product
) -> None:
    group_id = await create(api)
    first, second, third = await register(3)
    foreign = await devices.register(foreign_product, "lamp-1")
    unknown = {"ProductKey": first.product_key, "DeviceName": "nobody"}
    given = [*named(first, second, first, foreign), unknown]
    added = await api.call("BatchAddDeviceGroupRelations", GroupId=group_id, Device=given)
    del added["RequestId"]
    assert added == {
        "Success": True,
        "ErrorMessage": "Devices added: 2. Devices not added: 2.",
        "SuccessAddedDeviceCount": 2,
        "AlreadyRelatedGroupDeviceCount": 0,
        "ExceedTenGroupDeviceCount": 0,
        "ValidDeviceCount": 2,
    }
    again = await api.call("BatchAddDeviceGroupRelations", GroupId=group_id, Device=named(third, second))
    counts = ("SuccessAddedDeviceCount", "AlreadyRelatedGroupDeviceCount", "ValidDeviceCount")
    assert [again[count] for count in counts] == [1, 1, 2]

    answer = await api.call("QueryDeviceListByDeviceGroup", GroupId=group_id, PageSize=2)
    assert answer["Data"]["SimpleDeviceInfo"] == [
        {
            "DeviceName": device.name,
            "IotId": device.iot_id,
            "ProductKey": device.product_key,
            "ProductName": "Street_light",
        }
        for device in (first, second)
    ]
    assert [answer[key] for key in ("Total", "Page", "PageCount", "PageSize")] == [3, 1, 2, 2]
    assert (await api.call("QueryDeviceGroupInfo", GroupId=group_id))["Data"]["DeviceCount"] == 3

    removed = await api.call(
        "BatchDeleteDeviceGroupRelations", GroupId=group_id, Device=[*named(first, foreign), unknown]
    )
    counts = ("SuccessDeviceCount", "AlreadyRelatedGroupDeviceCount", "ValidDeviceCount")
    assert [removed[count] for count in counts] == [1, 1, 1]
    again = await api.call("BatchDeleteDeviceGroupRelations", GroupId=group_id, Device=named(first))
    assert [again[count] for count in counts] == [0, 0, 1]
    rest = await api.call("QueryDeviceListByDeviceGroup", GroupId=group_id, CurrentPage=1)
    assert [entry["DeviceName"] for entry in rest["Data"]["SimpleDeviceInfo"]] == ["lamp-1", "lamp-2"]


@one_database
@pytest.mark.parametrize("action", ["BatchAddDeviceGroupRelations", "BatchDeleteDeviceGroupRelations"])
async def test_a_batch_names_1_to_200_devices_completely(api: Api, action: str) -> None:
    group_id = await create(api)
    lamp = {"ProductKey": "a1", "DeviceName": "lamp-1"}
    most = [{**lamp, "DeviceName": f"lamp-{number}"} for number in range(201)]
    assert (await api.call(action, GroupId=group_id, Device=most[:200]))["ValidDeviceCount"] == 0
    assert await code(api, action, GroupId=group_id, Device=most) == MALFORMED
    no_key = await code(api, action, GroupId=group_id, Device=[{**lamp, "ProductKey": ""}])
    assert no_key == "iot.prod.NullProductKey"
    no_name = await code(api, action, GroupId=group_id, Device=[{**lamp, "DeviceName": ""}])
    assert no_name == "iot.device.NullDeviceName"
    for name in lamp:
        with pytest.raises(CallError, match=rf"MissingDevice\.1\.{name}"):
            await api.call(action, GroupId=group_id, Device=[{key: lamp[key] for key in lamp if key != name}])


async def test_a_device_in_ten_groups_is_counted_and_not_added(api: Api, register: Register) -> None:
    busy, free = await register(2)
    for number in range(10):
        group_id = await create(api, f"Floor_{number}")
        await api.call("BatchAddDeviceGroupRelations", GroupId=group_id, Device=named(busy))
    group_id = await create(api, "Floor")
    answer = await api.call("BatchAddDeviceGroupRelations", GroupId=group_id, Device=named(busy, free))
    assert answer["Success"] is True
    assert (answer["ExceedTenGroupDeviceCount"], answer["SuccessAddedDeviceCount"]) == (1, 1)
    infos = await api.call("QueryDeviceGroupByDevice", **named(busy)[0])
    assert [info["GroupName"] for info in infos["GroupInfos"]["GroupInfo"]] == [f"Floor_{n}" for n in range(10)]


async def test_a_group_that_would_hold_too_many_devices_refuses_the_batch(
    database: Database, clock: FakeClock, products: ProductService, devices: DeviceService, register: Register
) -> None:
    small = GroupService(database, clock, devices, GroupLimits(devices=1))
    api = Api(Services(products, devices, small), clock=clock)
    group_id = await create(api)
    two = await register(2)
    refused = await code(api, "BatchAddDeviceGroupRelations", GroupId=group_id, Device=named(*two))
    assert refused == "iot.group.BindGroupRelationFailed"
    assert (await api.call("QueryDeviceListByDeviceGroup", GroupId=group_id))["Total"] == 0


async def test_groups_of_a_device_are_told(api: Api, register: Register) -> None:
    device, alone = await register(2)
    group_id = await create(api, GroupDesc="Halls")
    await api.call("BatchAddDeviceGroupRelations", GroupId=group_id, Device=named(device))
    answer = await api.call("QueryDeviceGroupByDevice", **named(device)[0])
    assert answer["GroupInfos"]["GroupInfo"] == [
        {
            "GroupId": group_id,
            "GroupName": "Floor",
            "GroupDesc": "Halls",
            "GroupType": "LINK_PLATFORM",
            "UtcCreate": CREATED,
        }
    ]
    assert (await api.call("QueryDeviceGroupByDevice", **named(alone)[0]))["GroupInfos"] == {"GroupInfo": []}
    unknown = {"ProductKey": device.product_key, "DeviceName": "nobody"}
    assert await code(api, "QueryDeviceGroupByDevice", **unknown) == "iot.device.NotExistedDevice"
    foreign = await code(api, "QueryDeviceGroupByDevice", IotInstanceId="iot-other", **named(device)[0])
    assert foreign == "iot.prod.NotExistedProduct"


async def test_info_counts_activated_and_online_devices(api: Api, devices: DeviceService, register: Register) -> None:
    group_id = await create(api)
    online, _ = two = await register(2)
    await api.call("BatchAddDeviceGroupRelations", GroupId=group_id, Device=named(*two))
    devices.connected(online, "10.0.0.1")
    await devices.close()
    data = (await api.call("QueryDeviceGroupInfo", GroupId=group_id))["Data"]
    assert (data["DeviceCount"], data["DeviceActive"], data["DeviceOnline"]) == (2, 1, 1)


async def test_tags_are_set_listed_and_searched(api: Api) -> None:
    group_id = await create(api)
    text = '[{"tagKey":"h1","tagValue":"rr"},{"tagKey":"7h","tagValue":"rr"}]'
    assert (await api.call("SetDeviceGroupTags", GroupId=group_id, TagString=text))["Success"] is True
    both = [{"TagKey": "7h", "TagValue": "rr"}, {"TagKey": "h1", "TagValue": "rr"}]
    assert (await api.call("QueryDeviceGroupTagList", GroupId=group_id))["Data"] == {"GroupTagInfo": both}
    found = await api.call("QueryDeviceGroupByTags", Tag=[{"TagKey": "h1", "TagValue": "rr"}])
    assert found["Data"] == {"DeviceGroup": [{"GroupId": group_id, "GroupName": "Floor"}]}
    assert [found[key] for key in ("Total", "Page", "PageCount", "PageSize")] == [1, 1, 1, 10]
    other = {"Tag": [{"TagKey": "h1", "TagValue": "rr"}], "IotInstanceId": "iot-other"}
    assert (await api.call("QueryDeviceGroupByTags", **other))["Total"] == 0

    await api.call("SetDeviceGroupTags", GroupId=group_id)
    assert (await api.call("QueryDeviceGroupTagList", GroupId=group_id))["Data"] == {"GroupTagInfo": both}
    await api.call("SetDeviceGroupTags", GroupId=group_id, TagString='[{"tagKey":"h1","tagValue":"2"}]')
    one = [{"TagKey": "h1", "TagValue": "2"}]
    assert (await api.call("QueryDeviceGroupTagList", GroupId=group_id))["Data"] == {"GroupTagInfo": one}
    await api.call("SetDeviceGroupTags", GroupId=group_id, TagString="[]")
    assert (await api.call("QueryDeviceGroupTagList", GroupId=group_id))["Data"] == {"GroupTagInfo": []}


async def test_refused_tags_change_nothing(api: Api) -> None:
    group_id = await create(api)
    await api.call("SetDeviceGroupTags", GroupId=group_id, TagString='[{"tagKey":"h1","tagValue":"rr"}]')
    many = "[" + ",".join(f'{{"tagKey":"k{number}","tagValue":"v"}}' for number in range(101)) + "]"
    refused = await code(api, "SetDeviceGroupTags", GroupId=group_id, TagString=many)
    assert refused == "iot.group.TagCountExceedMax"
    for text in ('{"h1":"rr"}', '[{"tagKey":"h2","tagValue":"v"},{"tagKey":"h","tagValue":"v"}]'):
        refused = await code(api, "SetDeviceGroupTags", GroupId=group_id, TagString=text)
        assert refused == "iot.group.InvalidFormattedTagString"
    kept = [{"TagKey": "h1", "TagValue": "rr"}]
    assert (await api.call("QueryDeviceGroupTagList", GroupId=group_id))["Data"] == {"GroupTagInfo": kept}


async def use_everything(api: Api, lamps: list[Device]) -> None:
    """Call every operation with success, with something in every list."""
    floor = await create(api, GroupDesc="Halls")
    room = await create(api, "Room", SuperGroupId=floor)
    tag = {"TagKey": "h1", "TagValue": "rr"}
    calls: list[tuple[str, dict[str, Any]]] = [
        ("UpdateDeviceGroup", {"GroupId": floor, "GroupDesc": "Stairs"}),
        ("BatchAddDeviceGroupRelations", {"GroupId": room, "Device": named(*lamps)}),
        ("QueryDeviceGroupInfo", {"GroupId": room}),
        ("QueryDeviceGroupList", {}),
        ("SetDeviceGroupTags", {"GroupId": room, "TagString": '[{"tagKey":"h1","tagValue":"rr"}]'}),
        ("QueryDeviceGroupTagList", {"GroupId": room}),
        ("QueryDeviceGroupByDevice", named(lamps[0])[0]),
        ("QuerySuperDeviceGroup", {"GroupId": room}),
        ("QueryDeviceListByDeviceGroup", {"GroupId": room}),
        ("QueryDeviceGroupByTags", {"Tag": [tag]}),
        ("BatchDeleteDeviceGroupRelations", {"GroupId": room, "Device": named(*lamps)}),
        ("DeleteDeviceGroup", {"GroupId": room}),
    ]
    for action, parameters in calls:
        assert (await api.call(action, **parameters))["Success"] is True


@one_database
async def test_the_official_sdk_understands_every_answer_completely(api: Api, register: Register) -> None:
    await use_everything(api, await register(2))
    assert len({action for action, _ in api.answers}) == 13
    for action, answer in api.answers:
        assert getattr(models, f"{action}ResponseBody")().from_map(answer).to_map() == answer


@one_database
async def test_lists_repeat_their_element_in_xml(
    products: ProductService, devices: DeviceService, groups: GroupService, clock: FakeClock, register: Register
) -> None:
    api = Api(Services(products, devices, groups), clock=clock, scheme="acs3")
    lamps = await register(2)
    group_id = await create(api)
    await api.call("BatchAddDeviceGroupRelations", GroupId=group_id, Device=named(*lamps))

    async def xml(action: str, **parameters: str) -> ET.Element:
        _, _, body = await api.send(api.signer.sign(action, {**parameters, "Format": "XML"}))
        return ET.fromstring(body)

    listing = await xml("QueryDeviceListByDeviceGroup", GroupId=group_id)
    assert listing.tag == "QueryDeviceListByDeviceGroupResponse"
    assert [entry.text for entry in listing.findall("Data/SimpleDeviceInfo/DeviceName")] == ["lamp-0", "lamp-1"]
    assert (await xml("QueryDeviceGroupList")).findtext("Data/GroupInfo/GroupId") == group_id
    of_device = await xml("QueryDeviceGroupByDevice", **named(lamps[0])[0])
    assert of_device.findtext("GroupInfos/GroupInfo/GroupName") == "Floor"
    empty = (await xml("QueryDeviceGroupTagList", GroupId=group_id)).find("Data")
    assert empty is not None
    assert len(empty) == 0
