"""Keys, sub-users, instances and quotas, managed with the command line and met with the official cloud SDK."""

import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from alibabacloud_iot20180120 import models
from alibabacloud_iot20180120.client import Client
from Tea.exceptions import TeaException

from tests.common.cli import run_on
from tests.common.node import NodeProcess, running_node
from tests.e2e.conftest import cloud_client, sdk_client
from tests.e2e.fleet import create_product, register_device
from thingplane.cloud.client import CallError
from thingplane.cloud.form import Form, percent_encode
from thingplane.cloud.signature import rpc


def list_products(client: Client, instance: str | None = None) -> set[str]:
    """Return the ProductKeys that a client sees."""
    request = models.QueryProductListRequest(current_page=1, page_size=200, iot_instance_id=instance)
    body = client.query_product_list(request).body
    assert body.success, body
    return {item.product_key for item in body.data.list.product_info}


def eventually_raises(call: Callable[[], object], code: str) -> TeaException:
    """Call until it fails with a code: what other processes change is noticed within seconds."""
    deadline = time.monotonic() + 10
    while True:
        try:
            call()
        except TeaException as error:
            if error.code == code:
                return error
            raise
        assert time.monotonic() < deadline, f"no {code}"
        time.sleep(0.1)


def make_key(node: NodeProcess, *options: str) -> tuple[str, str]:
    ((key),) = run_on(node, "key", "add", *options)
    return key["AccessKeyId"], key["AccessKeySecret"]


def wait_until_known(node: NodeProcess, key: tuple[str, str]) -> None:
    """Wait until a running node has noticed a new key."""
    deadline = time.monotonic() + 10
    while True:
        try:
            cloud_client(node, key).call("QueryProductList", {"CurrentPage": 1, "PageSize": 1})
        except CallError as error:
            if error.code != "InvalidAccessKeyId.NotFound":
                return
        else:
            return
        assert time.monotonic() < deadline, "the node does not notice the key"
        time.sleep(0.1)


def test_sub_user_with_a_read_only_policy_reads_and_changes_nothing(node: NodeProcess, cloud: Client) -> None:
    product_key = create_product(cloud)
    name = f"reader-{uuid.uuid4().hex[:8]}"
    run_on(node, "user", "add", name)
    run_on(node, "user", "attach", name, "AliyunIOTReadOnlyAccess")
    key = make_key(node, "--user", name)
    wait_until_known(node, key)
    reader = sdk_client(node, key)
    assert product_key in list_products(reader)
    body = reader.register_device(models.RegisterDeviceRequest(product_key=product_key, device_name="new-device")).body
    assert (body.success, body.code) == (False, "iot.common.RamActionPermissionDeny")
    devices = cloud.query_device(models.QueryDeviceRequest(product_key=product_key, current_page=1, page_size=10)).body
    assert (devices.success, devices.total) == (True, 0)


def test_disabled_key_is_refused_and_works_again_when_enabled(node: NodeProcess) -> None:
    key = make_key(node)
    wait_until_known(node, key)
    client = sdk_client(node, key)
    list_products(client)
    run_on(node, "key", "disable", key[0])
    error = eventually_raises(lambda: list_products(client), "InvalidAccessKeyId.Inactive")
    assert error.statusCode == 400
    run_on(node, "key", "enable", key[0])
    deadline = time.monotonic() + 10
    while True:
        try:
            list_products(client)
        except TeaException:
            assert time.monotonic() < deadline, "the key is not enabled again"
            time.sleep(0.1)
        else:
            break


def test_instances_are_worlds_of_their_own(node: NodeProcess, cloud: Client) -> None:
    first = create_product(cloud)
    device = register_device(cloud, first, "sensor-01")
    other = f"iot-{uuid.uuid4().hex[:10]}"
    run_on(node, "instance", "add", other)
    deadline = time.monotonic() + 10
    request = models.CreateProductRequest(
        node_type=0,
        product_name="same_name",
        aliyun_commodity_code="iothub_senior",
        data_format=1,
        net_type="WIFI",
        iot_instance_id=other,
    )
    while not (created := cloud.create_product(request).body).success:
        assert created.code == "iot.system.InstanceNotFound"
        assert time.monotonic() < deadline, "the node does not notice the instance"
        time.sleep(0.1)
    assert created.product_key in list_products(cloud, other)
    assert first not in list_products(cloud, other)
    assert created.product_key not in list_products(cloud)
    foreign = cloud.query_device_detail(
        models.QueryDeviceDetailRequest(product_key=first, device_name="sensor-01", iot_instance_id=other)
    ).body
    assert not foreign.success
    foreign = cloud.query_device_detail(
        models.QueryDeviceDetailRequest(product_key=first, device_name="sensor-01")
    ).body
    assert foreign.data.device_secret == device["DeviceSecret"]


def test_unknown_instance_is_a_business_failure(cloud: Client) -> None:
    request = models.QueryProductListRequest(current_page=1, page_size=10, iot_instance_id="iot-nowhere")
    body = cloud.query_product_list(request).body
    assert (body.success, body.code) == (False, "iot.system.InstanceNotFound")


def signed_url(node: NodeProcess, action: str, **parameters: str) -> str:
    """Return the URL of a call signed by the guide's rules, in the format that its parameters say."""
    key_id, secret = node.credentials
    values = {
        **parameters,
        "Action": action,
        "Version": "2018-01-20",
        "AccessKeyId": key_id,
        "SignatureMethod": "HMAC-SHA1",
        "SignatureVersion": "1.0",
        "SignatureNonce": uuid.uuid4().hex,
        "Timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
    query = "&".join(f"{percent_encode(name)}={percent_encode(value)}" for name, value in values.items())
    signature = rpc.sign(rpc.string_to_sign("GET", Form.parse(query.encode())), secret)
    host, port = node.address("api")
    return f"http://{host}:{port}/?{query}&Signature={percent_encode(signature)}"


@pytest.mark.parametrize("form", [{"Format": "XML"}, {}], ids=["asked-for", "default"])
def test_answers_are_xml_when_asked_for_and_without_a_format(
    node: NodeProcess, cloud: Client, form: dict[str, str]
) -> None:
    product_key = create_product(cloud)
    with urllib.request.urlopen(signed_url(node, "QueryProduct", ProductKey=product_key, **form)) as response:
        assert response.headers["Content-Type"].startswith("text/xml")
        root = ET.fromstring(response.read())
    assert root.tag == "QueryProductResponse"
    assert root.findtext("Success") == "true"
    assert root.findtext("Data/ProductKey") == product_key


def test_gateway_errors_are_xml_too(node: NodeProcess) -> None:
    url = signed_url(node, "QueryProduct", Format="XML")
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(url)
    with caught.value as error:
        root = ET.fromstring(error.read())
    assert error.code == 400
    assert (root.tag, root.findtext("Code")) == ("Error", "MissingProductKey")


@pytest.fixture
def throttling_node(tmp_path: Path) -> Iterator[NodeProcess]:
    """A node with the default quotas."""
    with running_node(tmp_path / "data", quota="documented") as node:
        yield node


def test_documented_quota_is_enforced_by_default_for_each_operation(throttling_node: NodeProcess) -> None:
    client = sdk_client(throttling_node)
    product_key = create_product(client)
    request = models.QueryProductTopicRequest(product_key=product_key)

    def hurry() -> None:
        for _ in range(20):
            assert client.query_product_topic(request).body.success

    error = eventually_raises(hurry, "Throttling.User")
    assert error.statusCode == 400
    assert product_key in list_products(client)
