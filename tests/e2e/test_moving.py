"""What the documentation tells operators to do: moving identities, restoring a backup."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.common.node import NodeProcess, running_node
from tests.e2e.conftest import cloud_client
from tests.e2e.posting import MODEL
from tests.e2e.raw import connected
from thingplane.cli.fleet import create_product, ensure_devices
from thingplane.mqtt.packets import Puback, Publish
from thingplane.simulator.wire import Identity

OLD = Identity("a1OldProduct", "sensor-01", "0123456789abcdef0123456789abcdef")


@pytest.fixture
def node(tmp_path: Path) -> Iterator[NodeProcess]:
    with running_node(tmp_path / "data") as node:
        yield node


async def post(node: NodeProcess, identity: Identity) -> None:
    """Connect and post one value."""
    topic = f"/sys/{identity.product_key}/{identity.device_name}/thing/event/property/post"
    async with connected(node.address("mqtt"), identity) as (device, connack):
        assert connack.code == 0
        device.send(Publish(topic, b'{"id":"1","version":"1.0","sys":{"ack":0},"params":{"Count":7}}', 1, packet_id=1))
        assert await device.expect(Puback) == Puback(1)
        await device.leave()


def keepsakes(node: NodeProcess) -> tuple[object, ...]:
    """Return what clients hold of a node: its key and its certificate authority."""
    return node.credentials, Path(node.ready["ca_certificate"]).read_bytes()


def run_import(node: NodeProcess, file: Path) -> str:
    """Run the command beside the running node; return what it prints."""
    command = [sys.executable, "-m", "thingplane.cli", "import", str(file), "--data-dir", str(node.data_dir)]
    return subprocess.run(
        command, env={**os.environ, **node.environment}, check=True, capture_output=True
    ).stdout.decode()


async def test_imported_devices_connect_with_the_identities_they_have(node: NodeProcess, tmp_path: Path) -> None:
    file = tmp_path / "devices.csv"
    file.write_text("ProductKey,DeviceName,DeviceSecret,Nickname\n" + ",".join(OLD) + ",old_one\n")
    assert json.loads(run_import(node, file)) == [{"ProductKey": OLD.product_key, "Added": 1, "Present": 0}]
    assert json.loads(run_import(node, file)) == [{"ProductKey": OLD.product_key, "Added": 0, "Present": 1}]
    client = cloud_client(node)
    model = json.dumps({"productKey": OLD.product_key, **MODEL})
    assert client.call("CreateThingModel", {"ProductKey": OLD.product_key, "ThingModelJson": model})["Success"]
    assert client.call("PublishThingModel", {"ProductKey": OLD.product_key})["Success"]
    await post(node, OLD)
    where = {"ProductKey": OLD.product_key, "DeviceName": OLD.device_name}
    answer = client.call("QueryDevicePropertyStatus", where)
    found = {item["Identifier"]: item.get("Value") for item in answer["Data"]["List"]["PropertyStatusInfo"]}
    assert found["Count"] == "7"
    answer = client.call("QueryDeviceDetail", where)
    assert (answer["Data"]["DeviceSecret"], answer["Data"]["Nickname"]) == (OLD.device_secret, "old_one")
    topics = client.call("QueryProductTopic", {"ProductKey": OLD.product_key})["Data"]["ProductTopicInfo"]
    assert len(topics) == 3


async def test_copy_of_a_stopped_nodes_folder_is_a_whole_backup(node: NodeProcess, tmp_path: Path) -> None:
    client = cloud_client(node)
    (identity,) = ensure_devices(client, create_product(client, "kept", MODEL), ["sensor-01"])
    await post(node, identity)
    before = keepsakes(node)
    assert node.stop() == 0
    shutil.copytree(node.data_dir, tmp_path / "restored")
    shutil.rmtree(node.data_dir)
    with running_node(tmp_path / "restored") as restored:
        assert keepsakes(restored) == before
        where = {"ProductKey": identity.product_key, "DeviceName": identity.device_name}
        answer = cloud_client(restored).call("QueryDevicePropertyStatus", where)
        found = {item["Identifier"]: item.get("Value") for item in answer["Data"]["List"]["PropertyStatusInfo"]}
        assert found["Count"] == "7"
        await post(restored, identity)
