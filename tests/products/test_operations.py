"""The product operations through the whole cloud API, on both databases."""

from collections.abc import AsyncIterator, Sequence
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from tests.common.api import Api
from tests.common.clock import FakeClock
from tests.common.sdk_api import sdk_api
from thingplane.cloud import Services
from thingplane.cloud.client import CallError
from thingplane.products.operations import changes, creation, queries, tags  # noqa: F401 - registers the operations
from thingplane.products.service import ProductService

LAMP = {"ProductName": "Street_light", "NodeType": 0}
SENIOR = {"AliyunCommodityCode": "iothub_senior", "DataFormat": 1}


@pytest.fixture
async def api(products: ProductService, clock: FakeClock) -> AsyncIterator[Api]:
    async with sdk_api(Services(products), clock) as api:
        yield api


async def code(api: Api, action: str, /, **parameters: Any) -> str:
    """Return the code of a call that is refused."""
    answer = await api.call(action, **parameters)
    assert answer["Success"] is False
    assert answer["ErrorMessage"]
    return str(answer["Code"])


async def create(api: Api, **parameters: Any) -> str:
    """Create a product with a thing model; returns its key."""
    answer = await api.call("CreateProduct", **{**LAMP, **SENIOR, **parameters})
    assert answer["Success"] is True
    return str(answer["ProductKey"])


async def query(api: Api, product_key: str) -> dict[str, Any]:
    answer = await api.call("QueryProduct", ProductKey=product_key)
    data: dict[str, Any] = answer["Data"]
    return data


async def test_creating_a_product_answers_with_key_and_secret(api: Api) -> None:
    answer = await api.call(
        "CreateProduct",
        **LAMP,
        **SENIOR,
        Description="lights up",
        ProtocolType="modbus",
        ResourceGroupId="rg-1",
        AuthType="secret",
        Id2="False",
        PublishAuto="false",
    )
    data = answer["Data"]
    assert answer["ProductKey"] == data.pop("ProductKey")
    assert len(answer["ProductKey"]) == 11
    assert len(data.pop("ProductSecret")) == 16
    assert data == {
        "AliyunCommodityCode": "iothub_senior",
        "AuthType": "secret",
        "DataFormat": 1,
        "Description": "lights up",
        "Id2": False,
        "NodeType": 0,
        "ProductName": "Street_light",
        "ProtocolType": "modbus",
        "ResourceGroupId": "rg-1",
    }


async def test_a_queried_product_has_every_documented_field(api: Api, clock: FakeClock) -> None:
    key = await create(api, Description="lights up", ProtocolType="ble", NodeType=1)
    data = await query(api, key)
    assert len(data.pop("ProductSecret")) == 16
    assert data == {
        "AliyunCommodityCode": "iothub_senior",
        "AuthType": "secret",
        "DataFormat": 1,
        "Description": "lights up",
        "DeviceCount": 0,
        "GmtCreate": clock.now_ms(),
        "Id2": False,
        "NetType": 3,
        "NodeType": 1,
        "Owner": True,
        "ProductKey": key,
        "ProductName": "Street_light",
        "ProductStatus": "DEVELOPMENT_STATUS",
        "ProtocolType": "ble",
        "ValidateType": 1,
    }


async def test_a_basic_product_shows_neither_data_format_nor_protocol(api: Api) -> None:
    answer = await api.call("CreateProduct", **LAMP, DataFormat=1, ProtocolType="modbus")
    assert answer["Data"]["AliyunCommodityCode"] == "iothub"
    for data in (answer["Data"], await query(api, answer["ProductKey"])):
        assert not {"DataFormat", "ProtocolType", "Description"} & set(data)


async def test_the_net_type_is_shown_as_its_number(api: Api) -> None:
    for net_type, number in {"WIFI": 3, "CELLULAR": 6, "ETHERNET": 7, "OTHER": 8}.items():
        key = await create(api, ProductName=net_type, NetType=net_type)
        assert (await query(api, key))["NetType"] == number


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"ProductName": ""}, "iot.prod.NullProductName"),
    ({"ProductName": "abc"}, "iot.prod.InvalidFormattedProductName"),
    ({"ProductName": "a" * 31}, "iot.prod.InvalidFormattedProductName"),
    ({"ProductName": "street light"}, "iot.prod.InvalidFormattedProductName"),
    ({"ProductName": "street-light"}, "iot.prod.InvalidFormattedProductName"),
    ({"ProductName": "灯" * 16}, "iot.prod.InvalidFormattedProductName"),
    ({"NodeType": 2}, "iot.prod.InvalidNodeType"),
    ({"NodeType": "gateway"}, "iot.prod.InvalidNodeType"),
    ({"NodeType": ""}, "iot.prod.InvalidNodeType"),
    ({"Description": "d" * 101}, "iot.prod.LongProductDesc"),
    ({"Description": ""}, "iot.prod.LongProductDesc"),
    ({"AliyunCommodityCode": "iothub_junior"}, "iot.prod.InvalidAliyunCommodityCode"),
    ({"AliyunCommodityCode": "iothub_senior"}, "iot.common.InvalidFormattedParameter"),
    ({"DataFormat": 2}, "iot.common.InvalidFormattedParameter"),
    ({"ValidateType": 0}, "iot.common.InvalidFormattedParameter"),
    ({"ValidateType": 3}, "iot.common.InvalidFormattedParameter"),
    ({"ProtocolType": "pigeon"}, "iot.common.InvalidFormattedParameter"),
    ({"NetType": "wifi"}, "iot.common.InvalidFormattedParameter"),
    ({"NetType": "LORA", "JoinPermissionId": "8"}, "iot.common.APINotSupportedInInstance"),
    ({"AuthType": "password"}, "iot.common.InvalidFormattedParameter"),
    ({"AuthType": "id2", "Id2": "true"}, "iot.common.APINotSupportedInInstance"),
    ({"AuthType": "x509", "NetType": "LORA"}, "iot.common.APINotSupportedInInstance"),
    ({"Id2": "yes"}, "iot.common.InvalidFormattedParameter"),
    ({"PublishAuto": "1"}, "iot.common.InvalidFormattedParameter"),
    ({"CategoryKey": "Lighting"}, "iot.prod.InvalidFormattedCatId"),
    ({"ResourceGroupId": "r" * 65}, "iot.common.InvalidFormattedParameter"),
]


async def test_every_constraint_of_a_new_product_has_its_code(api: Api) -> None:
    refused = [(parameters, await code(api, "CreateProduct", **{**LAMP, **parameters})) for parameters, _ in REFUSED]
    assert refused == REFUSED
    assert (await api.call("QueryProductList", CurrentPage=1))["Data"]["Total"] == 0


async def test_names_of_documented_characters_and_lengths_are_taken(api: Api) -> None:
    for name in ("abcd", "a" * 30, "Light_01", "路灯", "灯" * 15):
        assert (await query(api, await create(api, ProductName=name)))["ProductName"] == name


async def test_devices_of_a_product_may_authenticate_with_certificates(api: Api) -> None:
    created = await api.call("CreateProduct", NodeType=0, ProductName="Certified", AuthType="x509")
    assert created["Data"]["AuthType"] == "x509"
    assert (await api.call("QueryProduct", ProductKey=created["ProductKey"]))["Data"]["AuthType"] == "x509"


async def test_id2_gives_way_to_the_authentication_by_secret(api: Api) -> None:
    data = await query(api, await create(api, Id2="true"))
    assert (data["AuthType"], data["Id2"]) == ("secret", False)


async def test_absent_mandatory_parameters_are_named(api: Api) -> None:
    for name in ("ProductName", "NodeType"):
        with pytest.raises(CallError, match=f"Missing{name}"):
            await api.call("CreateProduct", **{key: value for key, value in LAMP.items() if key != name})


async def test_a_taken_name_is_refused_in_the_same_instance_only(api: Api) -> None:
    await create(api)
    assert await code(api, "CreateProduct", **LAMP) == "iot.prod.AlreadyExistedProductName"
    assert (await api.call("CreateProduct", **LAMP, IotInstanceId="iot-other"))["Success"] is True


async def test_products_of_other_instances_do_not_exist(api: Api) -> None:
    key = await create(api)
    other = {"ProductKey": key, "IotInstanceId": "iot-other"}
    calls: dict[str, dict[str, Any]] = {
        "QueryProduct": {},
        "UpdateProduct": {"ProductName": "stolen"},
        "DeleteProduct": {},
        "ReleaseProduct": {},
        "CancelReleaseProduct": {},
        "UpdateProductFilterConfig": {"PropertyTimestampFilter": True, "PropertyValueFilter": True},
        "CreateProductTags": {"ProductTag": [{"TagKey": "k", "TagValue": "v"}]},
        "UpdateProductTags": {"ProductTag": [{"TagKey": "k", "TagValue": "v"}]},
        "DeleteProductTags": {"ProductTagKey": ["k"]},
        "ListProductTags": {},
    }
    for action, parameters in calls.items():
        assert await code(api, action, **other, **parameters) == "iot.prod.NotExistedProduct"
    assert (await api.call("QueryProductList", CurrentPage=1, IotInstanceId="iot-other"))["Data"]["Total"] == 0


@pytest.mark.parametrize(
    ("product_key", "expected"),
    [
        ("", "iot.prod.NullProductKey"),
        ("a1-", "iot.prod.InvalidFormattedProductkey"),
        ("a" * 21, "iot.prod.InvalidFormattedProductkey"),
        ("a1unknown00", "iot.prod.NotExistedProduct"),
    ],
)
async def test_product_keys_that_name_no_product_have_their_codes(api: Api, product_key: str, expected: str) -> None:
    for action in ("QueryProduct", "DeleteProduct", "ReleaseProduct", "CancelReleaseProduct", "ListProductTags"):
        assert await code(api, action, ProductKey=product_key) == expected


async def test_lists_are_paged_newest_first_with_totals(api: Api, clock: FakeClock, products: ProductService) -> None:
    keys = []
    for name in ("first", "second", "third"):
        clock.advance(1)
        keys.append(await create(api, ProductName=name, Description=name, ResourceGroupId=f"rg-{name}"))
    basic = (await api.call("CreateProduct", ProductName="basic", NodeType=1))["ProductKey"]
    newest = await products.get(1, basic)

    async def count(_connection: AsyncConnection, product_ids: Sequence[int]) -> dict[int, int]:
        return {newest.id: 7} if newest.id in product_ids else {}

    products.count_devices = count
    data = (await api.call("QueryProductList", CurrentPage=1, PageSize=3))["Data"]
    listed = data.pop("List")["ProductInfo"]
    assert data == {"CurrentPage": 1, "PageCount": 2, "PageSize": 3, "Total": 4}
    assert [item["ProductKey"] for item in listed] == [basic, keys[2], keys[1]]
    assert listed[0] == {
        "AuthType": "secret",
        "DeviceCount": 7,
        "GmtCreate": newest.created_at,
        "NodeType": 1,
        "ProductKey": basic,
        "ProductName": "basic",
    }
    assert (listed[1]["DataFormat"], listed[1]["Description"], listed[1]["DeviceCount"]) == (1, "third", 0)
    assert (await query(api, basic))["DeviceCount"] == 7

    async def listed_keys(**parameters: Any) -> list[str]:
        answer = await api.call("QueryProductList", **{"CurrentPage": 1, **parameters})
        return [item["ProductKey"] for item in answer["Data"]["List"]["ProductInfo"]]

    assert await listed_keys(CurrentPage=2, PageSize=3) == [keys[0]]
    assert await listed_keys(CurrentPage=2**63 - 1, PageSize=200) == []
    assert await listed_keys(AliyunCommodityCode="iothub") == [basic]
    assert await listed_keys(AliyunCommodityCode="iothub_senior") == keys[::-1]
    assert await listed_keys(ResourceGroupId="rg-second") == [keys[1]]
    assert await listed_keys(ResourceGroupId="") == await listed_keys()


@pytest.mark.parametrize(
    "parameters", [{"CurrentPage": 0}, {"PageSize": 0}, {"PageSize": 201}, {"CurrentPage": "x"}, {"CurrentPage": 2**63}]
)
async def test_pages_out_of_range_are_refused(api: Api, parameters: dict[str, Any]) -> None:
    expected = "iot.common.InvalidPageParams"
    assert await code(api, "QueryProductList", **{"CurrentPage": 1, **parameters}) == expected
    assert await code(api, "ListProductByTags", ProductTag=[{"TagKey": "k"}], **parameters) == expected


async def test_unknown_editions_cannot_be_listed(api: Api) -> None:
    expected = "iot.prod.InvalidAliyunCommodityCode"
    assert await code(api, "QueryProductList", CurrentPage=1, AliyunCommodityCode="other") == expected


async def test_updating_changes_the_name_and_keeps_a_description_that_is_not_given(api: Api) -> None:
    key = await create(api, Description="old")
    await api.call("UpdateProduct", ProductKey=key, ProductName="Lamp")
    assert [(await query(api, key))[name] for name in ("ProductName", "Description")] == ["Lamp", "old"]
    await api.call("UpdateProduct", ProductKey=key, ProductName="Lamp", Description="new")
    assert (await query(api, key))["Description"] == "new"


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"ProductName": "taken"}, "iot.prod.AlreadyExistedProductName"),
        ({"ProductName": ""}, "iot.prod.NullProductName"),
        ({"ProductName": "abc"}, "iot.prod.InvalidFormattedProductName"),
        ({"Description": "d" * 101}, "iot.prod.LongProductDesc"),
    ],
)
async def test_every_constraint_of_an_update_has_its_code(api: Api, parameters: dict[str, Any], expected: str) -> None:
    await create(api, ProductName="taken")
    key = await create(api)
    assert await code(api, "UpdateProduct", **{"ProductKey": key, "ProductName": "Lamp", **parameters}) == expected
    assert (await query(api, key))["ProductName"] == "Street_light"


async def test_releasing_and_taking_it_back_changes_the_status(api: Api) -> None:
    key = await create(api)
    for action, status in (
        ("ReleaseProduct", "RELEASE_STATUS"),
        ("ReleaseProduct", "RELEASE_STATUS"),
        ("CancelReleaseProduct", "DEVELOPMENT_STATUS"),
        ("CancelReleaseProduct", "DEVELOPMENT_STATUS"),
    ):
        assert (await api.call(action, ProductKey=key))["Success"] is True
        assert (await query(api, key))["ProductStatus"] == status


async def test_filter_rules_are_kept_on_products_with_a_thing_model(api: Api, products: ProductService) -> None:
    key = await create(api)
    rules = {"PropertyTimestampFilter": "True", "PropertyValueFilter": "False"}
    assert (await api.call("UpdateProductFilterConfig", ProductKey=key, **rules))["Success"] is True
    product = await products.get(1, key)
    assert (product.filter_by_timestamp, product.filter_by_value) == (True, False)
    basic = (await api.call("CreateProduct", ProductName="basic", NodeType=0))["ProductKey"]
    assert await code(api, "UpdateProductFilterConfig", ProductKey=basic, **rules) == "iot.prod.NotSeniorProduct"
    rules["PropertyValueFilter"] = "maybe"
    expected = "iot.common.InvalidFormattedParameter"
    assert await code(api, "UpdateProductFilterConfig", ProductKey=key, **rules) == expected


async def test_a_deleted_product_is_gone_with_its_tags_and_its_name_is_free(api: Api) -> None:
    key = await create(api)
    await api.call("CreateProductTags", ProductKey=key, ProductTag=[{"TagKey": "k", "TagValue": "v"}])
    assert (await api.call("DeleteProduct", ProductKey=key))["Success"] is True
    assert await code(api, "QueryProduct", ProductKey=key) == "iot.prod.NotExistedProduct"
    assert (await api.call("ListProductByTags", ProductTag=[{"TagKey": "k"}]))["ProductInfos"] == {"ProductInfo": []}
    assert await create(api) != key


async def test_a_product_with_devices_is_not_deleted(api: Api, products: ProductService) -> None:
    key = await create(api)

    async def count(_connection: AsyncConnection, product_ids: Sequence[int]) -> dict[int, int]:
        return dict.fromkeys(product_ids, 1)

    products.count_devices = count
    assert await code(api, "DeleteProduct", ProductKey=key) == "iot.prod.UpdateProductFailed"
    assert (await query(api, key))["DeviceCount"] == 1


async def test_tags_are_created_updated_listed_and_deleted(api: Api) -> None:
    key = await create(api)
    first = [{"TagKey": "room", "TagValue": "102"}, {"TagKey": "floor", "TagValue": "1"}]
    assert (await api.call("CreateProductTags", ProductKey=key, ProductTag=first))["Success"] is True
    second = [{"TagKey": "room", "TagValue": "103"}]
    assert (await api.call("UpdateProductTags", ProductKey=key, ProductTag=second))["Success"] is True
    listed = await api.call("ListProductTags", ProductKey=key)
    assert listed["Data"] == {
        "ProductTag": [{"TagKey": "floor", "TagValue": "1"}, {"TagKey": "room", "TagValue": "103"}]
    }
    assert (await api.call("DeleteProductTags", ProductKey=key, ProductTagKey=["room", "floor"]))["Success"] is True
    assert (await api.call("ListProductTags", ProductKey=key))["Data"] == {"ProductTag": []}


@pytest.mark.parametrize("action", ["CreateProductTags", "UpdateProductTags"])
async def test_refused_tags_are_in_the_answer(api: Api, action: str) -> None:
    key = await create(api)
    given = [{"TagKey": "good", "TagValue": "1"}, {"TagKey": "bad", "TagValue": "123$"}, {"TagKey": "lonely"}]
    answer = await api.call(action, ProductKey=key, ProductTag=given)
    assert (answer["Success"], answer["Code"]) == (False, "iot.common.InvalidFormattedParameter")
    assert answer["InvalidProductTags"] == {"ProductTag": given[1:]}
    assert (await api.call("ListProductTags", ProductKey=key))["Data"] == {"ProductTag": []}


async def test_refused_tags_are_in_the_xml_answer_too(products: ProductService, clock: FakeClock) -> None:
    api = Api(Services(products), clock=clock, scheme="acs3")
    key = await create(api)
    parameters = {"ProductKey": key, "ProductTag.1.TagKey": "bad", "ProductTag.1.TagValue": "123$", "Format": "XML"}
    _, _, body = await api.send(api.signer.sign("CreateProductTags", parameters))
    root = ET.fromstring(body)
    assert root.findtext("Code") == "iot.common.InvalidFormattedParameter"
    assert root.findtext("InvalidProductTags/ProductTag/TagValue") == "123$"


@pytest.mark.parametrize("action", ["CreateProductTags", "UpdateProductTags"])
async def test_a_call_takes_one_to_ten_tags(api: Api, action: str) -> None:
    key = await create(api)
    eleven = [{"TagKey": f"k{n}", "TagValue": "v"} for n in range(11)]
    for given in (eleven, []):
        answer = await code(api, action, ProductKey=key, ProductTag=given)
        assert answer == "iot.common.InvalidFormattedParameter"


@pytest.mark.parametrize("keys", [[f"k{n}" for n in range(11)], ["bad key"], ["k" * 31], [""]])
async def test_deleting_tags_takes_one_to_ten_well_formed_keys(api: Api, keys: list[str]) -> None:
    key = await create(api)
    expected = "iot.common.InvalidFormattedParameter"
    assert await code(api, "DeleteProductTags", ProductKey=key, ProductTagKey=keys) == expected
    with pytest.raises(CallError, match="MissingProductTagKey"):
        await api.call("DeleteProductTags", ProductKey=key)


async def test_products_are_listed_by_tags(api: Api, clock: FakeClock) -> None:
    key = await create(api, Description="lights up")
    await api.call("CreateProductTags", ProductKey=key, ProductTag=[{"TagKey": "room", "TagValue": "1"}])
    for wanted in ([{"TagKey": "room"}], [{"TagKey": "x"}, {"TagKey": "room", "TagValue": "1"}]):
        found = await api.call("ListProductByTags", ProductTag=wanted, CurrentPage=1, PageSize=50)
        assert found["ProductInfos"]["ProductInfo"] == [
            {
                "CreateTime": clock.now_ms(),
                "Description": "lights up",
                "NodeType": 0,
                "ProductKey": key,
                "ProductName": "Street_light",
            }
        ]
    other = await api.call("ListProductByTags", ProductTag=[{"TagKey": "room", "TagValue": "2"}])
    assert other["ProductInfos"] == {"ProductInfo": []}
    with pytest.raises(CallError, match="MissingProductTag"):
        await api.call("ListProductByTags")
    with pytest.raises(CallError, match=r"MissingProductTag\.1\.TagKey"):
        await api.call("ListProductByTags", ProductTag=[{"TagValue": "1"}])
    expected = "iot.common.InvalidPageParams"
    assert await code(api, "ListProductByTags", ProductTag=[{"TagKey": "k"}], PageSize=51) == expected
