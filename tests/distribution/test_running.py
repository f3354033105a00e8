"""A device that is distributed while it is connected, on a whole platform: it goes on in the other instance."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any, Final

import pytest

from tests.e2e.raw import RawDevice, connected
from tests.isolation.platform import RunningPlatform, encoded, running_platform
from tests.isolation.things import MODEL
from thingplane.mqtt.packets import Puback, Publish
from thingplane.simulator.wire import Identity

HERE: Final = "iot-default"
THERE: Final = "iot-other"
PATIENCE_S: Final = 20


@pytest.fixture
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningPlatform]:
    with running_platform(tmp_path_factory.mktemp("distribution")) as running:
        yield running


async def subscribed(running: RunningPlatform, instance: str, product_key: str) -> str:
    """Have a new consumer group of an instance get what devices of the product say; returns its GroupId."""
    name = {"GroupName": "Group", "IotInstanceId": instance}
    group_id = str((await running.ok("CreateConsumerGroup", **name))["GroupId"])
    relation = {"ProductKey": product_key, "Type": "AMQP", "ConsumerGroupIds": [group_id], "IotInstanceId": instance}
    await running.ok("CreateSubscribeRelation", **relation, DeviceDataFlag=True)
    rule = {"Name": "rule_1", "ProductKey": product_key, "ShortTopic": "+/user/#", "TopicType": 1, "Select": "*"}
    rule_id = (await running.ok("CreateRule", **rule, IotInstanceId=instance))["RuleId"]
    action = {"Type": "AMQP", "Configuration": json.dumps({"groupId": group_id})}
    await running.ok("CreateRuleAction", RuleId=rule_id, **action, IotInstanceId=instance)
    await running.ok("StartRule", RuleId=rule_id, IotInstanceId=instance)
    return group_id


async def waiting(running: RunningPlatform, instance: str, group_id: str) -> int:
    """Return how many messages wait for a group."""
    status = await running.ok("QueryConsumerGroupStatus", GroupId=group_id, IotInstanceId=instance)
    return int(status["AccumulationCount"])


async def until_waiting(running: RunningPlatform, instance: str, group_id: str, count: int) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            if await waiting(running, instance, group_id) >= count:
                return
            await asyncio.sleep(0.01)


async def ever(client: RawDevice) -> None:
    """Receive until the connection ends."""
    while True:
        await client.receive()


async def publish(client: RawDevice, topic: str, payload: bytes) -> None:
    client.send(Publish(topic, payload, 1, packet_id=1))
    await client.expect(Puback)


def test_what_a_device_says_goes_to_its_new_instance_and_only_that_commands_it(running: RunningPlatform) -> None:
    running.run(check(running))


async def check(running: RunningPlatform) -> None:
    directory: Any = running.platform.app._instances
    await directory.create(THERE)
    product = {"NodeType": 0, "DataFormat": 1, "ProductName": "Lamp", "AliyunCommodityCode": "iothub_senior"}
    key = str((await running.ok("CreateProduct", **product))["ProductKey"])
    await running.ok("CreateThingModel", ProductKey=key, ThingModelJson=json.dumps(MODEL))
    await running.ok("PublishThingModel", ProductKey=key)
    device = {"ProductKey": key, "DeviceName": "lamp-1"}
    secret = (await running.ok("RegisterDevice", **device))["Data"]["DeviceSecret"]
    identity = Identity(key, "lamp-1", secret)
    groups = {HERE: await subscribed(running, HERE, key)}
    await running.ok("CreateProductDistributeJob", ProductKey=key, TargetInstanceId=THERE)
    await finished(running)
    groups[THERE] = await subscribed(running, THERE, key)
    address = ("127.0.0.1", running.endpoints.mqtt or 0)
    async with connected(address, identity) as (client, _):
        await publish(client, f"/sys/{key}/lamp-1/thing/event/property/post", post(5))
        await publish(client, f"/{key}/lamp-1/user/update", b'{"text":"before"}')
        await until_waiting(running, HERE, groups[HERE], 3)
        target = {"TargetInstanceConfig": [{"TargetInstanceId": THERE}]}
        await running.ok("CreateDeviceDistributeJob", ProductKey=key, DeviceName=["lamp-1"], **target)
        # Its connection is closed; a device connects again by itself.
        with pytest.raises(EOFError):
            await ever(client)
    await finished(running)
    before = await waiting(running, HERE, groups[HERE])
    async with connected(address, identity) as (client, _):
        await publish(client, f"/sys/{key}/lamp-1/thing/event/property/post", post(6))
        await publish(client, f"/{key}/lamp-1/user/update", b'{"text":"after"}')
        # Both, and what the rule makes of the second.
        await until_waiting(running, THERE, groups[THERE], 3)
        assert await waiting(running, HERE, groups[HERE]) == before
        assert (await running.ok("GetDeviceStatus", **device, IotInstanceId=THERE))["Data"]["Status"] == "ONLINE"
        message = {"ProductKey": key, "TopicFullName": f"/{key}/lamp-1/user/get", "MessageContent": encoded(b"hello")}
        await client.subscribe(f"/{key}/lamp-1/user/get")
        assert (await running.call("Pub", **message))["Code"] == "iot.device.NotExistedDevice"
        await running.ok("Pub", **message, IotInstanceId=THERE)
        assert (await client.messages(1))[-1].payload == b"hello"
    # Its history went along.
    period = {"StartTime": 1, "EndTime": 2**42, "Asc": 1, "PageSize": 10, "Identifier": "Temp"}
    found = await running.ok("QueryDevicePropertyData", **device, **period, IotInstanceId=THERE)
    assert [item["Value"] for item in found["Data"]["List"]["PropertyInfo"]] == ["5", "6"]


def post(value: int) -> bytes:
    return json.dumps({"id": "1", "version": "1.0", "sys": {"ack": 0}, "params": {"Temp": value}}).encode()


async def finished(running: RunningPlatform) -> None:
    """Return when all distribution tasks have finished."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            tasks = (await running.ok("ListDeviceDistributeJob"))["Data"]["JobInfo"]["items"]
            if all(task["Status"] == 2 for task in tasks):
                return
            await asyncio.sleep(0.01)
