"""CreateRuleAction, UpdateRuleAction, DeleteRuleAction, GetRuleAction and ListRuleActions."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.common.api import ACCOUNT_ID
from tests.common.clock import FakeClock
from tests.rules.world import ROLE, World, open_world
from thingplane.rules.service import RuleLimits
from thingplane.storage.database import Database

ON_ONE_DATABASE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

REGION = {"regionName": "cn-shanghai", "role": ROLE}
KEY = {"columnType": "STRING", "columnName": "k", "columnValue": "${k}", "option": ""}
VALID: dict[str, dict[str, Any]] = {
    "REPUBLISH": {"topic": "/${pk}/device1/user/get", "topicType": 1},
    "AMQP": {"groupId": "group-1", "tag": "${tag}"},
    "MNS": {"themeName": "mns-test-topic1", **REGION},
    "FC": {"functionName": "weatherForecast", "serviceName": "weather", **REGION},
    "OTS": {
        "instanceName": "testaaa",
        "tableName": "tt",
        "primaryKeys": [
            KEY,
            {"columnType": "INTEGER", "columnName": "id", "columnValue": "", "option": "AUTO_INCREMENT"},
        ],
        **REGION,
    },
    "DATAHUB": {
        "projectName": "iot_datahub_stream",
        "topicName": "device_message",
        "schemaVals": [{"name": "devicename", "value": "${deviceName}", "type": "STRING"}],
        **REGION,
    },
    "ONS": {"instanceId": "MQ_INST_1", "topic": "t", "tag": "x" * 128, **REGION},
    "TSDB": {
        "instanceName": "ts-1",
        "timestamp": "${time}",
        "tags": [{"name": "cityName", "value": "${city}"}],
        "regionName": "cn-shanghai",
    },
    "RDS": {
        "instanceName": "rm-1",
        "databaseName": "iot",
        "tableName": "points",
        "accountName": "me",
        "accountPwd": "p4ss",
        "fieldVals": [{"name": "t", "value": "${t}"}],
        "regionName": "cn-shanghai",
    },
}


def text(configuration: object) -> str:
    return msgspec.json.encode(configuration).decode()


async def create(world: World, rule_id: int, type_: str, configuration: object, **options: Any) -> str:
    """Return the code of a refusal."""
    given = configuration if isinstance(configuration, str) else text(configuration)
    return await world.refusal("CreateRuleAction", RuleId=rule_id, Type=type_, Configuration=given, **options)


async def test_actions_of_every_type_are_created_read_changed_and_deleted(world: World) -> None:
    rule_id = await world.rule()
    for type_, configuration in VALID.items():
        action_id = await world.action(rule_id, type_, **configuration)
        found = (await world.call("GetRuleAction", ActionId=action_id))["RuleActionInfo"]
        shown = {name: value for name, value in configuration.items() if name != "accountPwd"}
        assert msgspec.json.decode(found.pop("Configuration")) == shown | {"uid": ACCOUNT_ID}
        assert found == {"Id": action_id, "RuleId": rule_id, "Type": type_, "ErrorActionFlag": False}
        other = "FC" if type_ == "ONS" else "ONS"
        await world.call("UpdateRuleAction", ActionId=action_id, Type=other, Configuration=text(VALID[other]))
        [listed] = (await world.call("ListRuleActions", RuleId=rule_id))["RuleActionList"]["RuleActionInfo"]
        assert (listed["Id"], listed["Type"], listed["Status"]) == (action_id, other, "INIT")
        await world.call("DeleteRuleAction", ActionId=action_id)
        assert (await world.call("ListRuleActions", RuleId=rule_id))["RuleActionList"] == {"RuleActionInfo": []}
        for action in ("GetRuleAction", "DeleteRuleAction"):
            assert await world.refusal(action, ActionId=action_id) == "iot.rule.NotFoundRuleAction"


def without(type_: str, *names: str) -> dict[str, Any]:
    return {name: value for name, value in VALID[type_].items() if name not in names}


WRONG: list[tuple[str, Any, str]] = [
    ("", {}, "iot.ruleng.NullRuleActionType"),
    ("LAMBDA", {"x": 1}, "iot.rule.IncorrentRuleActionType"),
    ("FC", "", "iot.ruleng.NullRuleActionConfig"),
    ("FC", "{", "iot.ruleng.RuleActionConfigurationIsNotJson"),
    ("FC", "[" * 5000, "iot.ruleng.RuleActionConfigurationIsNotJson"),
    ("FC", "[]", "iot.rule.ParseRuleActionConfigError"),
    ("FC", without("FC", "serviceName"), "iot.ruleng.NullServiceNameInFc"),
    ("FC", VALID["FC"] | {"functionName": ""}, "iot.ruleng.NullFunctionNameInFc"),
    ("FC", VALID["FC"] | {"functionName": {}}, "iot.rule.ParseRuleActionConfigError"),
    ("FC", without("FC", "regionName"), "iot.ruleng.IncorrectRegionName"),
    ("FC", without("FC", "role"), "iot.ruleng.NullRamRoleArn"),
    ("FC", VALID["FC"] | {"role": "x"}, "iot.ruleng.InvalidRamRole"),
    ("FC", VALID["FC"] | {"role": {"roleArn": "x"}}, "iot.ruleng.NullRamRoleName"),
    ("FC", VALID["FC"] | {"role": {"roleArn": "", "roleName": "x"}}, "iot.ruleng.NullRamRoleArn"),
    ("MNS", without("MNS", "themeName"), "iot.ruleng.NullTopicNameInMns"),
    ("AMQP", {}, "iot.consumer.group.ConsumerGroupNotExist"),
    ("AMQP", {"groupId": "none"}, "iot.consumer.group.ConsumerGroupNotExist"),
    ("AMQP", {"groupId": "group-1", "tag": "x" * 129}, "iot.ruleng.InvalidFormattedTagInConfiguration"),
    ("AMQP", {"groupId": "group-1", "tag": "a b"}, "iot.ruleng.InvalidFormattedTagInConfiguration"),
    ("REPUBLISH", {"topicType": 1}, "iot.messagebroker.NullTopicName"),
    ("REPUBLISH", {"topic": "/x/y/user/z"}, "iot.ruleng.IncorrectType"),
    ("REPUBLISH", {"topic": "/x/y/user/z", "topicType": 2}, "iot.ruleng.IncorrectType"),
    ("REPUBLISH", {"topic": "/x/y", "topicType": 1}, "iot.messagebroker.InvalidFormattedTopicName"),
    ("REPUBLISH", {"topic": "/x/+/user/z", "topicType": 1}, "iot.messagebroker.InvalidFormattedTopicName"),
    ("REPUBLISH", {"topic": "/sys/x/y/user/z", "topicType": 1}, "iot.messagebroker.InvalidFormattedTopicName"),
    ("REPUBLISH", {"topic": "/x/y/user/z", "topicType": 0}, "iot.ruleng.IncorrectSysTopic"),
    ("REPUBLISH", {"topic": "/sys/x/y/thing/event/e/post", "topicType": 0}, "iot.ruleng.IncorrectSysTopic"),
    ("REPUBLISH", {"topic": "/a1none/y/user/z", "topicType": 1}, "iot.prod.NotExistedProduct"),
    ("OTS", without("OTS", "instanceName"), "iot.ruleng.NullOtsInstanceName"),
    ("OTS", without("OTS", "tableName"), "iot.ruleng.NullTableNameInOtsInstance"),
    ("OTS", without("OTS", "primaryKeys"), "iot.ruleng.NullPrimaryKeyInOtsTable"),
    ("OTS", VALID["OTS"] | {"primaryKeys": "k"}, "iot.rule.ParseRuleActionConfigError"),
    ("OTS", VALID["OTS"] | {"primaryKeys": [KEY] * 5}, "iot.rule.ParseRuleActionConfigError"),
    ("OTS", VALID["OTS"] | {"primaryKeys": [KEY] * 2}, "iot.ruleng.IncorrectPrimaryKeyValueInOtsTable"),
    ("OTS", VALID["OTS"] | {"primaryKeys": [KEY | {"columnName": ""}]}, "iot.ruleng.NullPrimaryKeyNameInOts"),
    ("OTS", VALID["OTS"] | {"primaryKeys": [KEY | {"columnType": ""}]}, "iot.ruleng.NullPrimaryKeyTypeInOts"),
    ("OTS", VALID["OTS"] | {"primaryKeys": [KEY | {"columnType": "X"}]}, "iot.ruleng.NullPrimaryKeyTypeInOts"),
    ("OTS", VALID["OTS"] | {"primaryKeys": [KEY | {"columnValue": ""}]}, "iot.ruleng.NullPrimaryKeyValueInOts"),
    (
        "OTS",
        VALID["OTS"] | {"primaryKeys": [KEY | {"option": "AUTO_INCREMENT"}]},
        "iot.ruleng.IncorrectPrimaryKeyValueInOtsTable",
    ),
    ("DATAHUB", without("DATAHUB", "projectName"), "iot.rule.ParseRuleActionConfigError"),
    ("DATAHUB", without("DATAHUB", "schemaVals"), "iot.rule.ParseRuleActionConfigError"),
    (
        "DATAHUB",
        VALID["DATAHUB"] | {"schemaVals": [{"name": "a", "value": "1", "type": "BLOB"}]},
        "iot.rule.ParseRuleActionConfigError",
    ),
    ("ONS", without("ONS", "topic"), "iot.messagebroker.NullTopicName"),
    ("ONS", without("ONS", "instanceId"), "iot.ruleng.InstanceNotFound"),
    ("ONS", VALID["ONS"] | {"tag": "x" * 129}, "iot.ruleng.InvalidFormattedTagInConfiguration"),
    ("TSDB", without("TSDB", "instanceName"), "iot.ruleng.NullInstanceNameInHitsdb"),
    ("TSDB", without("TSDB", "timestamp"), "iot.ruleng.NullTimestampInHitsdb"),
    ("TSDB", VALID["TSDB"] | {"timestamp": "now"}, "iot.ruleng.InvalidFormattedTimestampInHitsdb"),
    ("TSDB", without("TSDB", "tags"), "iot.ruleng.NullTagNameInHitsdb"),
    ("TSDB", VALID["TSDB"] | {"tags": [{"name": "a"}]}, "iot.ruleng.NullTagValueInHitsdb"),
    (
        "HITSDB",
        VALID["TSDB"] | {"tags": [{"name": "a;b", "value": "1"}]},
        "iot.ruleng.InvalidFormattedTagNameInHitsdb",
    ),
    ("RDS", without("RDS", "instanceName"), "iot.ruleng.NullRdsInstanceName"),
    ("RDS", without("RDS", "databaseName"), "iot.ruleng.NullRdsDatabaseName"),
    ("RDS", VALID["RDS"] | {"databaseName": "a b"}, "iot.ruleng.InvalidFormattedRdsDatabaseName"),
    ("RDS", without("RDS", "tableName"), "iot.ruleng.NullRdsTableName"),
    ("RDS", VALID["RDS"] | {"tableName": "a.b.c"}, "iot.ruleng.InvalidFormattedRdsTableName"),
    ("RDS", without("RDS", "accountName"), "iot.ruleng.NullRdsAccountName"),
    ("RDS", without("RDS", "accountPwd"), "iot.ruleng.NullRdsPassword"),
    ("RDS", without("RDS", "fieldVals"), "iot.ruleng.NullRdsFieldName"),
    ("RDS", VALID["RDS"] | {"fieldVals": [{"name": "a"}]}, "iot.ruleng.NullRdsFieldValue"),
]
"""Type, configuration, and the code of the refusal."""


@ON_ONE_DATABASE
async def test_configurations_that_are_wrong_are_refused(world: World) -> None:
    rule_id = await world.rule()
    action_id = await world.action(rule_id, "ONS", **VALID["ONS"])
    for type_, configuration, code in WRONG:
        given = configuration if isinstance(configuration, str) else text(configuration)
        assert await create(world, rule_id, type_, configuration) == code, configuration
        changing = {"ActionId": action_id, "Type": type_, "Configuration": given}
        assert await world.refusal("UpdateRuleAction", **changing) == code
    [left] = (await world.call("ListRuleActions", RuleId=rule_id))["RuleActionList"]["RuleActionInfo"]
    assert (left["Id"], left["Type"]) == (action_id, "ONS")


async def test_actions_are_counted_and_differ(tmp_path: Path, database: Database, clock: FakeClock) -> None:
    async with open_world(tmp_path, database, clock, limits=RuleLimits(actions=2)) as world:
        rule_id = await world.rule()
        await world.action(rule_id, "FC", **VALID["FC"])
        reordered = dict(reversed(VALID["FC"].items()))
        assert await create(world, rule_id, "FC", reordered) == "iot.rule.RuleActionIsAlreadyCreated"
        second = await world.action(rule_id, "FC", **VALID["FC"] | {"functionName": "other"})
        assert await create(world, rule_id, "AMQP", VALID["AMQP"]) == "iot.rule.TooManyRuleAction"
        same = {"ActionId": second, "Type": "FC", "Configuration": text(VALID["FC"])}
        assert await world.refusal("UpdateRuleAction", **same) == "iot.rule.RuleActionIsAlreadyCreated"
        await world.call("UpdateRuleAction", ActionId=second, Type="AMQP", Configuration=text(VALID["AMQP"]))
        assert await create(world, rule_id + 1, "FC", VALID["FC"]) == "iot.rule.NotFoundRule"


@ON_ONE_DATABASE
async def test_a_rule_has_one_error_action_of_another_type(world: World) -> None:
    rule_id = await world.rule()
    await world.action(rule_id, "FC", **VALID["FC"])
    wrong = "iot.ruleng.IncorrectActionTypeForError"
    flag = {"ErrorActionFlag": True}
    for type_ in ("REPUBLISH", "TSDB", "FC"):
        assert await create(world, rule_id, type_, VALID[type_] | {"functionName": "other"}, **flag) == wrong
    await world.action(rule_id, "AMQP", for_errors=True, **VALID["AMQP"])
    assert await create(world, rule_id, "ONS", VALID["ONS"], **flag) == "iot.ruleng.OnlyAllowOneErrorAction"
    assert await create(world, rule_id, "AMQP", VALID["AMQP"] | {"tag": "x"}) == wrong


@ON_ONE_DATABASE
async def test_binary_rules_have_no_tables(world: World) -> None:
    rule_id = await world.rule(DataType="BINARY")
    for type_ in ("OTS", "RDS", "TSDB"):
        assert await create(world, rule_id, type_, VALID[type_]) == "iot.rule.IncorrentRuleActionType"
    await world.action(rule_id, "FC", **VALID["FC"])


@ON_ONE_DATABASE
async def test_a_destination_that_settings_do_not_name_is_told_when_the_rule_starts(world: World) -> None:
    for type_, setting in (("FC", "[[destinations.fc]]"), ("MNS", "mns_endpoints"), ("RDS", "[[destinations.rds]]")):
        rule_id = await world.rule()
        await world.action(rule_id, type_, **VALID[type_])
        answer = await world.api.call("StartRule", RuleId=rule_id)
        assert (answer["Success"], answer["Code"]) == (False, "iot.rule.StartRuleFailed")
        assert setting in answer["ErrorMessage"]
        assert (await world.call("GetRule", RuleId=rule_id))["RuleInfo"]["Status"] == "STOP"


@ON_ONE_DATABASE
async def test_a_running_rule_gets_only_actions_that_can_work(world: World) -> None:
    rule_id = await world.running()
    assert await create(world, rule_id, "FC", VALID["FC"]) == "iot.ruleng.CreateRuleActionFailed"
    [action] = (await world.call("ListRuleActions", RuleId=rule_id))["RuleActionList"]["RuleActionInfo"]
    assert action["Status"] == "NORMAL"
    changing = {"ActionId": action["Id"], "Type": "FC", "Configuration": text(VALID["FC"])}
    assert await world.refusal("UpdateRuleAction", **changing) == "iot.ruleng.UpdateRuleActionFailed"
    refused = await world.refusal("DeleteRuleAction", ActionId=action["Id"])
    assert refused == "iot.ruleng.DeleteRuleActionFailed"


@ON_ONE_DATABASE
async def test_ids_that_are_none(world: World) -> None:
    for action_id in ("x", 0):
        assert await world.refusal("GetRuleAction", ActionId=action_id) == "iot.rule.IncorrentRuleActionId"
    assert await world.refusal("GetRuleAction", ActionId=99) == "iot.rule.NotFoundRuleAction"
