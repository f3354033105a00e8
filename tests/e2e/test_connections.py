"""How devices come, go and come back, with the official device SDK."""

import base64
import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from alibabacloud_iot20180120 import models

from tests.common.node import NodeProcess, running_node
from tests.common.postgres import free_port
from tests.e2e.conftest import sdk_client
from tests.e2e.test_main_job import Bench, eventually


@pytest.fixture
def bench(node: NodeProcess, tmp_path: Path) -> Bench:
    return Bench(node, sdk_client(node), tmp_path)


def refused(node: NodeProcess, reason: str) -> int:
    """Return how many connections a node has refused for a reason."""
    host, port = node.address("api")
    with urllib.request.urlopen(f"http://{host}:{port}/metrics", timeout=10) as response:
        for line in response.read().decode().splitlines():
            name, _, value = line.rpartition(" ")
            if name == f'thingplane_mqtt_refused_total{{reason="{reason}"}}':
                return int(float(value))
    return 0


def test_device_with_a_wrong_secret_is_refused(bench: Bench) -> None:
    before = refused(bench.node, "signature")
    right = bench.identity
    bench.identity = {**right, "DeviceSecret": "0" * 32}
    with bench.device():
        eventually(lambda: refused(bench.node, "signature") > before, True)
        assert bench.status() == "UNACTIVE"
    assert bench.identity["DeviceSecret"] not in bench.node.log()
    bench.identity = right
    with bench.device() as device:
        device.expect("connected", code=0)


def test_second_device_with_the_same_identity_takes_the_connection_over(bench: Bench) -> None:
    with bench.device() as first:
        first.expect("enabled")
        with bench.device() as second:
            second.expect("connected", code=0)
            first.expect("disconnected")
            first.close()  # or its SDK would connect again and take it back
            eventually(bench.status, "ONLINE")
            second.do("post", values={"Temp": 7.5})
            assert second.expect("post_reply")["code"] == 200
    assert bench.history("Temp") == ["7.5"]


def test_device_that_speaks_mqtt_3_1_posts_and_is_set(bench: Bench) -> None:
    with bench.device(protocol="MQTTv31") as device:
        device.expect("enabled")
        device.do("post", values={"Temp": 1.5})
        assert device.expect("post_reply")["code"] == 200
        request = models.SetDevicePropertyRequest(**bench.names, items=json.dumps({"Switch": 1}))
        assert bench.cloud.set_device_property(request).body.success
        assert device.expect("set")["params"] == {"Switch": 1}
    assert bench.history("Temp") == ["1.5"]


def test_kept_session_is_resumed_until_the_device_asks_for_a_clean_one(bench: Bench) -> None:
    topic = f"/{bench.product_key}/sensor-01/user/get"

    def publish(text: str) -> bool:
        content = base64.b64encode(text.encode()).decode()
        request = models.PubRequest(
            product_key=bench.product_key, topic_full_name=topic, message_content=content, qos=1
        )
        return bool(bench.cloud.pub(request).body.success)

    with bench.device(clean_session=False) as device:
        assert device.expect("connected")["session_present"] == 0
        device.do("subscribe", topic=topic)
        device.expect("subscribed")
    eventually(bench.status, "OFFLINE")
    assert publish("first")
    with bench.device(clean_session=False) as device:
        assert device.expect("connected")["session_present"] == 1
        assert device.expect("message")["payload"] == "first"
        assert publish("second")  # the subscription is still there
        assert device.expect("message")["payload"] == "second"
    eventually(bench.status, "OFFLINE")
    with bench.device() as device:
        assert device.expect("connected")["session_present"] == 0
        assert publish("nobody subscribes any more")
        device.do("subscribe", topic=topic)
        device.expect("subscribed")
        assert publish("third")
        assert device.expect("message")["payload"] == "third"


@pytest.fixture
def restarted_bench(tmp_path: Path) -> Iterator[Bench]:
    """A bench on a node that comes back on the same port."""
    with running_node(tmp_path / "data", mqtt_port=free_port()) as node:
        yield Bench(node, sdk_client(node), tmp_path)


@pytest.mark.parametrize("killed", [False, True], ids=["stopped", "killed"])
def test_device_comes_back_by_itself_after_a_restart_of_the_node(restarted_bench: Bench, killed: bool) -> None:
    bench = restarted_bench
    with bench.device() as device:
        device.expect("connected", code=0)
        device.expect("enabled")
        device.do("post", values={"Temp": 1.0})
        assert device.expect("post_reply")["code"] == 200
        if killed:
            bench.node.kill()
        else:
            assert bench.node.stop() == 0
        device.expect("disconnected")
        bench.node.start()
        bench.cloud = sdk_client(bench.node)
        device.expect("connected", code=0)
        device.do("post", values={"Temp": 2.0})
        assert device.expect("post_reply")["code"] == 200
        assert bench.status() == "ONLINE"
    assert bench.history("Temp") == ["1.0", "2.0"]
