"""BatchRegisterDevice, BatchCheckDeviceNames, BatchRegisterDeviceWithApplyId and the queries of applications."""

import re
from typing import Any

import pytest

from tests.common.api import Api
from tests.devices.conftest import Xml
from tests.devices.marks import one_database
from thingplane.cloud.client import CallError
from thingplane.devices.service import DeviceService
from thingplane.products.service import Product, ProductService


async def check(api: Api, devices: DeviceService, product: Product, *names: str) -> int:
    """Let names be checked, and return the ApplyId when they are."""
    answer = await api.call("BatchCheckDeviceNames", ProductKey=product.product_key, DeviceName=list(names))
    await devices.applications.done()
    apply_id: int = answer["Data"]["ApplyId"]
    return apply_id


async def status(api: Api, product: Product, apply_id: int) -> dict[str, Any]:
    answer = await api.call("QueryBatchRegisterDeviceStatus", ProductKey=product.product_key, ApplyId=apply_id)
    data: dict[str, Any] = answer["Data"]
    return data


async def test_devices_with_names_of_the_platform_s_choice(api: Api, devices: DeviceService, product: Product) -> None:
    answer = await api.call("BatchRegisterDevice", ProductKey=product.product_key, Count=12)
    apply_id = answer["Data"]["ApplyId"]
    await devices.applications.done()
    first = await api.call("QueryPageByApplyId", ApplyId=apply_id)
    second = await api.call("QueryPageByApplyId", ApplyId=apply_id, PageSize=10, CurrentPage=2)
    assert (first["Total"], first["PageCount"], first["PageSize"], first["Page"]) == (12, 2, 10, 1)
    assert (second["Total"], second["Page"]) == (12, 2)
    made = first["ApplyDeviceList"]["ApplyDeviceInfo"] + second["ApplyDeviceList"]["ApplyDeviceInfo"]
    assert len({device["DeviceName"] for device in made}) == 12
    for device in made:
        assert re.fullmatch("[A-Za-z0-9]{20}", device["DeviceName"])
        stored = await devices.find(product.product_key, device["DeviceName"])
        assert stored is not None
        assert device == {
            "DeviceId": stored.device_id,
            "DeviceName": stored.name,
            "DeviceSecret": stored.secret,
            "IotId": stored.iot_id,
        }
    known = await status(api, product, apply_id)
    assert known["Status"] == "CREATE_SUCCESS"
    assert known["ValidList"]["Name"] == [device["DeviceName"] for device in made]
    assert known["InvalidList"] == {"Name": []}


async def test_devices_with_names_of_the_caller_s_choice(api: Api, devices: DeviceService, product: Product) -> None:
    wanted = [{"DeviceName": "lamp-1"}, {"DeviceName": "lamp-2", "DeviceNickname": "Lamp_2"}]
    key = product.product_key
    answer = await api.call("BatchCheckDeviceNames", ProductKey=key, DeviceNameList=wanted, DeviceName=["ignored"])
    assert set(answer["Data"]) == {"ApplyId"}
    apply_id = answer["Data"]["ApplyId"]
    await devices.applications.done()
    checked = await status(api, product, apply_id)
    assert checked == {
        "Status": "CHECK_SUCCESS",
        "ValidList": {"Name": ["lamp-1", "lamp-2"]},
        "InvalidList": {"Name": []},
    }
    assert (await api.call("QueryPageByApplyId", ApplyId=apply_id))["Total"] == 0
    created = await api.call("BatchRegisterDeviceWithApplyId", ProductKey=key, ApplyId=apply_id)
    assert created["Data"] == {"ApplyId": apply_id}
    await devices.applications.done()
    assert await status(api, product, apply_id) == checked | {"Status": "CREATE_SUCCESS"}
    page = await api.call("QueryPageByApplyId", ApplyId=apply_id)
    assert [device["DeviceName"] for device in page["ApplyDeviceList"]["ApplyDeviceInfo"]] == ["lamp-1", "lamp-2"]
    nicknames = [device.nickname for device in await devices.several(product, ["lamp-1", "lamp-2"])]
    assert nicknames == [None, "Lamp_2"]


async def test_taken_names_fail_the_check_and_are_listed(api: Api, devices: DeviceService, product: Product) -> None:
    await devices.register(product, "lamp-2")
    apply_id = await check(api, devices, product, "lamp-1", "lamp-2")
    known = await status(api, product, apply_id)
    assert (known["Status"], known["ValidList"], known["InvalidList"]) == (
        "CHECK_FAILED",
        {"Name": []},
        {"Name": ["lamp-2"]},
    )
    [detail] = known["InvalidDetailList"]["invalidDetailList"]
    assert detail["DeviceName"] == "lamp-2"
    refused = await api.call("BatchRegisterDeviceWithApplyId", ProductKey=product.product_key, ApplyId=apply_id)
    assert refused["Code"] == "iot.device.ApplyManyDevicesFailed"


async def test_a_name_that_is_taken_after_the_check_fails_all_devices(
    api: Api, devices: DeviceService, product: Product
) -> None:
    apply_id = await check(api, devices, product, "lamp-1", "lamp-2", "lamp-3")
    await devices.register(product, "lamp-2")
    await api.call("BatchRegisterDeviceWithApplyId", ProductKey=product.product_key, ApplyId=apply_id)
    await devices.applications.done()
    known = await status(api, product, apply_id)
    assert (known["Status"], known["ValidList"], known["InvalidList"]) == (
        "CREATE_FAILED",
        {"Name": []},
        {"Name": ["lamp-2"]},
    )
    assert (await devices.lists.of_product(product.id, 10))[0] == 1
    assert (await api.call("QueryPageByApplyId", ApplyId=apply_id))["Total"] == 0


async def test_devices_are_made_once(api: Api, devices: DeviceService, product: Product) -> None:
    apply_id = await check(api, devices, product, "lamp-1")
    application = await devices.applications.get(1, apply_id)
    await devices.applications.create(application)
    with pytest.raises(Exception, match=r"iot\.device\.CreateDeviceTaskIsRunning"):
        await devices.applications.create(application)
    await devices.applications.done()
    refused = await api.call("BatchRegisterDeviceWithApplyId", ProductKey=product.product_key, ApplyId=apply_id)
    assert refused["Code"] == "iot.device.ApplyManyDevicesFailed"
    assert (await devices.lists.of_product(product.id, 10))[0] == 1


async def test_nothing_is_made_before_the_names_are_checked(
    api: Api, other_node: DeviceService, product: Product
) -> None:
    apply_id = await other_node.applications.check(product, [("lamp-1", None)])
    known = await status(api, product, apply_id)
    assert known == {"Status": "CHECK", "ValidList": {"Name": []}, "InvalidList": {"Name": []}}
    refused = await api.call("BatchRegisterDeviceWithApplyId", ProductKey=product.product_key, ApplyId=apply_id)
    assert refused["Code"] == "iot.device.CreateDeviceTaskIsRunning"


async def test_a_deleted_device_leaves_the_list_of_its_application(
    api: Api, devices: DeviceService, product: Product
) -> None:
    apply_id = await devices.applications.create_random(product, 3)
    await devices.applications.done()
    _, [_, middle, _] = await devices.lists.of_application(await devices.applications.get(1, apply_id), 10)
    await devices.delete(middle)
    assert (await api.call("QueryPageByApplyId", ApplyId=apply_id))["Total"] == 2
    assert len((await status(api, product, apply_id))["ValidList"]["Name"]) == 2


INVALID = "iot.common.InvalidFormattedParameter"


async def test_malformed_and_repeated_names_are_all_listed(api: Api, product: Product, devices: DeviceService) -> None:
    wanted = [
        {"DeviceName": "lamp$", "DeviceNickname": "x"},
        {"DeviceName": "aw"},
        {"DeviceName": "lamp-1"},
        {"DeviceName": "lamp-1"},
        {"DeviceName": "lamp-2", "DeviceNickname": "Lamp 2"},
        {"DeviceName": "lamp-3", "DeviceNickname": "Lamp_3"},
    ]
    answer = await api.call("BatchCheckDeviceNames", ProductKey=product.product_key, DeviceNameList=wanted)
    assert (answer["Success"], answer["Code"]) == (False, "iot.device.InvalidFormattedDeviceName")
    data = answer["Data"]
    assert data["InvalidDeviceNameList"] == {"InvalidDeviceName": ["lamp$", "aw"]}
    assert data["InvalidDeviceNicknameList"] == {"InvalidDeviceNickname": ["x", "Lamp 2"]}
    assert data["RepeatedDeviceNameList"] == {"RepeatDevieNameList": ["lamp-1"]}
    details = data["InvalidDetailList"]["InvalidDetailList"]
    assert [(detail["DeviceName"], detail.get("NickName")) for detail in details] == [
        ("lamp$", "x"),
        ("lamp$", "x"),
        ("aw", None),
        ("lamp-1", None),
        ("lamp-1", None),
        ("lamp-2", "Lamp 2"),
    ]
    assert "ApplyId" not in data
    with pytest.raises(Exception, match="DeviceApplyIsNotFound"):
        await devices.applications.get(1, 1)


@one_database
@pytest.mark.parametrize(
    ("parameters", "code", "lists"),
    [
        ({"DeviceName": ["abc"]}, "iot.device.InvalidFormattedDeviceName", {"InvalidDeviceNameList"}),
        ({"DeviceName": ["a" * 33]}, "iot.device.InvalidFormattedDeviceName", {"InvalidDeviceNameList"}),
        ({"DeviceName": ["lamp 1"]}, "iot.device.InvalidFormattedDeviceName", {"InvalidDeviceNameList"}),
        ({"DeviceName": ["路灯路灯"]}, "iot.device.InvalidFormattedDeviceName", {"InvalidDeviceNameList"}),
        ({"DeviceName": ["lamp-1", "lamp-1"]}, "iot.device.AlreadyExistedDeviceName", {"RepeatedDeviceNameList"}),
        *(
            (
                {"DeviceNameList": [{"DeviceName": "lamp-1", "DeviceNickname": nickname}]},
                "iot.device.InvalidDeviceNickNameExisted",
                {"InvalidDeviceNicknameList"},
            )
            for nickname in ("abc", "a" * 65, "灯", "Smart-light", "")
        ),
    ],
)
async def test_lists_against_the_rules_name_what_is_wrong(
    api: Api, product: Product, parameters: dict[str, Any], code: str, lists: set[str]
) -> None:
    answer = await api.call("BatchCheckDeviceNames", ProductKey=product.product_key, **parameters)
    assert (answer["Success"], answer["Code"]) == (False, code)
    assert set(answer["Data"]) == lists | {"InvalidDetailList"}


@one_database
@pytest.mark.parametrize(
    ("action", "parameters", "code"),
    [
        ("BatchRegisterDevice", {"Count": 0}, INVALID),
        ("BatchRegisterDevice", {"Count": -1}, INVALID),
        ("BatchRegisterDevice", {"Count": "ten"}, INVALID),
        ("BatchRegisterDevice", {"Count": ""}, INVALID),
        ("BatchRegisterDevice", {"Count": 10_001}, "iot.device.DeviceCountExceeded"),
        ("BatchRegisterDevice", {"Count": 1, "ProductKey": ""}, "iot.prod.NullProductKey"),
        ("BatchRegisterDevice", {"Count": 1, "ProductKey": "a1nosuchkey"}, "iot.prod.NotExistedProduct"),
        ("BatchCheckDeviceNames", {}, "iot.device.NoneDeviceNameElement"),
        ("BatchCheckDeviceNames", {"DeviceNameList": [{"DeviceNickname": "Lamp_1"}]}, "iot.device.NullDeviceName"),
        ("BatchCheckDeviceNames", {"DeviceName": ["lamp-1"], "ProductKey": ""}, "iot.prod.NullProductKey"),
        ("BatchCheckDeviceNames", {"DeviceName": ["lamp-1"], "ProductKey": "a1no"}, "iot.prod.NotExistedProduct"),
        *(
            (action, parameters, code)
            for action in ("BatchRegisterDeviceWithApplyId", "QueryBatchRegisterDeviceStatus", "QueryPageByApplyId")
            for parameters, code in (
                ({"ApplyId": ""}, "iot.device.NullApplyId"),
                ({"ApplyId": "one"}, "iot.device.InvalidFormattedApplyId"),
                ({"ApplyId": 0}, "iot.device.InvalidFormattedApplyId"),
                ({"ApplyId": 2**63}, "iot.device.InvalidFormattedApplyId"),
                ({"ApplyId": 12345}, "iot.device.DeviceApplyIsNotFound"),
            )
        ),
        *(
            (action, parameters, code)
            for action in ("BatchRegisterDeviceWithApplyId", "QueryBatchRegisterDeviceStatus")
            for parameters, code in (
                ({"ApplyId": 1, "ProductKey": ""}, "iot.prod.NullProductKey"),
                ({"ApplyId": 1, "ProductKey": "a1nosuchkey"}, "iot.prod.NotExistedProduct"),
            )
        ),
        *(
            ("QueryPageByApplyId", {"ApplyId": 1, **parameters}, "iot.common.InvalidPageParams")
            for parameters in ({"PageSize": 0}, {"PageSize": 51}, {"CurrentPage": 0}, {"CurrentPage": "one"})
        ),
    ],
)
async def test_violations_have_their_documented_code_and_make_nothing(  # noqa: PLR0917  fixtures
    api: Api, product: Product, devices: DeviceService, action: str, parameters: dict[str, Any], code: str
) -> None:
    answer = await api.call(action, **({"ProductKey": product.product_key} | parameters))
    assert (answer["Success"], answer["Code"]) == (False, code)
    await devices.applications.done()
    assert (await devices.lists.of_product(product.id, 1))[0] == 0


@one_database
@pytest.mark.parametrize(
    ("action", "parameters", "missing"),
    [
        ("BatchRegisterDevice", {"Count": 1}, "ProductKey"),
        ("BatchRegisterDevice", {"ProductKey": "a1"}, "Count"),
        ("BatchCheckDeviceNames", {}, "ProductKey"),
        ("BatchRegisterDeviceWithApplyId", {"ProductKey": "a1"}, "ApplyId"),
        ("QueryBatchRegisterDeviceStatus", {"ApplyId": 1}, "ProductKey"),
        ("QueryPageByApplyId", {}, "ApplyId"),
    ],
)
async def test_mandatory_parameters(api: Api, action: str, parameters: dict[str, Any], missing: str) -> None:
    with pytest.raises(CallError, match=f"Missing{missing}"):
        await api.call(action, **parameters)


async def test_an_application_is_for_one_product_of_one_instance(
    api: Api, devices: DeviceService, product: Product, gateway_product: Product, foreign_product: Product
) -> None:
    apply_id = await check(api, devices, product, "lamp-1")
    for action in ("BatchRegisterDeviceWithApplyId", "QueryBatchRegisterDeviceStatus"):
        other = await api.call(action, ProductKey=gateway_product.product_key, ApplyId=apply_id)
        assert other["Code"] == "iot.device.IncorrentDeviceApplyInfo"
        foreign = {"ProductKey": foreign_product.product_key, "IotInstanceId": "iot-other", "ApplyId": apply_id}
        assert (await api.call(action, **foreign))["Code"] == "iot.device.DeviceApplyIsNotFound"
    foreign_page = await api.call("QueryPageByApplyId", IotInstanceId="iot-other", ApplyId=apply_id)
    assert foreign_page["Code"] == "iot.device.DeviceApplyIsNotFound"


async def test_applications_go_with_their_product(
    api: Api, devices: DeviceService, products: ProductService, product: Product
) -> None:
    apply_id = await check(api, devices, product, "lamp-1")
    await products.delete(product)
    assert (await api.call("QueryPageByApplyId", ApplyId=apply_id))["Code"] == "iot.device.DeviceApplyIsNotFound"


async def test_xml_lists_are_wrapped(api: Api, xml: Xml, devices: DeviceService, product: Product) -> None:
    await devices.register(product, "lamp-2")
    apply_id = await check(api, devices, product, "lamp-1", "lamp-2")
    root = await xml("QueryBatchRegisterDeviceStatus", ProductKey=product.product_key, ApplyId=apply_id)
    assert [entry.text for entry in root.findall("Data/InvalidList/Name")] == ["lamp-2"]
    assert root.find("Data/ValidList") is not None
    assert root.findall("Data/ValidList/*") == []
    refused = await xml("BatchCheckDeviceNames", ProductKey=product.product_key, DeviceName=["a", "b"])
    names = [entry.text for entry in refused.findall("Data/InvalidDeviceNameList/InvalidDeviceName")]
    assert names == ["a", "b"]
