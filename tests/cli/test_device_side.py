"""``thingplane config``, ``device`` and ``job``: what an operator gives devices and reads of them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.common.node import NodeProcess
from tests.e2e.conftest import cloud_client
from thingplane.cli.fleet import THERMOSTAT, create_product, ensure_devices


@pytest.fixture(scope="module")
def product_key(node: NodeProcess) -> str:
    """A product with two devices."""
    client = cloud_client(node)
    key = create_product(client, "device_side", THERMOSTAT)
    ensure_devices(client, key, ["lamp-1", "lamp-2"])
    return key


def test_configurations_are_set_listed_pushed_and_turned_off(
    manage: Callable[..., Any], refusal: Callable[..., str], product_key: str, tmp_path: Path
) -> None:
    file = tmp_path / "config.json"
    assert "set one first" in refusal("config", "push", product_key)
    saved = []
    for content in ("1", "[2, 3]"):
        file.write_text(content)
        saved += manage("config", "set", product_key, str(file))
    assert manage("config", "list", product_key) == saved[::-1]
    assert [row["Size"] for row in saved] == [1, 6]
    assert manage("config", "push", product_key) == [{"Devices": 0}]
    manage("config", "disable", product_key)
    assert "turned off" in refusal("config", "push", product_key)
    manage("config", "enable", product_key)
    assert manage("config", "push", product_key) == [{"Devices": 0}]


def test_impossible_configurations_are_one_line(refusal: Callable[..., str], product_key: str, tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    assert "No such file" in refusal("config", "set", product_key, str(file))
    file.write_text("{")
    assert "JSON" in refusal("config", "set", product_key, str(file))
    file.write_text("1")
    assert "a1Unknown" in refusal("config", "set", "a1Unknown", str(file))


def test_logs_of_a_device(manage: Callable[..., Any], refusal: Callable[..., str], product_key: str) -> None:
    assert manage("device", "logs", product_key, "lamp-1", "--level", "ERROR", "--source", "device") == []
    assert manage("device", "sdk", product_key, "lamp-1") == []
    manage("device", "log-upload", product_key, "lamp-1", "on")
    assert "nobody" in refusal("device", "logs", product_key, "nobody")


def test_jobs_are_made_and_called_back(
    manage: Callable[..., Any], refusal: Callable[..., str], product_key: str, tmp_path: Path
) -> None:
    document = tmp_path / "job.json"
    document.write_text('{"reboot": true}')
    [job] = manage("job", "create", product_key, str(document))
    tasks = manage("job", "tasks", job["JobId"])
    assert [(row["DeviceName"], row["Status"]) for row in tasks] == [("lamp-1", "QUEUED"), ("lamp-2", "QUEUED")]
    [one] = manage("job", "create", product_key, str(document), "--device", "lamp-2")
    listed = manage("job", "list", product_key)
    assert [(row["JobId"], row["Tasks"], row["Unfinished"]) for row in listed] == [
        (one["JobId"], 1, 1),
        (job["JobId"], 2, 2),
    ]
    assert manage("job", "cancel", job["JobId"]) == [{"Tasks": 2}]
    assert manage("job", "remove", one["JobId"]) == [{"Tasks": 1}]
    assert [row["Unfinished"] for row in manage("job", "list", product_key)] == [0, 0]
    assert "nobody" in refusal("job", "create", product_key, str(document), "--device", "nobody")
    document.write_text("[]")
    assert "JSON object" in refusal("job", "create", product_key, str(document))
    assert "no job" in refusal("job", "tasks", "unknown")
    assert "a1Unknown" in refusal("job", "list", "a1Unknown")
