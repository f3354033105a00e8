"""``thingplane messages``: what consumer groups get of a device."""

import json
import subprocess
import sys
from typing import Any

import pytest
from rich.console import Console

from tests.cli.conftest import Invoke
from tests.common.node import NodeProcess
from tests.e2e.conftest import cloud_client
from thingplane.cli import messages as command
from thingplane.cli.fleet import THERMOSTAT, create_product, ensure_devices


@pytest.fixture(scope="module")
def device(node: NodeProcess) -> tuple[str, str]:
    """A device whose life a consumer group follows; it was switched off and on."""
    client = cloud_client(node)
    key = create_product(client, "followed", THERMOSTAT)
    group = client.call("CreateConsumerGroup", {"GroupName": "followers"})
    relation = {"ProductKey": key, "Type": "AMQP", "ConsumerGroupIds": [group["GroupId"]]}
    assert client.call("CreateSubscribeRelation", {**relation, "DeviceLifeCycleFlag": "true"})["Success"]
    ensure_devices(client, key, ["lamp-1", "lamp-2"])
    for action in ("DisableThing", "EnableThing"):
        assert client.call(action, {"ProductKey": key, "DeviceName": "lamp-1"})["Success"]
    return key, "lamp-1"


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_messages_are_json_lines_in_a_pipe(node: NodeProcess, invoke: Invoke, device: tuple[str, str]) -> None:
    name = "/".join(device)
    outcome = invoke("messages", "--device", name, "--data-dir", str(node.data_dir))
    assert (outcome.status, outcome.stderr) == (0, "")
    found = lines(outcome.stdout)
    assert [message["body"]["action"] for message in found] == ["create", "disable", "enable"]
    assert {(message["kind"], message["topic"]) for message in found} == {("lifecycle", f"/{name}/thing/lifecycle")}
    assert len({message["messageId"] for message in found}) == 3
    assert all(message["dueTo"] for message in found)
    limited = invoke("messages", "--device", name, "--limit", "1", "--data-dir", str(node.data_dir))
    assert lines(limited.stdout) == found[-1:]


def test_messages_are_a_table_on_a_terminal(
    node: NodeProcess, invoke: Invoke, device: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "is_terminal", lambda: True)
    monkeypatch.setattr(command, "console", Console(width=300))
    outcome = invoke("messages", "--device", "/".join(device), "--data-dir", str(node.data_dir))
    header, *rows = outcome.stdout.splitlines()
    assert header.split() == ["time", "kind", "topic", "due", "to", "message", "id", "body"]
    assert ['"action":"disable"' in row for row in rows] == [False, True, False]


def test_messages_follow_what_comes(node: NodeProcess, device: tuple[str, str]) -> None:
    arguments = ["messages", "--device", "/".join(device), "--follow", "--limit", "1", "--data-dir", str(node.data_dir)]
    follower = subprocess.Popen([sys.executable, "-m", "thingplane.cli", *arguments], stdout=subprocess.PIPE, text=True)
    try:
        assert follower.stdout is not None
        assert json.loads(follower.stdout.readline())["body"]["action"] == "enable"
        key, name = device
        assert cloud_client(node).call("DisableThing", {"ProductKey": key, "DeviceName": name})["Success"]
        assert json.loads(follower.stdout.readline())["body"]["action"] == "disable"
    finally:
        follower.kill()
        follower.communicate()


def test_messages_need_a_device_and_a_key_of_the_account(
    node: NodeProcess, invoke: Invoke, device: tuple[str, str]
) -> None:
    where = ("--data-dir", str(node.data_dir))
    assert "is not ProductKey/DeviceName" in invoke("messages", "--device", "lamp-1", *where).stderr
    wrong = invoke("messages", "--device", "/".join(device), *where, "--access-key-id", "x", "--access-key-secret", "y")
    assert (wrong.status, wrong.stdout) == (1, "")
    assert "InvalidAccessKeyId.NotFound" in wrong.stderr
