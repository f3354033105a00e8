"""Original data and posts of many samples, read with the official cloud SDK."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from alibabacloud_iot20180120 import models
from alibabacloud_iot20180120.client import Client

from tests.common.node import NodeProcess
from tests.e2e.test_main_job import HOUR_MS, Bench, eventually


@pytest.fixture
def bench(node: NodeProcess, cloud: Client, tmp_path: Path) -> Bench:
    return Bench(node, cloud, tmp_path)


def original(bench: Bench, identifier: str) -> list[str]:
    """Follow the tokens from the newest value to the oldest."""
    now = int(time.time() * 1000)
    values: list[str] = []
    token = None
    while True:
        request = models.QueryDeviceOriginalPropertyDataRequest(
            **bench.names,
            identifier=identifier,
            asc=0,
            page_size=2,
            start_time=now - HOUR_MS,
            end_time=now + HOUR_MS,
            next_page_token=token,
        )
        body = bench.cloud.query_device_original_property_data(request).body
        assert body.success, body
        values += [info.value for info in body.data.list.property_info]
        if not body.data.next_valid:
            return values
        token = body.data.next_page_token


def test_a_batch_with_values_that_the_model_refuses_is_read_page_by_page(bench: Bench) -> None:
    now = int(time.time() * 1000)
    samples = [{"value": value, "time": now - 10 + age} for age, value in enumerate((1.5, "warm", 2.5, "hot", 3.5))]
    message: dict[str, Any] = {"id": "1", "version": "1.0", "params": {"properties": {"Temp": samples}}}
    with bench.device() as device:
        device.expect("enabled")
        topic = f"/sys/{bench.product_key}/sensor-01/thing/event/property/batch/post"
        device.do("publish", topic=topic, payload=json.dumps(message))
        eventually(lambda: original(bench, "Temp"), ["3.5", "hot", "2.5", "warm", "1.5"])
    assert bench.history("Temp") == ["1.5", "2.5", "3.5"]
    request = models.QueryDeviceOriginalPropertyStatusRequest(**bench.names, asc=0, page_size=10)
    body = bench.cloud.query_device_original_property_status(request).body
    assert body.success, body
    assert [(info.identifier, info.value) for info in body.data.list.property_status_data_info] == [("Temp", "3.5")]
