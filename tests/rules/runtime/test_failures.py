"""What becomes of results that a destination does not take."""

import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.common.clock import FakeClock
from tests.rules.destinations.server import Server, web_server
from tests.rules.world import ROLE, World, open_world
from thingplane.rules.destinations.settings import DestinationSettings, FunctionEntry
from thingplane.storage.database import Database

FUNCTION: dict[str, Any] = {"serviceName": "s", "functionName": "f", "regionName": "cn-shanghai", "role": ROLE}


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with web_server() as opened:
        yield opened


@pytest.fixture
async def world(tmp_path: Path, database: Database, clock: FakeClock, server: Server) -> AsyncIterator[World]:
    settings = DestinationSettings(fc=(FunctionEntry(url=f"{server.url}/hook"),))
    async with open_world(tmp_path, database, clock, settings) as opened:
        yield opened


async def napping(world: World, tries: int) -> None:
    """Wait for the pause after so many tries, and end it."""
    await world.until(lambda: len(world.naps.seconds) == tries and world.naps.count > 0)
    world.naps.wake()


async def status(world: World, rule_id: int) -> list[Any]:
    answer = await world.call("ListRuleActions", RuleId=rule_id)
    return [info["Status"] for info in answer["RuleActionList"]["RuleActionInfo"]]


async def test_a_result_is_tried_again_after_1_3_and_10_seconds(world: World, server: Server) -> None:
    server.statuses = [500, 503, 429, 200]
    rule_id = await world.running("FC", FUNCTION)
    world.say({"n": 1})
    for tries in (1, 2, 3):
        await napping(world, tries)
    await world.idle(rule_id)
    assert world.naps.seconds == [1, 3, 10]
    assert [request.body for request in server.received] == [b'{"n":1}'] * 4
    assert (world.runner.counters.retries, world.runner.counters.dropped) == (3, 0)
    assert await status(world, rule_id) == ["NORMAL"]


async def test_after_the_last_try_the_error_action_gets_one_record(world: World, server: Server) -> None:
    server.statuses = [500] * 4
    rule_id = await world.rule(Name="failing")
    await world.action(rule_id, "FC", **FUNCTION)
    await world.action(rule_id, "AMQP", for_errors=True, groupId="group-2")
    assert await status(world, rule_id) == ["INIT", "INIT"]
    await world.call("StartRule", RuleId=rule_id)
    message_id = world.say({"n": 1})
    for tries in (1, 2, 3):
        await napping(world, tries)
    await world.idle(rule_id)
    [record] = await world.received(1, "group-2")
    assert msgspec.json.decode(record.body) == {
        "ruleName": "failing",
        "topic": f"/{world.product.product_key}/dev1/user/update",
        "productKey": world.product.product_key,
        "deviceName": "dev1",
        "messageId": str(message_id),
        "base64OriginalPayload": base64.b64encode(b'{"n":1}').decode(),
        "failures": [
            {
                "actionType": "FC",
                "actionRegion": "cn-shanghai",
                "actionResource": "s/f",
                "errorMessage": "the webhook answered 500",
            }
        ],
    }
    assert len(server.received) == 4
    assert await status(world, rule_id) == ["SHORTCUT", "NORMAL"]
    assert (world.runner.counters.dropped, world.runner.counters.error_records) == (1, 1)


async def test_a_failing_error_action_is_not_tried_again(world: World, server: Server) -> None:
    server.statuses = [500]
    rule_id = await world.rule()
    topic = f"/{world.product.product_key}/nobody/user/get"
    await world.action(rule_id, "REPUBLISH", topic=topic, topicType=1)
    await world.action(rule_id, "FC", for_errors=True, **FUNCTION)
    await world.call("StartRule", RuleId=rule_id)
    world.say({"n": 1})
    await world.idle(rule_id)
    [request] = server.received
    assert msgspec.json.decode(request.body)["failures"][0]["errorMessage"] == "there is no such device"
    assert world.naps.seconds == []


async def test_a_result_that_waits_does_not_hold_up_others(world: World, server: Server) -> None:
    server.statuses = [500]
    rule_id = await world.running("FC", FUNCTION)
    world.say({"n": 1})
    await world.until(lambda: world.naps.count == 1)
    world.say({"n": 2})
    await world.until(lambda: len(server.received) == 2)
    world.naps.wake()
    await world.idle(rule_id)
    assert [request.body for request in server.received] == [b'{"n":1}', b'{"n":2}', b'{"n":1}']


async def test_all_other_actions_have_a_result_that_one_action_does_not_take(world: World, server: Server) -> None:
    server.statuses = [500]
    rule_id = await world.rule()
    await world.action(rule_id, "FC", **FUNCTION)
    await world.action(rule_id, "AMQP", groupId="group-1")
    await world.call("StartRule", RuleId=rule_id)
    world.say({"n": 1})
    assert len(await world.received(1)) == 1
    await napping(world, 1)
    await world.idle(rule_id)
    assert len(await world.received(1)) == 1


async def test_a_stopped_rule_keeps_what_waits_for_another_try(world: World, server: Server) -> None:
    server.statuses = [500]
    rule_id = await world.running("FC", FUNCTION)
    world.say({"n": 1})
    await world.until(lambda: world.naps.count == 1)
    await world.call("StopRule", RuleId=rule_id)
    assert world.naps.count == 0
    await world.call("StartRule", RuleId=rule_id)
    await world.idle(rule_id)
    assert [request.body for request in server.received] == [b'{"n":1}', b'{"n":1}']


async def test_what_is_being_sent_when_the_rule_stops_is_finished(world: World, server: Server) -> None:
    server.gate.clear()
    rule_id = await world.running("FC", FUNCTION)
    world.say({"n": 1})
    await world.until(lambda: len(server.received) == 1)
    server.gate.set()
    await world.call("StopRule", RuleId=rule_id)
    subscriber = await world.forwarder.enroll("rule", str(rule_id))
    assert world.forwarder.waiting(subscriber) == 0


async def test_a_rule_whose_destination_is_gone_from_the_settings_tells_so(
    tmp_path: Path, database: Database, clock: FakeClock, server: Server
) -> None:
    settings = DestinationSettings(fc=(FunctionEntry(url=server.url),))
    async with open_world(tmp_path / "own", database, clock, settings) as before:
        rule_id = await before.running("FC", FUNCTION)
        await before.action(rule_id, "AMQP", for_errors=True, groupId="group-2")
        topic = f"/{before.product.product_key}/dev1/user/get"
        second = await before.action(rule_id, "REPUBLISH", topic=topic, topicType=1)
    async with open_world(tmp_path / "own", database, clock) as after:
        assert await status(after, rule_id) == ["INVALID", "NORMAL", "NORMAL"]
        await after.call("DeleteRuleAction", ActionId=second)
        assert await status(after, rule_id) == ["INVALID", "NORMAL"]
        after.say({"n": 1})
        for tries in (1, 2, 3):
            await napping(after, tries)
        [record] = await after.received(1, "group-2")
        assert "[[destinations.fc]]" in msgspec.json.decode(record.body)["failures"][0]["errorMessage"]
