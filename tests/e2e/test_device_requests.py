"""What devices ask for and tell beside their thing model, with the official device SDK."""

import hashlib
import json
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from alibabacloud_iot20180120 import models
from alibabacloud_iot20180120.client import Client

from tests.common.cli import run_on
from tests.common.node import NodeProcess
from tests.e2e.device import LinkkitDevice
from tests.e2e.test_main_job import Bench


@pytest.fixture
def bench(node: NodeProcess, cloud: Client, tmp_path: Path) -> Bench:
    return Bench(node, cloud, tmp_path)


def ask(device: LinkkitDevice, bench: Bench, path: str, params: Any) -> dict[str, Any]:
    """Send a request by the SDK, and return the reply to it."""
    topic = f"/sys/{bench.product_key}/sensor-01/{path}"
    device.do("publish", topic=topic, payload=json.dumps({"id": "31", "version": "1.0", "params": params}))
    reply: dict[str, Any] = json.loads(device.expect("message", topic=topic + "_reply")["payload"])
    assert reply["id"] == "31"
    return reply


def subscribe(device: LinkkitDevice, *topics: str) -> None:
    # The SDK shows what comes on other topics than those it handles only if it has subscribed them itself.
    for topic in topics:
        device.do("subscribe", topic=topic)
        device.expect("subscribed")


def tags(bench: Bench) -> dict[str, str]:
    body = bench.cloud.query_device_prop(models.QueryDevicePropRequest(**bench.names)).body
    assert body.success, body
    found: dict[str, str] = json.loads(body.props)
    return found


def test_tags_are_the_same_for_both_sides(bench: Bench) -> None:
    with bench.device() as device:
        device.expect("enabled")
        device.do("update_tags", tags={"Room": "201", "Floor": "2"})
        assert device.expect("tags_reply")["code"] == 200
        assert tags(bench) == {"Room": "201", "Floor": "2"}
        device.do("remove_tags", keys=["Floor"])
        assert device.expect("tags_deleted")["code"] == 200
        assert tags(bench) == {"Room": "201"}


def test_time_and_thing_model(bench: Bench) -> None:
    identity = f"{bench.product_key}/sensor-01"
    with bench.device() as device:
        device.expect("enabled")
        subscribe(device, f"/ext/ntp/{identity}/response", f"/sys/{identity}/thing/dsltemplate/get_reply")
        device.do("publish", topic=f"/ext/ntp/{identity}/request", payload='{"deviceSendTime":"1600000000000"}', qos=0)
        answer = json.loads(device.expect("message", topic=f"/ext/ntp/{identity}/response")["payload"])
        assert answer["deviceSendTime"] == "1600000000000"
        assert int(answer["serverRecvTime"]) <= int(answer["serverSendTime"])
        model = ask(device, bench, "thing/dsltemplate/get", {})["data"]
        assert model["profile"] == {**model["profile"], "productKey": bench.product_key, "deviceName": "sensor-01"}
        assert "Temp" in {prop["identifier"] for prop in model["properties"]}


def test_configurations_are_pushed_and_fetched(bench: Bench, tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_text('{"interval": 10}')
    [saved] = run_on(bench.node, "config", "set", bench.product_key, str(file))
    prefix = f"/sys/{bench.product_key}/sensor-01/thing/config/"
    with bench.device() as device:
        device.expect("enabled")
        subscribe(device, prefix + "get_reply", prefix + "push")
        got = ask(device, bench, "thing/config/get", {"configScope": "product", "getType": "file"})
        assert got["data"]["configId"] == saved["ConfigId"]
        assert run_on(bench.node, "config", "push", bench.product_key) == [{"Devices": 1}]
        pushed = json.loads(device.expect("message", topic=prefix + "push")["payload"])["params"]
        with urllib.request.urlopen(pushed["url"]) as response:
            content = response.read()
        assert content == file.read_bytes()
        assert pushed["sign"] == hashlib.sha256(content).hexdigest()


def test_a_device_posts_its_log_when_it_is_asked_to(bench: Bench) -> None:
    prefix = f"/sys/{bench.product_key}/sensor-01/thing/"
    with bench.device() as device:
        device.expect("enabled")
        subscribe(device, prefix + "config/log/push", prefix + "log/post_reply")
        assert run_on(bench.node, "device", "log-upload", bench.product_key, "sensor-01", "on") is None
        push = json.loads(device.expect("message", topic=prefix + "config/log/push")["payload"])
        assert push["params"]["content"] == {"mode": 1}
        entry = {"utcTime": "2020-03-06T15:15:27.464+0800", "logLevel": "ERROR", "module": "net", "logContent": "lost"}
        assert ask(device, bench, "thing/log/post", [entry])["code"] == 200
    bench.node.kill()
    bench.node.start()
    [shown] = run_on(bench.node, "device", "logs", bench.product_key, "sensor-01")
    assert (shown["Level"], shown["Module"], shown["Content"]) == ("ERROR", "net", "lost")


def test_a_job_is_worked_through(bench: Bench, tmp_path: Path) -> None:
    document = tmp_path / "job.json"
    document.write_text('{"reboot": true}')
    prefix = f"/sys/{bench.product_key}/sensor-01/thing/job/"
    with bench.device() as device:
        device.expect("enabled")
        subscribe(device, prefix + "notify", prefix + "update_reply")
        [job] = run_on(bench.node, "job", "create", bench.product_key, str(document), "--device", "sensor-01")
        notice = json.loads(device.expect("message", topic=prefix + "notify")["payload"])
        task = notice["params"]["task"]
        assert (task["status"], task["jobDocument"]) == ("SENT", {"reboot": True})
        done = {"taskId": task["taskId"], "status": "SUCCEEDED", "progress": 100}
        assert ask(device, bench, "thing/job/update", done)["data"] == {"taskId": task["taskId"]}
    [row] = run_on(bench.node, "job", "tasks", job["JobId"])
    assert (row["DeviceName"], row["Status"], row["Progress"]) == ("sensor-01", "SUCCEEDED", 100)
