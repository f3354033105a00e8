"""The 13 operations of server-side subscription through the whole cloud API, on both databases."""

import json
from typing import Any

import pytest

from tests.common.api import Api
from tests.common.clock import FakeClock
from tests.common.xml import call_xml
from tests.subscriptions.conftest import Start, publish
from thingplane.cloud.client import CallError
from thingplane.cloud.conformance import violations
from thingplane.cloud.registry import OPERATIONS
from thingplane.forwarding.service import Forwarder
from thingplane.products.service import NewProduct, Product, ProductService

CREATED = "2023-11-14T22:13:20.000Z"
FAMILY = "iot.consumer.group."
MNS = json.dumps({"queueName": "orders", "regionName": "cn-shanghai", "role": {"roleArn": "acs:ram::1:role/x"}})
one_database = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
"""For tests of what happens before any database is asked."""

NO_FLAGS = {
    "DeviceDataFlag": False,
    "DeviceLifeCycleFlag": False,
    "DeviceStatusChangeFlag": False,
    "DeviceTagFlag": False,
    "DeviceTopoLifeCycleFlag": False,
    "FoundDeviceListFlag": False,
    "OtaEventFlag": False,
    "OtaJobFlag": False,
    "OtaVersionFlag": False,
    "ThingHistoryFlag": False,
}
ALL_FLAGS = dict.fromkeys(NO_FLAGS, True)


async def code(api: Api, action: str, /, **parameters: Any) -> str:
    """Return the end of the code of a call that is refused."""
    answer = await api.call(action, **parameters)
    assert answer["Success"] is False
    assert answer["ErrorMessage"]
    return str(answer["Code"]).removeprefix(FAMILY)


async def ok(api: Api, action: str, /, **parameters: Any) -> dict[str, Any]:
    answer = await api.call(action, **parameters)
    assert answer["Success"] is True, answer
    del answer["RequestId"], answer["Success"]
    return answer


async def create(api: Api, name: str = "Billing") -> str:
    """Create a group; returns its GroupId."""
    return str((await ok(api, "CreateConsumerGroup", GroupName=name))["GroupId"])


async def subscribe(api: Api, product: Product, *groups: str) -> None:
    await ok(
        api,
        "CreateSubscribeRelation",
        ProductKey=product.product_key,
        Type="AMQP",
        DeviceDataFlag=True,
        ConsumerGroupIds=list(groups),
    )


def test_every_operation_is_declared_as_documented() -> None:
    ours = [item for item in OPERATIONS.values() if item.module.startswith("thingplane.subscriptions.")]
    assert len(ours) == 13
    assert [text for operation in ours for text in violations(operation)] == []


async def test_a_group_is_created_renamed_queried_and_deleted(api: Api) -> None:
    group_id = await create(api, "Consumer group 1")
    assert len(group_id) == 26
    assert (await ok(api, "QueryConsumerGroupByGroupId", GroupId=group_id))["Data"] == {
        "GroupId": group_id,
        "GroupName": "Consumer group 1",
        "CreateTime": CREATED,
    }
    await ok(api, "UpdateConsumerGroup", GroupId=group_id, GroupName="As the guide prints it")
    assert (await ok(api, "QueryConsumerGroupByGroupId", GroupId=group_id))["Data"]["GroupName"][:6] == "As the"
    await ok(api, "UpdateConsumerGroup", GroupId=group_id, NewGroupName="计费_1")
    await ok(api, "UpdateConsumerGroup", GroupId=group_id, NewGroupName="计费_1", GroupName="Ignored")
    assert (await ok(api, "QueryConsumerGroupByGroupId", GroupId=group_id))["Data"]["GroupName"] == "计费_1"
    await ok(api, "DeleteConsumerGroup", GroupId=group_id)
    assert await code(api, "QueryConsumerGroupByGroupId", GroupId=group_id) == "ConsumerGroupNotExist"


@one_database
@pytest.mark.parametrize("name", ["", "abc", "计", "a" * 31, "计" * 16, " padded", "padded ", "semi;colon", "dash-ed"])
async def test_group_names_are_checked(api: Api, name: str) -> None:
    assert await code(api, "CreateConsumerGroup", GroupName=name) == "InvalidConsumerGroupName"
    group_id = await create(api)
    assert await code(api, "UpdateConsumerGroup", GroupId=group_id, NewGroupName=name) == "InvalidConsumerGroupName"


@one_database
@pytest.mark.parametrize(
    ("action", "parameters", "missing"),
    [
        ("CreateConsumerGroup", {}, "GroupName"),
        ("UpdateConsumerGroup", {"GroupId": "x"}, "NewGroupName"),
        ("UpdateConsumerGroup", {"NewGroupName": "Name"}, "GroupId"),
        ("DeleteConsumerGroup", {}, "GroupId"),
        ("QueryConsumerGroupByGroupId", {}, "GroupId"),
        ("QueryConsumerGroupList", {}, "CurrentPage"),
        ("QueryConsumerGroupStatus", {}, "GroupId"),
        ("ResetConsumerGroupPosition", {}, "GroupId"),
        ("CreateSubscribeRelation", {}, "ProductKey"),
        ("UpdateSubscribeRelation", {"ProductKey": "x"}, "Type"),
        ("UpdateSubscribeRelation", {"Type": "AMQP"}, "ProductKey"),
        ("QuerySubscribeRelation", {"ProductKey": "x"}, "Type"),
        ("DeleteSubscribeRelation", {"ProductKey": "x"}, "Type"),
        ("CreateConsumerGroupSubscribeRelation", {"ProductKey": "x"}, "ConsumerGroupId"),
        ("DeleteConsumerGroupSubscribeRelation", {"ConsumerGroupId": "x"}, "ProductKey"),
    ],
)
async def test_mandatory_parameters(api: Api, action: str, parameters: dict[str, str], missing: str) -> None:
    with pytest.raises(CallError) as raised:
        await api.call(action, **parameters)
    assert raised.value.code == f"Missing{missing}"


@one_database
@pytest.mark.parametrize(
    "action",
    ["DeleteConsumerGroup", "QueryConsumerGroupByGroupId", "QueryConsumerGroupStatus", "ResetConsumerGroupPosition"],
)
async def test_operations_on_a_group_need_one_that_exists(api: Api, action: str) -> None:
    assert await code(api, action, GroupId="nosuchgroup000100") == "ConsumerGroupNotExist"
    assert await code(api, action, GroupId="") == "InvalidConsumerGroupId"
    assert await code(api, action, GroupId="no-such") == "InvalidConsumerGroupId"
    group_id = await create(api)
    assert await code(api, action, GroupId=group_id, IotInstanceId="iot-other") == "ConsumerGroupNotExist"


async def test_names_are_unique_in_an_instance_also_when_changed(api: Api) -> None:
    await create(api, "Billing")
    other = await create(api, "Alarms")
    assert await code(api, "CreateConsumerGroup", GroupName="Billing") == "ConsumerGroupNameExisted"
    assert await code(api, "UpdateConsumerGroup", GroupId=other, NewGroupName="Billing") == "ConsumerGroupNameExisted"
    await ok(api, "CreateConsumerGroup", GroupName="Billing", IotInstanceId="iot-other")


@one_database
async def test_an_instance_has_only_so_many_groups(api: Api) -> None:
    for number in range(5):
        await create(api, f"Group_{number}")
    assert await code(api, "CreateConsumerGroup", GroupName="Group_5") == "ConsumerGroupExceedLimit"


async def test_the_default_group_is_there_and_stays(api: Api) -> None:
    default = await ok(api, "QueryConsumerGroupByGroupId", GroupId="DEFAULT_GROUP")
    assert default["Data"]["GroupId"] == "DEFAULT_GROUP"
    assert default["Data"]["CreateTime"] == CREATED
    for action, more in (("UpdateConsumerGroup", {"NewGroupName": "Mine"}), ("DeleteConsumerGroup", {})):
        assert await code(api, action, GroupId="DEFAULT_GROUP", **more) == "ChangeDefaultConsumerGroupNotAllowed"
    assert await ok(api, "QueryConsumerGroupByGroupId", GroupId="DEFAULT_GROUP") == default
    await ok(api, "QueryConsumerGroupByGroupId", GroupId="DEFAULT_GROUP", IotInstanceId="iot-other")


async def test_lists_have_pages_and_searches(api: Api) -> None:
    for name in ("Billing_1", "Alarms", "Billing_2"):
        await create(api, name)
    answer = await ok(api, "QueryConsumerGroupList", CurrentPage=1, PageSize=3)
    names = [item["GroupName"] for item in answer["Data"]["ConsumerGroupDTO"]]
    assert names == ["Billing_2", "Alarms", "Billing_1"]
    assert (answer["Total"], answer["PageCount"], answer["PageSize"], answer["CurrentPage"]) == (4, 2, 3, 1)
    answer = await ok(api, "QueryConsumerGroupList", CurrentPage=2, PageSize=3)
    assert [item["GroupId"] for item in answer["Data"]["ConsumerGroupDTO"]] == ["DEFAULT_GROUP"]
    answer = await ok(api, "QueryConsumerGroupList", CurrentPage=1, Fuzzy=True, GroupName="bILL")
    assert [item["GroupName"] for item in answer["Data"]["ConsumerGroupDTO"]] == ["Billing_2", "Billing_1"]
    answer = await ok(api, "QueryConsumerGroupList", CurrentPage=1, Fuzzy=False, GroupName="Billing")
    assert answer["Total"] == 4
    answer = await ok(api, "QueryConsumerGroupList", CurrentPage=9)
    assert answer["Data"]["ConsumerGroupDTO"] == []


@one_database
async def test_list_parameters_are_checked(api: Api) -> None:
    assert await code(api, "QueryConsumerGroupList", CurrentPage=1, Fuzzy=True) == "InvalidConsumerGroupName"
    for page, size in ((0, 1), (1, 0), (1, 1001), ("x", 1)):
        answer = await code(api, "QueryConsumerGroupList", CurrentPage=page, PageSize=size)
        assert answer == "iot.common.InvalidPageParams"


async def test_an_amqp_subscription_is_created_changed_queried_and_deleted(api: Api, gateways: Product) -> None:
    one, two = await create(api, "Billing"), await create(api, "Alarms")
    key = {"ProductKey": gateways.product_key, "Type": "AMQP"}
    flags = '{"jt808DeviceDataFlag":true}'
    await ok(api, "CreateSubscribeRelation", **key, OtaEventFlag=True, ConsumerGroupIds=[one], SubscribeFlags=flags)
    assert await ok(api, "QuerySubscribeRelation", **key) == {
        **NO_FLAGS,
        **key,
        "OtaEventFlag": True,
        "ConsumerGroupIds": [one],
        "SubscribeFlags": flags,
    }
    await ok(api, "UpdateSubscribeRelation", **key, **ALL_FLAGS, ConsumerGroupIds=[two, one, two])
    assert await ok(api, "QuerySubscribeRelation", **key) == {
        **ALL_FLAGS,
        **key,
        "ConsumerGroupIds": [two, one],
    }
    await ok(api, "DeleteSubscribeRelation", **key)
    for action in ("QuerySubscribeRelation", "DeleteSubscribeRelation"):
        assert await code(api, action, **key) == "SubscribeNotExist"
    again = await code(api, "UpdateSubscribeRelation", **key, DeviceDataFlag=True, ConsumerGroupIds=[one])
    assert again == "SubscribeNotExist"


async def test_lists_in_xml(api: Api, product: Product) -> None:
    group_id = await create(api)
    await subscribe(api, product, group_id)
    answer = await call_xml(api, "QuerySubscribeRelation", ProductKey=product.product_key, Type="AMQP")
    assert [element.text for element in answer.findall("ConsumerGroupIds/e")] == [group_id]
    status = await call_xml(api, "QueryConsumerGroupStatus", GroupId=group_id)
    assert status.find("ClientConnectionStatusList") is not None
    groups = await call_xml(api, "QueryConsumerGroupList", CurrentPage="1")
    assert groups.findtext("Data/ConsumerGroupDTO/GroupId") == group_id


async def test_an_mns_subscription_stands_beside_an_amqp_one(api: Api, product: Product, start: Start) -> None:
    await subscribe(api, product, "DEFAULT_GROUP")
    key = {"ProductKey": product.product_key, "Type": "MNS"}
    await ok(api, "CreateSubscribeRelation", **key, DeviceDataFlag=True, DeviceTagFlag=True, MnsConfiguration=MNS)
    expected = {**NO_FLAGS, **key, "DeviceDataFlag": True, "MnsConfiguration": MNS}
    assert await ok(api, "QuerySubscribeRelation", **key) == expected
    theme = MNS.replace("queueName", "themeName")
    await ok(api, "UpdateSubscribeRelation", **key, ThingHistoryFlag=True, MnsConfiguration=theme)
    changed = {**NO_FLAGS, **key, "ThingHistoryFlag": True, "MnsConfiguration": theme}
    assert await ok(api, "QuerySubscribeRelation", **key) == changed
    subscription, _ = (await start()).subscription(product, "MNS")
    assert subscription.mns_configuration == theme
    await ok(api, "DeleteSubscribeRelation", **key)
    assert await code(api, "QuerySubscribeRelation", **key) == "SubscribeNotExist"
    await ok(api, "QuerySubscribeRelation", **{**key, "Type": "AMQP"})


async def test_type_follows_from_the_targets(api: Api, product: Product) -> None:
    key = {"ProductKey": product.product_key, "DeviceDataFlag": True}
    assert await code(api, "CreateSubscribeRelation", **key) == "InvalidSubscribeType"
    both = {"ConsumerGroupIds": ["DEFAULT_GROUP"], "MnsConfiguration": MNS}
    assert await code(api, "CreateSubscribeRelation", **key, **both) == "InvalidSubscribeType"
    await ok(api, "CreateSubscribeRelation", **key, ConsumerGroupIds=["DEFAULT_GROUP"])
    await ok(api, "CreateSubscribeRelation", **key, MnsConfiguration=MNS)
    for type_ in ("AMQP", "MNS"):
        await ok(api, "QuerySubscribeRelation", ProductKey=product.product_key, Type=type_)


@one_database
@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"Type": "KAFKA", "DeviceDataFlag": True}, "InvalidSubscribeType"),
        ({"Type": "", "DeviceDataFlag": True}, "InvalidSubscribeType"),
        ({"Type": "AMQP", "ConsumerGroupIds": ["DEFAULT_GROUP"]}, "CallbackTypeEmpty"),
        ({"Type": "AMQP", "FoundDeviceListFlag": True, "ConsumerGroupIds": ["DEFAULT_GROUP"]}, "CallbackTypeEmpty"),
        ({"Type": "MNS", "OtaJobFlag": True, "MnsConfiguration": MNS}, "CallbackTypeEmpty"),
        ({"Type": "AMQP", "DeviceDataFlag": True}, "InvalidConsumerGroup"),
        ({"Type": "AMQP", "DeviceDataFlag": True, "ConsumerGroupIds": ["no-id"]}, "InvalidConsumerGroupId"),
        ({"Type": "AMQP", "DeviceDataFlag": True, "ConsumerGroupIds": ["unknown"]}, "ConsumerGroupNotExist"),
        ({"Type": "MNS", "DeviceDataFlag": True}, "MnsCheckFailed"),
        ({"Type": "MNS", "DeviceDataFlag": True, "MnsConfiguration": "{"}, "MnsCheckFailed"),
        ({"Type": "MNS", "DeviceDataFlag": True, "MnsConfiguration": '{"queueName":"q"}'}, "MnsCheckFailed"),
        (
            {"Type": "MNS", "DeviceDataFlag": True, "MnsConfiguration": '{"regionName":"cn-shanghai"}'},
            "MnsCheckFailed",
        ),
        (
            {"Type": "MNS", "DeviceDataFlag": True, "MnsConfiguration": MNS.replace("orders", "../x")},
            "MnsCheckFailed",
        ),
        (
            {"Type": "AMQP", "DeviceDataFlag": "maybe", "ConsumerGroupIds": ["DEFAULT_GROUP"]},
            "iot.common.InvalidFormattedParameter",
        ),
        (
            {"Type": "AMQP", "DeviceDataFlag": True, "ConsumerGroupIds": ["DEFAULT_GROUP"], "SubscribeFlags": "[]"},
            "iot.common.InvalidFormattedParameter",
        ),
    ],
)
async def test_what_is_wrong_is_refused_and_changes_nothing(
    api: Api, product: Product, parameters: dict[str, Any], expected: str
) -> None:
    key = {"ProductKey": product.product_key}
    assert await code(api, "CreateSubscribeRelation", **key, **parameters) == expected
    for type_ in ("AMQP", "MNS"):
        assert await code(api, "QuerySubscribeRelation", **key, Type=type_) == "SubscribeNotExist"


@one_database
async def test_a_queue_without_an_endpoint_names_the_setting(api: Api, product: Product) -> None:
    configuration = MNS.replace("cn-shanghai", "cn-beijing")
    answer = await api.call(
        "CreateSubscribeRelation",
        ProductKey=product.product_key,
        Type="MNS",
        DeviceDataFlag=True,
        MnsConfiguration=configuration,
    )
    assert answer["Code"] == FAMILY + "MnsCheckFailed"
    assert "mns_endpoints" in answer["ErrorMessage"]
    assert "cn-beijing/orders" in answer["ErrorMessage"]


@one_database
async def test_operations_on_products_need_one_of_the_instance(api: Api, foreign_product: Product) -> None:
    parameters = {"Type": "AMQP", "DeviceDataFlag": True, "ConsumerGroupIds": ["DEFAULT_GROUP"]}
    for key, expected in (("", "iot.prod.NullProductKey"), (foreign_product.product_key, "iot.prod.NotExistedProduct")):
        for action in ("CreateSubscribeRelation", "UpdateSubscribeRelation"):
            assert await code(api, action, ProductKey=key, **parameters) == expected
        for action in ("QuerySubscribeRelation", "DeleteSubscribeRelation"):
            assert await code(api, action, ProductKey=key, Type="AMQP") == expected
        for action in ("CreateConsumerGroupSubscribeRelation", "DeleteConsumerGroupSubscribeRelation"):
            assert await code(api, action, ProductKey=key, ConsumerGroupId="DEFAULT_GROUP") == expected


async def test_a_product_has_one_subscription_of_a_type(api: Api, product: Product) -> None:
    await subscribe(api, product, "DEFAULT_GROUP")
    parameters = {"Type": "AMQP", "ThingHistoryFlag": True, "ConsumerGroupIds": ["DEFAULT_GROUP"]}
    second = await code(api, "CreateSubscribeRelation", ProductKey=product.product_key, **parameters)
    assert second == "InvalidSubscribeType"
    kept = await ok(api, "QuerySubscribeRelation", ProductKey=product.product_key, Type="AMQP")
    assert (kept["DeviceDataFlag"], kept["ThingHistoryFlag"]) == (True, False)


async def test_groups_are_added_to_and_removed_from_a_subscription(api: Api, product: Product) -> None:
    one, two, three = [await create(api, name) for name in ("One_1", "Two_2", "Three")]
    key = {"ProductKey": product.product_key}
    add, remove = "CreateConsumerGroupSubscribeRelation", "DeleteConsumerGroupSubscribeRelation"
    for action in (add, remove):
        assert await code(api, action, **key, ConsumerGroupId=one) == "SubscribeNotExist"
    await subscribe(api, product, one)
    for action in (add, remove):
        assert await code(api, action, **key, ConsumerGroupId="unknown") == "ConsumerGroupNotExist"
        assert await code(api, action, **key, ConsumerGroupId="no-id") == "InvalidConsumerGroupId"
    await ok(api, add, **key, ConsumerGroupId=two)
    await ok(api, add, **key, ConsumerGroupId=two)
    assert (await ok(api, "QuerySubscribeRelation", **key, Type="AMQP"))["ConsumerGroupIds"] == [one, two]
    assert await code(api, add, **key, ConsumerGroupId=three) == "ConsumerGroupExceedsLimit"
    assert await code(api, remove, **key, ConsumerGroupId=three) == "SubscribeNotExist"
    await ok(api, remove, **key, ConsumerGroupId=one)
    assert (await ok(api, "QuerySubscribeRelation", **key, Type="AMQP"))["ConsumerGroupIds"] == [two]
    assert await code(api, remove, **key, ConsumerGroupId=two) == "InvalidConsumerGroup"


async def test_a_group_subscribes_to_only_so_many_products(
    api: Api, product: Product, gateways: Product, products: ProductService
) -> None:
    group_id = await create(api)
    for one in (product, gateways):
        await subscribe(api, one, group_id)
    third = await products.create(1, NewProduct(name="Third", node_type=0))
    parameters = {"ProductKey": third.product_key, "Type": "AMQP", "DeviceDataFlag": True}
    refused = await code(api, "CreateSubscribeRelation", **parameters, ConsumerGroupIds=[group_id])
    assert refused == "ProductKeyExceedsLimit"
    await subscribe(api, third, "DEFAULT_GROUP")
    refused = await code(
        api, "CreateConsumerGroupSubscribeRelation", ProductKey=third.product_key, ConsumerGroupId=group_id
    )
    assert refused == "ProductKeyExceedsLimit"
    # A group that has its place keeps it.
    await ok(
        api,
        "UpdateSubscribeRelation",
        ProductKey=product.product_key,
        Type="AMQP",
        OtaEventFlag=True,
        ConsumerGroupIds=[group_id],
    )


async def test_a_group_of_a_subscription_cannot_be_deleted(api: Api, product: Product) -> None:
    group_id = await create(api)
    await subscribe(api, product, group_id)
    assert await code(api, "DeleteConsumerGroup", GroupId=group_id) == "DeleteConsumerGroupFailed"
    await ok(api, "DeleteSubscribeRelation", ProductKey=product.product_key, Type="AMQP")
    await ok(api, "DeleteConsumerGroup", GroupId=group_id)


async def test_a_deleted_product_takes_its_subscriptions_along(
    api: Api, product: Product, products: ProductService, start: Start
) -> None:
    group_id = await create(api)
    await subscribe(api, product, group_id)
    await ok(
        api,
        "CreateSubscribeRelation",
        ProductKey=product.product_key,
        Type="MNS",
        DeviceDataFlag=True,
        MnsConfiguration=MNS,
    )
    await products.delete(product)
    await ok(api, "DeleteConsumerGroup", GroupId=group_id)
    await start()


async def test_status_and_reset_of_a_group_without_clients(
    api: Api, product: Product, forwarder: Forwarder, clock: FakeClock
) -> None:
    group_id = await create(api)
    empty = {
        "AccumulatedConsumeCountPerMinute": 0,
        "AccumulationCount": 0,
        "ClientConnectionStatusList": {"ConsumerGroupClientConnectionInfo": []},
        "ConsumerSpeed": 0,
        "RealTimeConsumeCountPerMinute": 0,
    }
    assert await ok(api, "QueryConsumerGroupStatus", GroupId=group_id) == empty
    await subscribe(api, product, group_id)
    await publish(forwarder, product, b"1", b"2")
    clock.advance(5)
    assert await ok(api, "QueryConsumerGroupStatus", GroupId=group_id) == {**empty, "AccumulationCount": 2}
    await ok(api, "ResetConsumerGroupPosition", GroupId=group_id)
    assert await ok(api, "QueryConsumerGroupStatus", GroupId=group_id) == empty
