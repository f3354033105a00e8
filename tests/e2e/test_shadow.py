"""Shadows and desired values between the official cloud SDK and the official device SDK, both unmodified."""

import json
from pathlib import Path
from typing import Any

import pytest
from alibabacloud_iot20180120 import models
from alibabacloud_iot20180120.client import Client

from tests.common.node import NodeProcess
from tests.e2e.conftest import sdk_client
from tests.e2e.test_main_job import Bench


@pytest.fixture
def bench(node: NodeProcess, cloud: Client, tmp_path: Path) -> Bench:
    return Bench(node, cloud, tmp_path)


def desire(bench: Bench, version: int, **desired: Any) -> None:
    message = json.dumps({"method": "update", "state": {"desired": desired}, "version": version})
    request = models.UpdateDeviceShadowRequest(**bench.names, shadow_message=message, delta_update=True)
    body = bench.cloud.update_device_shadow(request).body
    assert body.success, body


def shadow(bench: Bench) -> dict[str, Any]:
    body = bench.cloud.get_device_shadow(models.GetDeviceShadowRequest(**bench.names)).body
    assert body.success, body
    document: dict[str, Any] = json.loads(body.shadow_message)
    return document


def test_a_device_and_an_application_share_a_shadow(bench: Bench) -> None:
    with bench.device() as device:
        device.expect("enabled")
        device.do("shadow_update", reported={"color": "red"}, version=1)
        reply = device.expect("shadow")["message"]
        assert reply["payload"] == {"status": "success", "version": 1}
        desire(bench, 2, color="green")
        control = device.expect("shadow")["message"]
        assert (control["method"], control["version"]) == ("control", 2)
        device.do("shadow")
        local = device.expect("local_shadow")
        assert local["version"] == 2
        assert local["state"] == {"reported": {"color": "red"}, "desired": {"color": "green"}}
        device.do("shadow_update", reported={"color": "blue"}, version=2)
        content = device.expect("shadow")["message"]["payload"]["content"]
        assert content["errorcode"] == "409"
        device.do("shadow_get")
        assert device.expect("shadow")["message"]["payload"]["state"]["desired"] == {"color": "green"}
    assert shadow(bench)["state"] == {"reported": {"color": "red"}, "desired": {"color": "green"}}


def test_what_was_desired_while_a_device_was_away_survives_kill_9_and_awaits_the_device(bench: Bench) -> None:
    desire(bench, 1, color="green")
    bench.node.kill()
    bench.node.start()
    bench.cloud = sdk_client(bench.node)
    assert shadow(bench)["version"] == 1
    with bench.device() as device:
        control = device.expect("shadow")["message"]
        assert (control["method"], control["payload"]["state"]) == ("control", {"desired": {"color": "green"}})


def test_a_desired_value_is_set_on_a_device_and_kept_with_its_version(bench: Bench) -> None:
    with bench.device() as device:
        device.expect("enabled")
        request = models.SetDeviceDesiredPropertyRequest(**bench.names, items='{"Switch":1}', versions='{"Switch":0}')
        body = bench.cloud.set_device_desired_property(request).body
        assert body.success, body
        assert json.loads(body.data.versions) == {"Switch": 1}
        assert device.expect("set")["params"] == {"Switch": 1}
    query = models.QueryDeviceDesiredPropertyRequest(**bench.names, identifier=["Switch"])
    [info] = bench.cloud.query_device_desired_property(query).body.data.list.desired_property_info
    assert (info.value, info.version, info.data_type) == ("1", 1, "bool")
