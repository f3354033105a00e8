"""What running rules do with messages."""

import asyncio
from pathlib import Path

import msgspec
import pytest

from tests.common.clock import FakeClock
from tests.rules.world import World, open_world
from thingplane.devices.service import DeviceTagsChanged
from thingplane.forwarding.message import Forwarded, Kind
from thingplane.rules.runtime import worker
from thingplane.rules.runtime.budget import Budget
from thingplane.storage.database import Database


def bodies(messages: list[Forwarded]) -> list[object]:
    return [msgspec.json.decode(message.body) for message in messages]


async def test_results_reach_a_consumer_group_with_the_message_s_id_topic_and_time(world: World) -> None:
    rule_id = await world.running(
        "AMQP", {"groupId": "group-1", "tag": "${kind}"}, Select="t as temp, kind", Where="t > 1"
    )
    first = world.say({"t": 2, "kind": "warm"}, generated=77)
    world.say({"t": 1, "kind": "cold"})
    world.say({"t": 3})
    await world.idle(rule_id)
    found = await world.received(2)
    assert bodies(found) == [{"temp": 2, "kind": "warm"}, {"temp": 3}]
    assert (found[0].message_id, found[0].generated, found[0].tag) == (first, 77, "warm")
    assert found[0].topic == f"/{world.product.product_key}/dev1/user/update"
    assert found[0].kind is Kind.RULE
    assert found[1].tag == ""


async def test_results_are_published_to_custom_topics_of_devices(world: World) -> None:
    other = await world.devices.register(world.product, "dev2")
    topic = f"/{world.product.product_key}/${{to}}/user/get"
    rule_id = await world.running("REPUBLISH", {"topic": topic, "topicType": 1}, Select="to, t")
    world.say({"to": "dev2", "t": 1})
    await world.idle(rule_id)
    [sent] = world.downlink.sent
    assert (sent.device_id, sent.topic) == (other.id, f"/{world.product.product_key}/dev2/user/get")
    assert (sent.payload, sent.qos, sent.needs_subscription) == (b'{"to":"dev2","t":1}', 0, True)


async def test_results_are_published_to_system_topics_as_they_are(world: World) -> None:
    topic = f"/sys/{world.product.product_key}/dev1/thing/service/property/set"
    rule_id = await world.running("REPUBLISH", {"topic": topic, "topicType": 0}, Select="t as Level")
    world.say({"t": 1})
    await world.idle(rule_id)
    [sent] = world.downlink.sent
    assert (sent.topic, sent.payload, sent.needs_subscription) == (topic, b'{"Level":1}', False)


@pytest.mark.parametrize("name", ["nobody", "de+v", "a/b", "", "x" * 300])
async def test_a_topic_that_variables_spoil_is_no_topic(world: World, name: str) -> None:
    topic = f"/{world.product.product_key}/${{to}}/user/get"
    rule_id = await world.running("REPUBLISH", {"topic": topic, "topicType": 1})
    world.say({"to": name})
    await world.idle(rule_id)
    assert world.downlink.sent == []
    assert world.naps.seconds == []
    assert world.runner.counters.dropped == 1


async def test_binary_payloads_pass_unchanged(world: World) -> None:
    rule_id = await world.running(DataType="BINARY", Where="deviceName() = 'dev1'")
    world.say(b"\x00\xff")
    await world.idle(rule_id)
    assert [message.body for message in await world.received(1)] == [b"\x00\xff"]


async def test_messages_that_sql_cannot_work_with_are_left_alone(world: World) -> None:
    rule_id = await world.running(Select="upper(name) as name")
    wrong: list[object] = [b"no JSON", {"name": {}}, {"name": "x"}, b"[" * 5000]
    for body in wrong:
        world.say(body)
    await world.idle(rule_id)
    assert bodies(await world.received(1)) == [{"name": "X"}]
    assert world.runner.counters.failed == 3


async def test_each_rule_gets_the_topics_that_it_listens_to(world: World) -> None:
    key = world.product.product_key
    select = "topic() as topic"
    await world.running("AMQP", {"groupId": "group-1"}, ShortTopic="dev1/user/+/x", Select=select)
    await world.running("AMQP", {"groupId": "group-2"}, Topic=f"/as/mqtt/status/{key}/+", Select=select)
    await world.running("AMQP", {"groupId": "group-2"}, ShortTopic="+/thing/event/property/post", Select=select)
    for topic in ("user/a/x", "user/a", "user/a/b/x"):
        world.say({}, topic)
    world.say({}, f"/as/mqtt/status/{key}/dev1", Kind.STATUS)
    world.say({}, "thing/event/property/post", Kind.PROPERTY)
    assert bodies(await world.received(1)) == [{"topic": f"/{key}/dev1/user/a/x"}]
    assert bodies(await world.received(2, "group-2")) == [
        {"topic": f"/as/mqtt/status/{key}/dev1"},
        {"topic": f"/{key}/dev1/thing/event/property/post"},
    ]


async def test_tags_are_read_once_and_again_when_they_change(world: World) -> None:
    await world.devices.tags.save(world.device, {"room": "101"})
    rule_id = await world.running(Select="attribute('room') as room, deviceType() as category")
    world.say({})
    await world.idle(rule_id)
    await world.devices.tags.save(world.device, {"room": "102"})
    world.bus.publish(DeviceTagsChanged(world.device.id, {"room": "102"}, 0))
    world.say({})
    world.say({})
    await world.idle(rule_id)
    category = world.product.device_type
    assert bodies(await world.received(3)) == [
        {"room": "101", "category": category},
        {"room": "102", "category": category},
        {"room": "102", "category": category},
    ]


async def test_sql_sees_user_properties_of_messages_also_when_they_come_from_the_log(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "WINDOW", 1)
    rule_id = await world.running(Select="user_property('site') as site")
    for site in ("north", "south"):
        world.say({}, properties={"user": [("site", site)], "correlation_data": b"\xff"})
    world.say({})
    await world.idle(rule_id)
    assert bodies(await world.received(3)) == [{"site": "north"}, {"site": "south"}, {}]


async def test_starting_stopping_and_starting_again_loses_and_repeats_nothing(world: World) -> None:
    world.say({"n": -1})
    await world.forwarder.durable()
    rule_id = await world.running()
    for number in range(3):
        world.say({"n": number})
    await world.call("StopRule", RuleId=rule_id)
    assert world.say({"n": 99}) is None
    await world.call("StartRule", RuleId=rule_id)
    for number in range(3, 5):
        world.say({"n": number})
    await world.idle(rule_id)
    assert bodies(await world.received(5)) == [{"n": number} for number in range(5)]


async def test_an_updated_rule_goes_on_with_the_new_sql_and_topic(world: World) -> None:
    rule_id = await world.running(Select="n as old")
    world.say({"n": 1})
    await world.call("UpdateRule", RuleId=rule_id, Select="n as new", Where="n > 2")
    world.say({"n": 2})
    world.say({"n": 3})
    await world.idle(rule_id)
    await world.call("UpdateRule", RuleId=rule_id, ShortTopic="+/user/other")
    assert world.say({"n": 4}) is None
    world.say({"n": 5}, "user/other")
    await world.idle(rule_id)
    found = bodies(await world.received(3))
    assert found[0] in ({"old": 1}, {"new": 1})
    assert found[1:] == [{"new": 3}, {"new": 5}]


async def test_actions_are_added_changed_and_removed_while_the_rule_runs(world: World) -> None:
    rule_id = await world.running()
    world.say({"n": 1})
    await world.idle(rule_id)
    second = await world.action(rule_id, "AMQP", groupId="group-2")
    world.say({"n": 2})
    await world.idle(rule_id)
    await world.call("DeleteRuleAction", ActionId=second)
    world.say({"n": 3})
    await world.idle(rule_id)
    assert len(await world.received(3)) == 3
    assert bodies(await world.received(1, "group-2")) == [{"n": 2}]


async def test_a_restart_goes_on_where_the_rule_was(tmp_path: Path, database: Database, clock: FakeClock) -> None:
    async with open_world(tmp_path, database, clock) as world:
        rule_id = await world.running()
        world.say({"n": 1})
        await world.idle(rule_id)
        # From here on nobody takes messages, but they are still due to the rule.
        [worker_] = world.runner.workers()
        await worker_.stop(1)
        world.say({"n": 2})
        await world.forwarder.durable()
    async with open_world(tmp_path, database, clock) as world:
        world.say({"n": 3})
        await world.idle(rule_id)
        assert bodies(await world.received(3)) == [{"n": 1}, {"n": 2}, {"n": 3}]


async def test_more_messages_than_the_window_holds_come_from_the_log_in_order(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "WINDOW", 4)
    monkeypatch.setattr(worker, "CHUNK", 3)
    rule_id = await world.running()
    for number in range(50):
        world.say({"n": number})
        if number % 7 == 0:
            await asyncio.sleep(0)
    await world.idle(rule_id)
    assert bodies(await world.received(50)) == [{"n": number} for number in range(50)]


async def test_a_deleted_product_stops_its_rules(world: World) -> None:
    rule_id = await world.running()
    await world.devices.delete(world.device)
    await world.products.delete(world.product)
    assert world.say({}) is None
    info = (await world.call("GetRule", RuleId=rule_id))["RuleInfo"]
    assert info["Status"] == "STOP"
    assert await world.refusal("StartRule", RuleId=rule_id) == "iot.prod.NotExistedProduct"


async def test_a_deleted_rule_leaves_nothing_waiting(world: World) -> None:
    rule_id = await world.running()
    world.say({})
    await world.call("StopRule", RuleId=rule_id)
    await world.call("DeleteRule", RuleId=rule_id)
    assert world.say({}) is None
    subscriber = await world.forwarder.enroll("rule", str(rule_id))
    assert world.forwarder.waiting(subscriber) == 0


async def test_a_small_budget_slows_rules_down_and_loses_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(world.runner, "_budget", Budget(1))
    rule_id = await world.running()
    for number in range(20):
        world.say({"n": number})
        await asyncio.sleep(0)
    await world.idle(rule_id)
    assert bodies(await world.received(20)) == [{"n": number} for number in range(20)]


async def test_what_arrives_while_nothing_is_found_in_the_log_is_not_missed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = world.forwarder.read
    reads = 0

    async def gone(subscriber: int, after: int, limit: int) -> list[Forwarded]:
        """What waited has been dropped; a message arrives before this is known."""
        nonlocal reads
        reads += 1
        if reads > 1:
            return await read(subscriber, after, limit)
        world.say({"t": 1})
        await world.forwarder.durable()
        await asyncio.sleep(0)
        return []

    monkeypatch.setattr(world.forwarder, "read", gone)
    rule_id = await world.running()
    await world.until(lambda: reads > 1)
    await world.idle(rule_id)
    assert bodies(await world.received(1)) == [{"t": 1}]
