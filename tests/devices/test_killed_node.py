"""A node that is killed in the middle of batch registrations goes on with them after its start."""

import time
import uuid
from pathlib import Path
from typing import Any

import pytest

from tests.common.node import NodeProcess, running_node
from tests.common.postgres import create_database, drop_database
from thingplane.cloud.client import CloudClient

COUNT = 5000


def client(node: NodeProcess) -> CloudClient:
    host, port = node.address("api")
    return CloudClient(f"http://{host}:{port}", *node.credentials)


def wait_until_made(cloud: CloudClient, key: str, apply_id: int) -> list[str]:
    """Poll, as there is nothing else to wait for; return the names."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        data: dict[str, Any] = cloud.call("QueryBatchRegisterDeviceStatus", {"ProductKey": key, "ApplyId": apply_id})[
            "Data"
        ]
        if data["Status"] != "CREATE":
            assert data["Status"] == "CREATE_SUCCESS"
            names: list[str] = data["ValidList"]["Name"]
            return names
        time.sleep(0.01)
    raise AssertionError("the devices were not made")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_killed_in_the_middle_it_makes_neither_too_many_devices_nor_too_few(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    settings: dict[str, object] = {}
    if kind == "postgresql":
        server_url: str = request.getfixturevalue("postgres_server_url")
        name = f"test_{uuid.uuid4().hex}"
        settings["database_url"] = create_database(server_url, name)
        request.addfinalizer(lambda: drop_database(server_url, name))
    with running_node(tmp_path / "data", **settings) as node:
        cloud = client(node)
        made = cloud.call("CreateProduct", {"ProductName": "killed_fleet", "NodeType": 0, "DataFormat": 1})
        key = made["ProductKey"]
        ids = [
            cloud.call("BatchRegisterDevice", {"ProductKey": key, "Count": COUNT})["Data"]["ApplyId"] for _ in range(4)
        ]
        # The first is done, and one of the others is being made right now.
        wait_until_made(cloud, key, ids[0])
        node.kill()
        node.start()
        cloud = client(node)
        names = [name for apply_id in ids for name in wait_until_made(cloud, key, apply_id)]
        assert len(set(names)) == len(names) == COUNT * len(ids)
        assert cloud.call("QueryDevice", {"ProductKey": key})["Total"] == len(names)
