"""CreateRule, UpdateRule, DeleteRule, GetRule, ListRule, StartRule, StopRule, and the items of data sources."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.common.api import OTHER_INSTANCE
from tests.common.clock import FakeClock
from tests.rules.world import World, open_world
from thingplane.cloud.client import CallError
from thingplane.rules.service import RuleLimits
from thingplane.storage.database import Database

ON_ONE_DATABASE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
"""For tests of what happens before any database is asked."""


async def info(world: World, rule_id: int) -> dict[str, Any]:
    found: dict[str, Any] = (await world.call("GetRule", RuleId=rule_id))["RuleInfo"]
    return found


async def test_a_rule_is_created_read_changed_and_deleted(world: World) -> None:
    key = world.product.product_key
    rule_id = await world.rule(
        Name="iot_test-1",
        ShortTopic="+/thing/event/property/post",
        Select="deviceName() as deviceName, items.Temperature.value as Temperature",
        Where="Temperature>35",
        RuleDesc="rule test",
        TopicType=1,
        ResourceGroupId="rg-1",
    )
    found = await info(world, rule_id)
    assert found == {
        "CreateUserId": 1000000000000001,
        "Created": "Wed Nov 15 06:13:20 CST 2023",
        "Modified": "Wed Nov 15 06:13:20 CST 2023",
        "UtcCreated": "2023-11-14T22:13:20.000Z",
        "UtcModified": "2023-11-14T22:13:20.000Z",
        "DataType": "JSON",
        "Id": rule_id,
        "Name": "iot_test-1",
        "ProductKey": key,
        "RuleDesc": "rule test",
        "Select": "deviceName() as deviceName, items.Temperature.value as Temperature",
        "ShortTopic": "+/thing/event/property/post",
        "Status": "STOP",
        "Topic": f"/{key}/+/thing/event/property/post",
        "TopicType": 0,
        "Where": "Temperature>35",
    }
    world.clock.advance(60)
    await world.call("UpdateRule", RuleId=rule_id, Name="test_2", Where="", ShortTopic="dev1/user/#")
    changed = await info(world, rule_id)
    assert (changed["Name"], changed["RuleDesc"], changed["TopicType"]) == ("test_2", "rule test", 1)
    assert changed["Topic"] == f"/{key}/dev1/user/#"
    assert changed["UtcModified"] == "2023-11-14T22:14:20.000Z"
    assert "Where" not in changed
    await world.call("DeleteRule", RuleId=rule_id)
    assert await world.refusal("GetRule", RuleId=rule_id) == "iot.rule.NotFoundRule"
    assert await world.refusal("DeleteRule", RuleId=rule_id) == "iot.rule.NotFoundRule"


async def test_a_rule_may_be_without_sql_but_cannot_run_then(world: World) -> None:
    rule_id = (await world.call("CreateRule", Name="empty"))["RuleId"]
    found = await info(world, rule_id)
    assert (found["TopicType"], found["Status"], found["DataType"]) == (-1, "STOP", "JSON")
    await world.action(rule_id, "AMQP", groupId="group-1")
    assert await world.refusal("StartRule", RuleId=rule_id) == "iot.rule.NullSqlForRule"
    await world.call("UpdateRule", RuleId=rule_id, Topic=f"/sys/{world.product.product_key}/dev1/thing/lifecycle")
    assert await world.refusal("StartRule", RuleId=rule_id) == "iot.rule.NullSqlForRule"
    await world.call("UpdateRule", RuleId=rule_id, Select="action")
    found = await info(world, rule_id)
    assert (found["ShortTopic"], found["TopicType"]) == ("dev1/thing/lifecycle", 0)
    await world.call("StartRule", RuleId=rule_id)
    assert (await info(world, rule_id))["Status"] == "RUNNING"


async def test_starting_and_stopping(world: World) -> None:
    rule_id = await world.rule()
    assert await world.refusal("StartRule", RuleId=rule_id) == "iot.rule.NullForwardDestForRule"
    await world.action(rule_id, "AMQP", for_errors=True, groupId="group-1")
    assert await world.refusal("StartRule", RuleId=rule_id) == "iot.rule.NullForwardDestForRule"
    await world.action(rule_id, "REPUBLISH", topic=f"/{world.product.product_key}/dev1/user/get", topicType=1)
    await world.call("StartRule", RuleId=rule_id)
    assert await world.refusal("StartRule", RuleId=rule_id) == "iot.ruleng.RuleAlreadyIsStarted"
    assert await world.refusal("DeleteRule", RuleId=rule_id) == "iot.rule.DeleteRuleFailed"
    await world.call("StopRule", RuleId=rule_id)
    await world.call("StopRule", RuleId=rule_id)
    assert await world.refusal("StartRule", RuleId=rule_id + 1) == "iot.rule.NotFoundRule"
    assert await world.refusal("StopRule", RuleId=rule_id + 1) == "iot.rule.NotFoundRule"
    await world.call("DeleteRule", RuleId=rule_id)
    assert await world.refusal("ListRuleActions", RuleId=rule_id) == "iot.rule.NotFoundRule"


async def test_lists_begin_with_the_newest_rule(world: World) -> None:
    ids = [await world.rule(ResourceGroupId="a" if number % 2 else "b") for number in range(5)]
    page = await world.call("ListRule", CurrentPage=2, PageSize=2)
    assert [rule["Id"] for rule in page["Data"]["RuleInfo"]] == [ids[2], ids[1]]
    assert (page["Page"], page["PageSize"], page["Total"]) == (2, 2, 5)
    assert "TopicType" not in page["Data"]["RuleInfo"][0]
    grouped = await world.call("ListRule", CurrentPage=1, ResourceGroupId="a")
    assert [rule["Id"] for rule in grouped["Data"]["RuleInfo"]] == [ids[3], ids[1]]
    assert (await world.call("ListRule", CurrentPage=9))["Data"] == {"RuleInfo": []}


async def test_names_are_unique_and_rules_are_counted(tmp_path: Path, database: Database, clock: FakeClock) -> None:
    async with open_world(tmp_path, database, clock, limits=RuleLimits(rules=2)) as world:
        first = await world.rule(Name="one")
        assert await world.refusal("CreateRule", Name="one") == "iot.rule.RuleNameIsAlreadyExisted"
        answers = await asyncio.gather(*(world.api.call("CreateRule", Name="two") for _ in range(4)))
        assert [answer["Success"] for answer in answers].count(True) == 1
        assert await world.refusal("CreateRule", Name="three") == "iot.rule.RuleCountExceedMax"
        assert await world.refusal("UpdateRule", RuleId=first, Name="two") == "iot.rule.RuleNameIsAlreadyExisted"
        await world.call("UpdateRule", RuleId=first, Name="one")


async def test_instances_do_not_see_each_other_s_rules(world: World) -> None:
    rule_id = await world.rule(Name="mine")
    action_id = await world.action(rule_id, "AMQP", groupId="group-1")
    other = {"IotInstanceId": OTHER_INSTANCE.instance_id}
    assert (await world.call("CreateRule", Name="mine", **other))["RuleId"] != rule_id
    for action in ("GetRule", "UpdateRule", "DeleteRule", "StartRule", "StopRule", "ListRuleActions"):
        assert await world.refusal(action, RuleId=rule_id, **other) == "iot.rule.NotFoundRule"
    for action in ("GetRuleAction", "DeleteRuleAction"):
        assert await world.refusal(action, ActionId=action_id, **other) == "iot.rule.NotFoundRuleAction"
    listed = await world.call("ListRule", CurrentPage=1, **other)
    assert listed["Total"] == 1
    refused = await world.refusal("CreateRule", Name="x", ProductKey=world.product.product_key, **other)
    assert refused == "iot.prod.NotExistedProduct"


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"Select": "a,"}, "iot.messagebroker.IncorrectRuleSql"),
    ({"Where": "a >"}, "iot.messagebroker.IncorrectRuleSql"),
    ({"Where": "a >", "Select": ""}, "iot.messagebroker.IncorrectRuleSql"),
    ({"Select": ",".join("a" * 51)}, "iot.messagebroker.IncorrectRuleSql"),
    ({"DataType": "BINARY", "Select": "a"}, "iot.messagebroker.IncorrectRuleSql"),
    ({"DataType": "BINARY", "ShortTopic": "+/thing/lifecycle", "TopicType": 0}, "iot.ruleng.IncorrectType"),
    ({"DataType": "BINARY", "ShortTopic": "+", "TopicType": 2}, "iot.ruleng.IncorrectType"),
    ({"DataType": "TEXT"}, "iot.common.InvalidFormattedParameter"),
    ({"TopicType": 3}, "iot.ruleng.IncorrectType"),
    ({"TopicType": "x"}, "iot.ruleng.IncorrectType"),
    ({"TopicType": 2}, "iot.ruleng.IncorrectType"),
    ({"TopicType": 0}, "iot.ruleng.IncorrectSysTopic"),
    ({"ShortTopic": "+/thing/unknown"}, "iot.ruleng.IncorrectSysTopic"),
    ({"ShortTopic": "+/thing/event/+/post"}, "iot.ruleng.IncorrectSysTopic"),
    ({"ShortTopic": "+/ota/#"}, "iot.ruleng.IncorrectSysTopic"),
    ({"ShortTopic": "+/#"}, "iot.messagebroker.InvalidFormattedTopicName"),
    ({"ShortTopic": "+/user/#/x"}, "iot.messagebroker.InvalidFormattedTopicName"),
    ({"ShortTopic": "d+/user/x"}, "iot.messagebroker.InvalidFormattedTopicName"),
    ({"ShortTopic": "+/user//x"}, "iot.messagebroker.InvalidFormattedTopicName"),
    ({"ShortTopic": "+/user/" + "x" * 300}, "iot.messagebroker.InvalidFormattedTopicName"),
    ({"Topic": "no-slash"}, "iot.messagebroker.InvalidFormattedTopicName"),
    ({"Topic": "/a1pk/+"}, "iot.messagebroker.InvalidFormattedTopicName"),
    ({"Topic": "/sys/a1pk/+/user/x"}, "iot.ruleng.IncorrectSysTopic"),
    ({"ProductKey": "a1none"}, "iot.prod.NotExistedProduct"),
    ({"Name": ""}, "iot.common.InvalidFormattedParameter"),
    ({"Name": "a b"}, "iot.common.InvalidFormattedParameter"),
    ({"Name": "x" * 31}, "iot.common.InvalidFormattedParameter"),
    ({"Name": "规" * 16}, "iot.common.InvalidFormattedParameter"),
    ({"RuleDesc": "x" * 101}, "iot.common.InvalidFormattedParameter"),
]
"""Parameters, and the code of the refusal."""


@ON_ONE_DATABASE
async def test_what_is_wrong_is_refused_and_nothing_stored(world: World) -> None:
    valid = {"Name": "rule", "ProductKey": world.product.product_key, "ShortTopic": "+/user/x", "Select": "*"}
    for given, code in WRONG:
        assert await world.refusal("CreateRule", **valid | given) == code, given
    assert (await world.call("ListRule", CurrentPage=1))["Total"] == 0


@ON_ONE_DATABASE
async def test_sql_errors_name_the_place(world: World) -> None:
    answer = await world.api.call("CreateRule", Name="x", Select="a, b c d")
    assert answer["ErrorMessage"] == "Select, character 8: 'd' cannot stand here."


TOPIC_TYPES: list[tuple[str, int | None, int]] = [
    ("+", None, 2),
    ("dev1", 2, 2),
    ("+/user/#", None, 1),
    ("+/user/+/x", 1, 1),
    ("dev1/thing/event/alarm/post", 0, 0),
    ("dev1/thing/event/alarm/history/post", None, 0),
    ("+/thing/event/module:alarm/post", None, 0),
    ("+/edge/driver/4711/point_post", None, 0),
    ("+/+/ota/job/status", None, 0),
    ("+/thing/downlink/reply/message", 1, 0),
    ("+/ota/version/post", None, 0),
]
"""ShortTopic, the type that is given, the one that is stored."""


@ON_ONE_DATABASE
async def test_topic_types(world: World) -> None:
    for short, topic_type, expected in TOPIC_TYPES:
        given = {} if topic_type is None else {"TopicType": topic_type}
        rule_id = await world.rule(ShortTopic=short, **given)
        assert (await info(world, rule_id))["TopicType"] == expected, short


@ON_ONE_DATABASE
async def test_a_status_topic_is_shown_below_its_product(world: World) -> None:
    key = world.product.product_key
    rule_id = (await world.call("CreateRule", Name="status", Topic=f"/as/mqtt/status/{key}/+", Select="*"))["RuleId"]
    found = await info(world, rule_id)
    assert (found["ShortTopic"], found["TopicType"], found["Topic"]) == ("+", 2, f"/{key}/+")


@ON_ONE_DATABASE
async def test_a_running_rule_is_not_changed_to_what_cannot_run(world: World) -> None:
    rule_id = await world.running()
    before = await info(world, rule_id)
    refused = await world.refusal("UpdateRule", RuleId=rule_id, Select="a,")
    assert refused == "iot.messagebroker.IncorrectRuleSql"
    assert await world.refusal("UpdateRule", RuleId=rule_id, Select="") == "iot.rule.NullSqlForRule"
    assert await info(world, rule_id) == before


@ON_ONE_DATABASE
async def test_ids_and_pages_that_are_none(world: World) -> None:
    assert await world.refusal("GetRule", RuleId="x") == "iot.rule.NotFoundRule"
    for page in ({"CurrentPage": 0}, {"CurrentPage": 1001}, {"CurrentPage": 1, "PageSize": 101}):
        assert await world.refusal("ListRule", **page) == "iot.common.InvalidPageParams"
    with pytest.raises(CallError, match="MissingCurrentPage"):
        await world.api.call("ListRule")
    with pytest.raises(CallError, match="MissingName"):
        await world.api.call("CreateRule")


async def test_items_of_data_sources_are_added_once_and_listed(world: World) -> None:
    key = world.product.product_key
    source = {"DataSourceId": 1000}
    await world.call("CreateDataSourceItem", **source, Topic=f"/{key}/+/thing/event/property/post")
    own = {"ScopeType": "DEVICE", "ProductKey": key, "DeviceName": "dev1", "Topic": f"/{key}/dev1/user/update"}
    for _ in range(2):
        await world.call("CreateDataSourceItem", **source, **own)
    found = await world.call("ListDataSourceItem", **source, Page=1, PageSize=10)
    assert (found["Total"], found["Page"], found["PageSize"]) == (2, 1, 10)
    [first, second] = found["DataSourceItems"]["dataSourceItem"]
    assert first["Topic"] == f"/{key}/+/thing/event/property/post"
    assert {name: second[name] for name in own} == own
    searched = await world.call("ListDataSourceItem", **source, SearchName="user/")
    assert [item["Topic"] for item in searched["DataSourceItems"]["dataSourceItem"]] == [own["Topic"]]
    for elsewhere in ({"DataSourceId": 1001}, source | {"IotInstanceId": OTHER_INSTANCE.instance_id}):
        assert (await world.call("ListDataSourceItem", **elsewhere))["Total"] == 0


@ON_ONE_DATABASE
async def test_items_that_are_wrong(world: World) -> None:
    valid = {"DataSourceId": 1, "Topic": f"/{world.product.product_key}/+/user/x"}
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"Topic": ""}, "iot.messagebroker.NullTopicName"),
        ({"Topic": "x"}, "iot.messagebroker.InvalidFormattedTopicName"),
        ({"Topic": "/a1none/+/user/x"}, "iot.prod.NotExistedProduct"),
        ({"DataSourceId": 0}, "iot.common.InvalidFormattedParameter"),
        ({"ScopeType": "DEVICE"}, "iot.prod.NullProductKey"),
        ({"ProductKey": "a1none"}, "iot.common.InvalidFormattedParameter"),
        ({"ScopeType": "DEVICE", "ProductKey": world.product.product_key}, "iot.device.NullDeviceName"),
    ]
    for given, code in wrong:
        assert await world.refusal("CreateDataSourceItem", **valid | given) == code, given
    assert (await world.call("ListDataSourceItem", DataSourceId=1))["Total"] == 0
