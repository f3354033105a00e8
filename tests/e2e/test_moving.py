"""What the documentation tells operators to do with a stopped node: moving identities, restoring a backup."""

import re
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.common.node import NodeProcess, running_node
from tests.e2e.conftest import cloud_client
from tests.e2e.posting import MODEL
from tests.e2e.raw import connected
from thingplane.cli.fleet import create_product, ensure_devices
from thingplane.mqtt.packets import Puback, Publish
from thingplane.simulator.wire import Identity

MIGRATING = Path(__file__).parents[2] / "docs" / "migrating.md"
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


async def test_devices_keep_identities_that_were_put_into_the_database(node: NodeProcess) -> None:
    client = cloud_client(node)
    product_key = create_product(client, "moved", MODEL)
    ensure_devices(client, product_key, [OLD.device_name])
    assert node.stop() == 0
    statements = re.findall(r"```sql\n(.*?)```", MIGRATING.read_text(), re.DOTALL)
    values = {
        "NEW_PRODUCT_KEY": product_key,
        "OLD_PRODUCT_KEY": OLD.product_key,
        "OLD_DEVICE_SECRET": OLD.device_secret,
        "DEVICE_NAME": OLD.device_name,
    }
    script = re.sub("|".join(values), lambda found: values[found[0]], "\n".join(statements))
    with closing(sqlite3.connect(node.data_dir / "thingplane.sqlite3")) as database:
        database.executescript(script)
    node.start()
    await post(node, OLD)
    where = {"ProductKey": OLD.product_key, "DeviceName": OLD.device_name}
    answer = cloud_client(node).call("QueryDevicePropertyStatus", where)
    found = {item["Identifier"]: item.get("Value") for item in answer["Data"]["List"]["PropertyStatusInfo"]}
    assert found["Count"] == "7"
    answer = cloud_client(node).call("QueryDeviceDetail", where)
    assert answer["Data"]["DeviceSecret"] == OLD.device_secret


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
