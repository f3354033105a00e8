"""The official cloud SDK with an eye on the wire, and what every test does with its answers."""

import uuid
from typing import Any

from alibabacloud_iot20180120 import models
from alibabacloud_iot20180120.client import Client

from tests.common.node import NodeProcess
from tests.e2e.conftest import sdk_client
from thingplane.cloud.contract import check
from thingplane.simulator.wire import Identity


def checked_client(node: NodeProcess, checked: set[str] | None = None) -> Client:
    """Return the official SDK; the JSON that it receives is checked against the contract before it is parsed.

    The names of operations whose answers were checked are added to ``checked``.
    """
    client = sdk_client(node)
    call_api = client.call_api

    def checked_call(params: Any, request: Any, runtime: Any) -> Any:
        answer = call_api(params, request, runtime)
        violations = check(params.action, answer["body"])
        assert not violations, violations
        if checked is not None:
            checked.add(params.action)
        return answer

    client.call_api = checked_call
    return client


def ok(response: Any) -> Any:
    """Return the body of a successful answer."""
    assert response.body.success, response.body
    return response.body


def refusal(response: Any) -> str:
    """Return the code of an answer with ``Success=false``."""
    assert response.body.success is False, response.body
    return str(response.body.code)


def unique(prefix: str) -> str:
    """Return a name that no other test uses."""
    return f"{prefix}_{uuid.uuid4().hex[:12]}"


def new_product(cloud: Client, *, node_type: int = 0, **options: Any) -> str:
    """Create a product without a thing model and return its ProductKey."""
    request = models.CreateProductRequest(
        node_type=node_type,
        product_name=unique("product"),
        aliyun_commodity_code="iothub_senior",
        **{"data_format": 1, "net_type": "WIFI", **options},
    )
    return str(ok(cloud.create_product(request)).product_key)


def register(cloud: Client, product_key: str, name: str, nickname: str | None = None) -> Any:
    """Register a device and return what the answer says about it."""
    request = models.RegisterDeviceRequest(product_key=product_key, device_name=name, nickname=nickname)
    return ok(cloud.register_device(request)).data


def identity(device: Any) -> Identity:
    """Return what is burnt into a registered device."""
    return Identity(device.product_key, device.device_name, device.device_secret)
