"""``thingplane user``, ``key`` and ``instance``: what a running node lets in."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.common.node import NodeProcess

POLICY = """{"Version": "1", "Statement": [{"Effect": "Allow", "Action": "iot:Query*", "Resource": "*"}]}"""


def users(manage: Callable[..., Any]) -> dict[str, list[str]]:
    return {row["User"]: row["Policies"] for row in manage("user", "list")}


def test_users_get_and_lose_policies(manage: Callable[..., Any], tmp_path: Path) -> None:
    manage("user", "add", "reader")
    assert users(manage)["reader"] == []
    document = tmp_path / "policy.json"
    document.write_text(POLICY)
    manage("user", "attach", "reader", "AliyunIOTReadOnlyAccess")
    manage("user", "attach", "reader", "mine", str(document))
    assert users(manage)["reader"] == ["AliyunIOTReadOnlyAccess", "mine"]
    manage("user", "detach", "reader", "mine")
    assert users(manage)["reader"] == ["AliyunIOTReadOnlyAccess"]
    manage("user", "delete", "reader")
    assert "reader" not in users(manage)


def test_impossible_changes_of_users_are_one_line(
    manage: Callable[..., Any], refusal: Callable[..., str], tmp_path: Path
) -> None:
    manage("user", "add", "twice")
    assert "exists already" in refusal("user", "add", "twice")
    assert "nobody" in refusal("user", "delete", "nobody")
    assert "AliyunIOTReadOnlyAccess" in refusal("user", "attach", "twice", "NoSuchPolicy")
    document = tmp_path / "policy.json"
    document.write_text('{"Version": "1", "Statement": []}')
    assert "policy" in refusal("user", "attach", "twice", "mine", str(document))
    assert users(manage)["twice"] == []


def test_keys_are_shown_once_with_their_secret(
    node: NodeProcess, manage: Callable[..., Any], refusal: Callable[..., str]
) -> None:
    manage("user", "add", "worker")
    (made,) = manage("key", "add", "--user", "worker")
    listed = manage("key", "list", "--user", "worker")
    assert listed == [{"AccessKeyId": made["AccessKeyId"], "User": "worker", "Enabled": True}]
    manage("key", "disable", made["AccessKeyId"])
    assert manage("key", "list", "--user", "worker")[0]["Enabled"] is False
    manage("key", "enable", made["AccessKeyId"])
    manage("key", "delete", made["AccessKeyId"])
    assert manage("key", "list", "--user", "worker") == []
    assert made["AccessKeyId"] in refusal("key", "disable", made["AccessKeyId"])
    assert "nobody" in refusal("key", "add", "--user", "nobody")
    assert made["AccessKeySecret"] not in node.log()


def test_instances_come_and_go(manage: Callable[..., Any], refusal: Callable[..., str]) -> None:
    manage("instance", "add", "iot-factory", "--description", "the factory")
    (made,) = manage("instance", "add")
    listed = {row["IotInstanceId"]: row["Description"] for row in manage("instance", "list")}
    assert listed == {"iot-factory": "the factory", made["IotInstanceId"]: ""}
    manage("instance", "delete", made["IotInstanceId"])
    assert len(manage("instance", "list")) == 1
    assert "exists already" in refusal("instance", "add", "iot-factory")
    assert "iot-" in refusal("instance", "add", "factory")
    assert "default" in refusal("instance", "delete", "iot-default")
