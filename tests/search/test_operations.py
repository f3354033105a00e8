"""QueryDeviceBySQL: what its answers look like."""

from typing import Any

import pytest

from tests.common.clock import FakeClock
from tests.common.xml import call_xml
from tests.devices.marks import one_database
from tests.search.conftest import Fleet, Search
from thingplane.cloud import OPERATIONS
from thingplane.cloud.client import CallError
from thingplane.cloud.conformance import violations
from thingplane.devices.service import Device


@pytest.fixture
async def device(fleet: Fleet, clock: FakeClock) -> Device:
    device = await fleet.add(
        "lamp-1",
        nickname="Lamp at the door",
        tags={"color": "red", "floor": "2"},
        groups=("one1", "two2"),
        modules={"default": "1.0", "radio": "7"},
    )
    clock.advance(1.607)
    fleet.connect(device)
    return device


def test_declared_as_documented() -> None:
    assert violations(OPERATIONS["QueryDeviceBySQL"]) == []


def expected(fleet: Fleet, device: Device) -> dict[str, Any]:
    return {
        "IotId": device.iot_id,
        "ProductKey": device.product_key,
        "DeviceName": "lamp-1",
        "Nickname": "Lamp at the door",
        "Status": "ONLINE",
        "ActiveTime": "2023-11-15 06:13:21.607",
        "GmtCreate": "2023-11-15 06:13:20.000",
        "GmtModified": "2023-11-15 06:13:20.000",
        "Groups": [{"GroupId": fleet.group_ids["one1"]}, {"GroupId": fleet.group_ids["two2"]}],
        "OTAModules": [
            {"ModuleName": "default", "FirmwareVersion": "1.0"},
            {"ModuleName": "radio", "FirmwareVersion": "7"},
        ],
        "Tags": [{"TagName": "color", "TagValue": "red"}, {"TagName": "floor", "TagValue": "2"}],
    }


async def test_everything_about_a_device(search: Search, fleet: Fleet, device: Device) -> None:
    found = await search(f'SELECT * FROM device WHERE iot_id = "{device.iot_id}"')
    assert found == [expected(fleet, device)]


async def test_what_a_device_has_not_is_left_out(search: Search, fleet: Fleet) -> None:
    device = await fleet.add("plain")
    assert await search('SELECT * FROM device WHERE name = "plain"') == [
        {
            "IotId": device.iot_id,
            "ProductKey": device.product_key,
            "DeviceName": "plain",
            "Status": "UNACTIVE",
            "GmtCreate": "2023-11-15 06:13:20.000",
            "GmtModified": "2023-11-15 06:13:20.000",
        }
    ]


@one_database
@pytest.mark.parametrize(
    ("fields", "members"),
    [
        ("iot_id", {}),
        ("product_key", {"ProductKey"}),
        ("name, status", {"DeviceName", "Status"}),
        ("nickname, active_time", {"Nickname", "ActiveTime"}),
        ("gmt_create, gmt_modified", {"GmtCreate", "GmtModified"}),
        ("group.group_id", {"Groups"}),
        ("tag.tag_name, tag.tag_value", {"Tags"}),
        ("ota_module.module_name, ota_module.firmware_version", {"OTAModules"}),
    ],
)
async def test_selected_fields_come_with_the_iot_id(
    *, search: Search, fleet: Fleet, device: Device, fields: str, members: set[str]
) -> None:
    wanted = {"IotId", *members}
    whole = {name: value for name, value in expected(fleet, device).items() if name in wanted}
    assert await search(f'SELECT {fields} FROM device WHERE name = "lamp-1"') == [whole]


@one_database
@pytest.mark.usefixtures("device")
async def test_half_of_a_tag_or_module_can_be_selected(search: Search) -> None:
    found = await search('SELECT tag.tag_name, ota_module.firmware_version FROM device WHERE name = "lamp-1"')
    assert found[0]["Tags"] == [{"TagName": "color"}, {"TagName": "floor"}]
    assert found[0]["OTAModules"] == [{"FirmwareVersion": "1.0"}, {"FirmwareVersion": "7"}]


@one_database
async def test_nothing_found_is_an_empty_list(search: Search) -> None:
    assert await search('SELECT * FROM device WHERE name = "nobody"') == []
    assert await search.count('name = "nobody"') == 0


@one_database
async def test_bad_statements(search: Search) -> None:
    assert await search.refused("") == "InvalidSQLError"
    assert await search.refused("SELECT * FROM device") == "InvalidSQLError"
    assert await search.refused("SELECT * FROM device WHERE x = 'y'") == "InvalidSQLFieldError"
    with pytest.raises(CallError, match="MissingSQL"):
        await search.api.call("QueryDeviceBySQL")


@one_database
@pytest.mark.usefixtures("device")
async def test_lists_repeat_their_element_in_xml(search: Search, fleet: Fleet) -> None:
    await fleet.add("lamp-2")
    root = await call_xml(search.api, "QueryDeviceBySQL", SQL='SELECT * FROM device WHERE name LIKE "lamp%"')
    assert [data.findtext("DeviceName") for data in root.findall("Data")] == ["lamp-1", "lamp-2"]
    assert [tag.findtext("TagName") for tag in root.findall("Data/Tags")] == ["color", "floor"]
    assert len(root.findall("Data/Groups/GroupId")) == 2
    root = await call_xml(search.api, "QueryDeviceBySQL", SQL='SELECT count(*) FROM device WHERE name LIKE "lamp%"')
    assert root.findtext("TotalCount") == "2"
