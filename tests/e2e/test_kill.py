"""kill -9 of a node under load: whatever was acknowledged is there after the restart, once."""

import asyncio
import base64
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from random import Random

import pytest

from tests.common.node import NodeProcess, running_node
from tests.e2e.conftest import cloud_client
from tests.e2e.posting import MODEL, PostingDevice, check_history
from tests.e2e.raw import connected
from thingplane.cli.fleet import create_product, ensure_devices
from thingplane.cloud.client import CallError, CloudClient
from thingplane.simulator.wire import Identity

TAGS_PER_PRODUCT = 100


async def repeat(work: Callable[[int], None], last: int = 10**9) -> None:
    """Do numbered work in a thread, one after the other, until the node is gone."""
    for number in range(1, last + 1):
        try:
            await asyncio.to_thread(work, number)
        except (OSError, CallError):
            return


async def until(condition: Callable[[], bool], what: str, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what
        await asyncio.sleep(0.005)


class BackEnd:
    """Calls operations and remembers what was answered with success."""

    def __init__(self, client: CloudClient, product_key: str, listener: Identity, name: str) -> None:
        self.client = client
        self.registered: dict[str, str] = {}
        self.tags: dict[str, str] = {}
        self.published: set[str] = set()
        self.settings: set[int] = set()
        self._product_key = product_key
        self._listener = listener
        self._name = name

    def works(self) -> list[tuple[Callable[[int], None], int]]:
        return [
            (self.register, 10**9),
            (self.tag, TAGS_PER_PRODUCT // 4),
            (self.publish, 10**9),
            (self.set_property, 10**9),
        ]

    def busy(self) -> bool:
        return all((self.registered, self.tags, self.published, self.settings))

    def register(self, number: int) -> None:
        name = f"{self._name}-{number}"
        answer = self.client.call("RegisterDevice", {"ProductKey": self._product_key, "DeviceName": name})
        assert answer["Success"], answer
        self.registered[name] = answer["Data"]["DeviceSecret"]

    def tag(self, number: int) -> None:
        key = f"{self._name}.{number}"
        tags = [{"TagKey": key, "TagValue": f"value{number}"}]
        answer = self.client.call("CreateProductTags", {"ProductKey": self._product_key, "ProductTag": tags})
        assert answer["Success"], answer
        self.tags[key] = f"value{number}"

    def publish(self, number: int) -> None:
        text = f"{self._name}-{number}"
        parameters = {
            "ProductKey": self._product_key,
            "TopicFullName": f"/{self._product_key}/{self._listener.device_name}/user/get",
            "MessageContent": base64.b64encode(text.encode()).decode(),
            "Qos": 1,
        }
        answer = self.client.call("Pub", parameters)
        assert answer["Success"], answer
        self.published.add(text)

    def set_property(self, number: int) -> None:
        parameters = {
            "ProductKey": self._product_key,
            "DeviceName": self._listener.device_name,
            "Items": f'{{"Target":{number}}}',
            "Qos": 1,
        }
        answer = self.client.call("SetDeviceProperty", parameters)
        assert answer["Success"], answer
        self.settings.add(number)

    def check(self, client: CloudClient) -> None:
        """Assert that every successful call has its effect, on the node that runs now."""
        for name, secret in self.registered.items():
            answer = client.call("QueryDeviceDetail", {"ProductKey": self._product_key, "DeviceName": name})
            assert answer["Success"], f"{name} is lost: {answer}"
            assert answer["Data"]["DeviceSecret"] == secret
        answer = client.call("ListProductTags", {"ProductKey": self._product_key})
        found = {tag["TagKey"]: tag["TagValue"] for tag in answer["Data"]["ProductTag"]}
        assert self.tags.items() <= found.items()


async def check_messages(node: NodeProcess, listener: Identity, back_end: BackEnd) -> None:
    """Assert that every accepted message reaches its device, once."""
    async with connected(node.address("mqtt"), listener, clean_start=False) as (device, connack):
        assert connack.session_present
        messages = await device.messages(len(back_end.published) + len(back_end.settings))
        await device.leave()
    texts = [message.payload.decode() for message in messages if message.topic.endswith("/user/get")]
    assert back_end.published <= set(texts)
    assert len(texts) == len(set(texts)), "doubled"
    others = [message.payload for message in messages if message.topic.endswith("/thing/service/property/set")]
    assert len(texts) + len(others) == len(messages)
    assert back_end.settings <= {int(payload.rpartition(b":")[2].rstrip(b"}")) for payload in others}
    assert len(others) == len(set(others)), "doubled"


def acknowledged(devices: Sequence[PostingDevice]) -> int:
    return sum(len(device.acknowledged) for device in devices)


def runs(devices: Sequence[PostingDevice], back_end: BackEnd, before: int) -> bool:
    """Tell whether the load has got going: every kind of call has succeeded, and devices post."""
    return back_end.busy() and acknowledged(devices) > before + 100


@pytest.mark.parametrize("seed", [1, 2])
async def test_whatever_was_acknowledged_survives_a_kill_at_any_moment(node: NodeProcess, seed: int) -> None:
    random = Random(seed)
    since = int(time.time() * 1000) - 1000
    client = cloud_client(node)
    product_key = create_product(client, f"kill_{seed}", MODEL)
    devices = [PostingDevice(item) for item in ensure_devices(client, product_key, [f"post-{n}" for n in range(4)])]
    for kill in range(2):
        # A listener for each kill: what it has acknowledged may come once more if it had no time to be noted.
        (listener,) = ensure_devices(client, product_key, [f"listen-{kill}"])
        async with connected(node.address("mqtt"), listener, clean_start=False) as (offline, _):
            assert await offline.subscribe(f"/{product_key}/{listener.device_name}/user/get") == [1]
            await offline.leave()
        back_end = BackEnd(client, product_key, listener, f"k{kill}")
        address, before = node.address("mqtt"), acknowledged(devices)
        async with asyncio.TaskGroup() as load:
            for device in devices:
                load.create_task(device.run(address))
            for work, last in back_end.works():
                load.create_task(repeat(work, last))
            await until(partial(runs, devices, back_end, before), "the load does not run")
            await asyncio.sleep(random.uniform(0, 0.5))
            node.kill()
        node.start()
        client = cloud_client(node)
        check_history(client, devices, since)
        back_end.check(client)
        await check_messages(node, listener, back_end)


@pytest.fixture
def sealing_node(tmp_path: Path) -> Iterator[NodeProcess]:
    """A node that seals its history all the time."""
    with running_node(tmp_path / "data", history_seal_rows=1000) as node:
        yield node


def sealing(node: NodeProcess) -> bool:
    """Tell whether a child process of the node seals (Linux)."""
    children = Path(f"/proc/{node.pid}/task/{node.pid}/children").read_text().split()
    for child in children:
        try:
            if b"timeseries.seal" in Path(f"/proc/{child}/cmdline").read_bytes():
                return True
        except (FileNotFoundError, ProcessLookupError):
            continue
    return False


async def test_kill_while_a_history_file_is_sealed_loses_and_doubles_nothing(sealing_node: NodeProcess) -> None:
    random, node = Random(3), sealing_node
    since = int(time.time() * 1000) - 1000
    client = cloud_client(node)
    product_key = create_product(client, "kill_sealing", MODEL)
    identities = ensure_devices(client, product_key, [f"post-{number}" for number in range(4)])
    devices = [PostingDevice(identity, window=32) for identity in identities]
    for latest in (0.0, 0.05, 0.1, 0.2):
        async with asyncio.TaskGroup() as load:
            for device in devices:
                load.create_task(device.run(node.address("mqtt")))
            await until(lambda: sealing(node), "no history file is sealed")
            await asyncio.sleep(random.uniform(0, latest))
            node.kill()
        node.start()
    check_history(cloud_client(node), devices, since)
    assert acknowledged(devices) > 1000
