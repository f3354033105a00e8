"""The main job: a device posts, a back end reads and commands. Both ends are the official SDKs, unmodified."""

import base64
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from alibabacloud_iot20180120 import models
from alibabacloud_iot20180120.client import Client

from tests.common.node import NodeProcess
from tests.e2e.device import LinkkitDevice
from tests.e2e.fleet import create_product, register_device, write_tsl

HOUR_MS = 3_600_000


def eventually(read: Callable[[], Any], wanted: Any, seconds: float = 10) -> None:
    """Poll until a value is as wanted; what has no acknowledgement to wait for is checked so."""
    deadline = time.monotonic() + seconds
    while (value := read()) != wanted:
        assert time.monotonic() < deadline, f"still {value!r}, not {wanted!r}"
        time.sleep(0.05)


class Bench:
    """A product, a device and what a back end does with them."""

    def __init__(self, node: NodeProcess, cloud: Client, tmp_path: Path) -> None:
        self.node = node
        self.cloud = cloud
        self.product_key = create_product(cloud)
        self.identity = register_device(cloud, self.product_key, "sensor-01")
        self.tsl_file = write_tsl(cloud, self.product_key, tmp_path / "tsl.json")

    def device(self, *, tls: bool = False, **options: Any) -> LinkkitDevice:
        ca = Path(self.node.ready["ca_certificate"]).read_text() if tls else None
        address = self.node.address("mqtt_tls" if tls else "mqtt")
        return LinkkitDevice(address, self.identity, self.tsl_file, ca=ca, **options)

    @property
    def names(self) -> dict[str, str]:
        return {"product_key": self.product_key, "device_name": "sensor-01"}

    def status(self) -> str:
        body = self.cloud.get_device_status(models.GetDeviceStatusRequest(**self.names)).body
        assert body.success, body
        return str(body.data.status)

    def history(self, identifier: str) -> list[str]:
        now = int(time.time() * 1000)
        body = self.cloud.query_device_property_data(
            models.QueryDevicePropertyDataRequest(
                **self.names,
                identifier=identifier,
                start_time=now - HOUR_MS,
                end_time=now + HOUR_MS,
                asc=1,
                page_size=50,
            )
        ).body
        assert body.success, body
        return [item.value for item in body.data.list.property_info]

    def snapshot(self) -> dict[str, str]:
        body = self.cloud.query_device_property_status(models.QueryDevicePropertyStatusRequest(**self.names)).body
        assert body.success, body
        return {item.identifier: item.value for item in body.data.list.property_status_info}


@pytest.fixture
def bench(node: NodeProcess, cloud: Client, tmp_path: Path) -> Bench:
    return Bench(node, cloud, tmp_path)


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_device_goes_online_and_offline(bench: Bench, tls: bool) -> None:
    assert bench.status() == "UNACTIVE"
    with bench.device(tls=tls) as device:
        assert device.expect("connected")["code"] == 0
        eventually(bench.status, "ONLINE")
    eventually(bench.status, "OFFLINE")


def test_posted_properties_are_read_back_as_history_and_snapshot(bench: Bench) -> None:
    with bench.device() as device:
        device.expect("enabled")
        for value in (20.5, 21.25):
            device.do("post", values={"Temp": value, "Switch": 1, "Label": "Grüße"})
            reply = device.expect("post_reply")
            assert (reply["code"], reply["message"]) == (200, "success")
    assert bench.history("Temp") == ["20.5", "21.25"]
    assert bench.history("Label") == ["Grüße", "Grüße"]
    snapshot = bench.snapshot()
    assert (snapshot["Temp"], snapshot["Switch"], snapshot["Label"]) == ("21.25", "1", "Grüße")


def test_values_outside_the_model_are_named_in_the_reply_and_not_stored(bench: Bench) -> None:
    with bench.device() as device:
        device.expect("enabled")
        device.do(
            "publish",
            topic=f"/sys/{bench.product_key}/sensor-01/thing/event/property/post",
            payload=json.dumps(
                {
                    "id": "7",
                    "version": "1.0",
                    "params": {"Temp": 3.5, "Nonsense": 1},
                    "method": "thing.event.property.post",
                }
            ),
        )
        reply = device.expect("post_reply")
        assert reply["code"] == 200
        assert list(reply["data"]) == ["Nonsense"]
    assert bench.history("Temp") == ["3.5"]


def test_posted_event_is_read_back(bench: Bench) -> None:
    with bench.device() as device:
        device.expect("enabled")
        device.do("event", identifier="Alarm", output={"Reason": 3})
        assert device.expect("event_reply")["code"] == 200
    now = int(time.time() * 1000)
    body = bench.cloud.query_device_event_data(
        models.QueryDeviceEventDataRequest(
            **bench.names, identifier="Alarm", start_time=now - HOUR_MS, end_time=now + HOUR_MS, asc=1, page_size=10
        )
    ).body
    assert body.success, body
    (event,) = body.data.list.event_info
    assert (event.identifier, event.event_type) == ("Alarm", "alert")
    assert json.loads(event.output_data) == {"Reason": 3}


def test_back_end_sets_properties(bench: Bench) -> None:
    with bench.device() as device:
        device.expect("enabled")
        body = bench.cloud.set_device_property(
            models.SetDevicePropertyRequest(**bench.names, items=json.dumps({"Switch": 1}))
        ).body
        assert body.success, body
        assert body.data.message_id
        assert device.expect("set")["params"] == {"Switch": 1}


def test_back_end_calls_an_asynchronous_service_and_reads_its_record(bench: Bench) -> None:
    with bench.device(answers={"Restart": {"Count": 4}}) as device:
        device.expect("enabled")
        body = bench.cloud.invoke_thing_service(
            models.InvokeThingServiceRequest(**bench.names, identifier="Restart", args=json.dumps({"Delay": 5}))
        ).body
        assert body.success, body
        assert device.expect("service")["params"] == {"Delay": 5}

        def records() -> list[tuple[Any, Any]]:
            now = int(time.time() * 1000)
            answer = bench.cloud.query_device_service_data(
                models.QueryDeviceServiceDataRequest(
                    **bench.names,
                    identifier="Restart",
                    start_time=now - HOUR_MS,
                    end_time=now + HOUR_MS,
                    asc=1,
                    page_size=10,
                )
            ).body
            assert answer.success, answer
            return [
                (json.loads(item.input_data), json.loads(item.output_data or "{}").get("data"))
                for item in answer.data.list.service_info
            ]

        eventually(records, [({"Delay": 5}, {"Count": 4})])


def test_back_end_calls_a_synchronous_service(bench: Bench) -> None:
    with bench.device(answers={"Measure": {"Count": 9}}) as device:
        device.expect("enabled")
        body = bench.cloud.invoke_thing_service(
            models.InvokeThingServiceRequest(**bench.names, identifier="Measure", args=json.dumps({"Delay": 0}))
        ).body
        assert body.success, body
        result = json.loads(body.data.result)
        assert (result["code"], result["data"]) == (200, {"Count": 9})


def test_device_answers_rrpc_on_a_custom_topic(bench: Bench) -> None:
    topic = f"/{bench.product_key}/sensor-01/user/get"
    with bench.device() as device:
        device.expect("enabled")
        device.do("subscribe_rrpc", topic=topic)
        # The SDK tells nothing about this subscription; the acknowledgement of a later one proves it.
        device.do("subscribe", topic=f"/{bench.product_key}/sensor-01/user/get")
        device.expect("subscribed")
        request = models.RRpcRequest(
            **bench.names, topic=topic, timeout=5000, request_base_64byte=base64.b64encode(b"ping").decode()
        )
        body = bench.cloud.r_rpc(request).body
        assert body.success, body
        assert body.rrpc_code == "SUCCESS"
        assert base64.b64decode(body.payload_base_64byte) == b"gnip"


def test_back_end_publishes_to_a_custom_topic(bench: Bench) -> None:
    topic = f"/{bench.product_key}/sensor-01/user/get"
    with bench.device() as device:
        device.expect("enabled")
        device.do("subscribe", topic=topic)
        device.expect("subscribed")
        content = base64.b64encode("grüezi".encode()).decode()
        body = bench.cloud.pub(
            models.PubRequest(product_key=bench.product_key, topic_full_name=topic, message_content=content, qos=1)
        ).body
        assert body.success, body
        message = device.expect("message")
        assert (message["topic"], message["payload"]) == (topic, "grüezi")


def test_message_waits_for_an_offline_device_over_a_restart_of_the_node(bench: Bench) -> None:
    topic = f"/{bench.product_key}/sensor-01/user/get"
    with bench.device(clean_session=False) as device:
        device.expect("enabled")
        device.do("subscribe", topic=topic)
        device.expect("subscribed")
    eventually(bench.status, "OFFLINE")
    content = base64.b64encode(b"while you were away").decode()
    request = models.PubRequest(product_key=bench.product_key, topic_full_name=topic, message_content=content, qos=1)
    assert bench.cloud.pub(request).body.success
    bench.node.kill()
    bench.node.start()
    with bench.device(clean_session=False) as device:
        assert device.expect("connected")["session_present"] == 1
        assert device.expect("message")["payload"] == "while you were away"


def test_disabled_device_is_disconnected_and_refused_until_enabled(bench: Bench) -> None:
    with bench.device() as device:
        device.expect("enabled")
        assert bench.cloud.disable_thing(models.DisableThingRequest(**bench.names)).body.success
        device.expect("disconnected")
        assert bench.status() == "DISABLE"
        assert bench.cloud.enable_thing(models.EnableThingRequest(**bench.names)).body.success
        device.expect("connected", code=0)
