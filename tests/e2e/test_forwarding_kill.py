"""kill -9 of node and consumer under load: what was acknowledged reaches every group, with one id, rules included."""

import asyncio
import contextlib
import json
import uuid
from collections.abc import Mapping
from functools import partial
from random import Random
from typing import Any, Final, NamedTuple

import pytest

from tests.clients.node import NodeClients
from tests.common.node import NodeProcess
from tests.e2e.conftest import cloud_client
from tests.e2e.inbox import Inbox, inbox
from tests.e2e.posting import MODEL, PostingDevice
from tests.e2e.raw import connected
from tests.e2e.test_kill import until
from thingplane.cli.fleet import create_product, ensure_devices
from thingplane.cloud.client import CloudClient
from thingplane.mqtt.packets import Publish
from thingplane.simulator.wire import Identity

POSTING: Final = 3
ENOUGH: Final = 200
"""Messages that every party has before something is killed."""
Number = tuple[str, int]
"""A device and the number that it has posted."""


class Scene(NamedTuple):
    """Devices that post, two groups that get everything, and a rule whose results go to a device and a third group."""

    node: NodeProcess
    devices: list[PostingDevice]
    listener: Identity
    groups: list[str]
    results: str

    @property
    def promised(self) -> set[Number]:
        """Everything that the platform has acknowledged."""
        return {(device.identity.device_name, number) for device in self.devices for number in device.acknowledged}

    @property
    def wish(self) -> str:
        """Topic of the rule's results."""
        return f"/{self.listener.product_key}/{self.listener.device_name}/user/get"

    def start(self) -> list["asyncio.Task[None]"]:
        """Let all devices post until the node is gone."""
        address = self.node.address("mqtt")
        return [asyncio.create_task(device.run(address)) for device in self.devices]


def call(cloud: CloudClient, action: str, **parameters: object) -> dict[str, Any]:
    answer = cloud.call(action, parameters)
    assert answer["Success"], f"{action}: {answer}"
    return answer


@pytest.fixture
def scene(node: NodeProcess) -> Scene:
    cloud = cloud_client(node)
    name = uuid.uuid4().hex[:8]
    key = create_product(cloud, f"Killed_{name}", MODEL)
    *posting, listener = ensure_devices(cloud, key, [*(f"post-{number}" for number in range(POSTING)), "listen"])
    *groups, results = [
        str(call(cloud, "CreateConsumerGroup", GroupName=f"g{number}_{name}")["GroupId"]) for number in range(3)
    ]
    call(cloud, "CreateSubscribeRelation", ProductKey=key, Type="AMQP", ConsumerGroupIds=groups, DeviceDataFlag=True)
    select = "deviceName() as deviceName, items.Count.value as n, messageId() as id"
    topic = "+/thing/event/property/post"
    rule = {"ProductKey": key, "ShortTopic": topic, "TopicType": 0, "Select": select, "Where": "items.Count.value > 0"}
    rule_id = call(cloud, "CreateRule", Name=f"kill_{name}", **rule)["RuleId"]
    republish = {"topic": f"/{key}/listen/user/get", "topicType": 1}
    for kind, configuration in (("REPUBLISH", republish), ("AMQP", {"groupId": results})):
        call(cloud, "CreateRuleAction", RuleId=rule_id, Type=kind, Configuration=json.dumps(configuration))
    call(cloud, "StartRule", RuleId=rule_id)
    return Scene(node, [PostingDevice(identity) for identity in posting], listener, groups, results)


class Account:
    """What a party has been told by whatever number of clients."""

    def __init__(self) -> None:
        self.ids: dict[Number, set[str]] = {}
        """The ids by which each number has come."""
        self.boxes: list[Inbox] = []
        self._seen: list[int] = []

    def join(self, box: Inbox) -> None:
        """Count what one more client receives."""
        self.boxes.append(box)
        self._seen.append(0)

    def lacks(self, numbers: set[Number]) -> set[Number]:
        """Return which of the numbers have not come."""
        for at, box in enumerate(self.boxes):
            messages = box.received[self._seen[at] :]
            self._seen[at] += len(messages)
            for message in messages:
                content = message.json()
                number = content["n"] if "n" in content else content["items"]["Count"]["value"]
                self.ids.setdefault((content["deviceName"], number), set()).add(message.message_id)
        return numbers - set(self.ids)

    def count(self) -> int:
        """Return the number of messages, repetitions included."""
        return sum(len(box.received) for box in self.boxes)


class Listening:
    """A device that gets what the rule republishes."""

    def __init__(self) -> None:
        self.results: list[dict[str, Any]] = []

    async def run(self, scene: Scene) -> None:
        """Listen until the node is gone."""
        async with connected(scene.node.address("mqtt"), scene.listener) as (device, _):
            assert await device.subscribe(scene.wish) == [1]
            with contextlib.suppress(EOFError):
                while isinstance(packet := await device.receive(), Publish):
                    self.results.append(json.loads(packet.payload))


async def test_killing_a_consumer_and_the_node_accounts_for_every_message(
    scene: Scene, node_clients: NodeClients
) -> None:
    node = scene.node
    parties = {group: Account() for group in (*scene.groups, scene.results)}
    listening = Listening()
    with contextlib.ExitStack() as clients:

        def join(group: str) -> Inbox:
            box = clients.enter_context(inbox(node, node_clients, group))
            parties[group].join(box)
            return box

        first, *others = [await asyncio.to_thread(join, group) for group in (*parties, scene.groups[0])]
        running = [asyncio.create_task(listening.run(scene)), *scene.start()]

        def all_have(count: int) -> bool:
            return len(listening.results) >= count and all(account.count() >= count for account in parties.values())

        await until(partial(all_have, ENOUGH), "not everybody gets messages")
        first.kill()
        await until(partial(all_have, 2 * ENOUGH), "the others get no messages any more")
        await asyncio.sleep(Random().uniform(0, 0.2))
        node.kill()
        await asyncio.wait(running)
        for box in (first, *others):
            await asyncio.to_thread(box.end)
    await asyncio.to_thread(node.start)
    # What one party has was durable before, acknowledged or not: it is due to all of them.
    due = scene.promised | {(result["deviceName"], result["n"]) for result in listening.results}
    for account in parties.values():
        account.lacks(due)
        due |= set(account.ids)
    for group, account in parties.items():
        with inbox(node, node_clients, group) as box:
            account.join(box)
            await asyncio.to_thread(box.wait, partial(_complete, account, due), "end of what is due")
            await until(partial(_nothing_waits, node, group), "messages wait that have been accepted")
    _check(parties, listening)


def _nothing_waits(node: NodeProcess, group: str) -> bool:
    return bool(call(cloud_client(node), "QueryConsumerGroupStatus", GroupId=group)["AccumulationCount"] == 0)


def _complete(account: Account, due: set[Number]) -> bool:
    return not account.lacks(due)


def _check(parties: Mapping[str, Account], listening: Listening) -> None:
    """Assert that a message has the same id for everybody, and in the results of the rule."""
    everybody: dict[Number, set[str]] = {}
    for account in parties.values():
        for number, ids in account.ids.items():
            everybody.setdefault(number, set()).update(ids)
    for result in listening.results:
        everybody[result["deviceName"], result["n"]].add(result["id"])
    assert {len(ids) for ids in everybody.values()} == {1}
    assert len(set.union(*everybody.values())) == len(everybody)
