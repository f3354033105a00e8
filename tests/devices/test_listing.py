"""QueryDevice."""

from typing import Any

import pytest

from tests.common.api import Api
from tests.common.clock import FakeClock
from tests.devices.marks import one_database
from thingplane.cloud import Services
from thingplane.cloud.client import CallError
from thingplane.cloud.quota import Quota
from thingplane.devices.operations.listing import english_date
from thingplane.devices.page_token import read_token, write_token
from thingplane.devices.service import DeviceService
from thingplane.products.operations import queries  # noqa: F401 - registers QueryProductList
from thingplane.products.service import Product, ProductService


def names(answer: dict[str, Any]) -> list[str]:
    return [entry["DeviceName"] for entry in answer["Data"]["DeviceInfo"]]


async def test_an_entry_has_everything_of_its_device(
    api: Api, clock: FakeClock, devices: DeviceService, product: Product
) -> None:
    device = await devices.register(product, "lamp-1", "Lamp_1")
    clock.advance(61.5)
    devices.connected(device, "10.0.0.1")
    await devices.disable(device)
    answer = await api.call("QueryDevice", ProductKey=product.product_key)
    assert answer["Data"]["DeviceInfo"] == [
        {
            "IotId": device.iot_id,
            "DeviceId": device.iot_id[:21],
            "ProductKey": product.product_key,
            "DeviceName": "lamp-1",
            "DeviceSecret": device.secret,
            "DeviceStatus": "DISABLE",
            "GmtCreate": "Tue, 14-Nov-2023 22:13:20 GMT",
            "UtcCreate": "2023-11-14T22:13:20.000Z",
            "GmtModified": "Tue, 14-Nov-2023 22:14:21 GMT",
            "UtcModified": "2023-11-14T22:14:21.500Z",
            "Nickname": "Lamp_1",
        }
    ]
    assert {key: answer[key] for key in ("Total", "Page", "PageSize", "PageCount", "NextToken")} == {
        "Total": 1,
        "Page": 1,
        "PageSize": 10,
        "PageCount": 1,
        "NextToken": "",
    }


async def test_pages_go_from_the_newest_device_to_the_oldest(
    api: Api, devices: DeviceService, product: Product, gateway_product: Product
) -> None:
    for number in range(5):
        await devices.register(product, f"lamp-{number}")
        await devices.register(gateway_product, f"hub-{number}")
    pages = [
        await api.call("QueryDevice", ProductKey=product.product_key, PageSize=2, CurrentPage=page)
        for page in (1, 2, 3, 4)
    ]
    assert [names(page) for page in pages] == [["lamp-4", "lamp-3"], ["lamp-2", "lamp-1"], ["lamp-0"], []]
    assert {(page["Total"], page["PageCount"], page["PageSize"]) for page in pages} == {(5, 3, 2)}
    assert [page["Page"] for page in pages] == [1, 2, 3, 4]
    assert [bool(page["NextToken"]) for page in pages] == [True, True, False, False]


async def test_tokens_neither_repeat_nor_lose_a_device_when_others_come_and_go(
    api: Api, devices: DeviceService, product: Product
) -> None:
    known = [await devices.register(product, f"lamp-{number}") for number in range(6)]
    key = product.product_key
    first = await api.call("QueryDevice", ProductKey=key, PageSize=2)
    await devices.register(product, "lamp-new")
    await devices.delete(known[4])
    second = await api.call("QueryDevice", ProductKey=key, PageSize=2, CurrentPage=2, NextToken=first["NextToken"])
    third = await api.call("QueryDevice", ProductKey=key, PageSize=2, CurrentPage=3, NextToken=second["NextToken"])
    assert names(first) + names(second) + names(third) == [f"lamp-{number}" for number in (5, 4, 3, 2, 1, 0)]
    assert third["NextToken"] == ""


async def test_a_product_without_devices_has_no_pages(api: Api, product: Product) -> None:
    answer = await api.call("QueryDevice", ProductKey=product.product_key)
    assert (answer["Total"], answer["PageCount"], answer["Data"]) == (0, 0, {"DeviceInfo": []})


PAGE = "iot.common.InvalidPageParams"
TOKEN = "iot.device.PageTokenIsIllegal"


@one_database
@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"PageSize": 0}, PAGE),
        ({"PageSize": 51}, PAGE),
        ({"PageSize": "ten"}, PAGE),
        ({"CurrentPage": 0}, PAGE),
        ({"CurrentPage": -1}, PAGE),
        ({"CurrentPage": 201, "PageSize": 50}, PAGE),
        ({"CurrentPage": 10_000, "PageSize": 50, "NextToken": "MToxMDA"}, PAGE),
        ({"NextToken": "TGlzdFJlc291cm"}, TOKEN),
        ({"NextToken": "!"}, TOKEN),
        ({"NextToken": "路灯"}, TOKEN),
        ({"ProductKey": ""}, "iot.prod.NullProductKey"),
        ({"ProductKey": "a1nosuchkey"}, "iot.prod.NotExistedProduct"),
    ],
)
async def test_violations_have_their_documented_code(
    api: Api, product: Product, parameters: dict[str, Any], code: str
) -> None:
    answer = await api.call("QueryDevice", **({"ProductKey": product.product_key} | parameters))
    assert (answer["Success"], answer["Code"]) == (False, code)


async def test_a_token_of_another_list_is_refused(api: Api, product: Product, gateway_product: Product) -> None:
    token = write_token(gateway_product.id, 1)
    answer = await api.call("QueryDevice", ProductKey=product.product_key, NextToken=token)
    assert answer["Code"] == TOKEN


async def test_the_last_pages_within_the_limits_are_answered(api: Api, product: Product) -> None:
    key = product.product_key
    assert (await api.call("QueryDevice", ProductKey=key, PageSize=50, CurrentPage=200))["Success"]
    token = write_token(product.id, 1)
    assert (await api.call("QueryDevice", ProductKey=key, PageSize=50, CurrentPage=9999, NextToken=token))["Success"]


@pytest.mark.parametrize("list_id", [1, 17, 10**18 - 1])
def test_a_token_keeps_its_place(list_id: int) -> None:
    assert read_token(list_id, write_token(list_id, 42)) == 42


@one_database
async def test_pages_from_100000_devices_on_are_limited_to_two_a_second(
    products: ProductService, devices: DeviceService, clock: FakeClock, product: Product
) -> None:
    api = Api(Services(products, devices), clock=clock, quota=Quota(clock))
    listing = {"ProductKey": product.product_key, "PageSize": 50, "NextToken": write_token(product.id, 1)}
    for action, given in (("QueryDevice", listing), ("QueryProductList", {"PageSize": 50})):
        for _ in range(2):
            assert (await api.call(action, **given, CurrentPage=2000))["Success"]
        with pytest.raises(CallError, match=r"Throttling\.User"):
            await api.call(action, **given, CurrentPage=2000)
        assert (await api.call(action, **given, CurrentPage=1999))["Success"]


def test_dates_are_english_and_padded() -> None:
    assert english_date(1_550_628_969_000) == "Wed, 20-Feb-2019 02:16:09 GMT"
    assert english_date(1_551_398_400_999) == "Fri, 01-Mar-2019 00:00:00 GMT"
