"""Client ids of devices: those that physical devices got by registering themselves, and none."""

from alibabacloud_iot20180120 import models
from alibabacloud_iot20180120.client import Client

from tests.common.node import NodeProcess
from tests.e2e.operations.calls import new_product, ok, refusal, register
from tests.e2e.registering import allow_registration, linkkit


def test_a_device_without_client_ids(cloud: Client, product_key: str) -> None:
    iot_id = register(cloud, product_key, "client-ids-1").iot_id
    data = ok(cloud.query_client_ids(models.QueryClientIdsRequest(iot_id=iot_id))).data
    assert (data.iot_id, data.dynamic_reg_client_ids) == (iot_id, [])
    unknown = cloud.transform_client_id(models.TransformClientIdRequest(iot_id=iot_id, client_id="unknown"))
    assert refusal(unknown) == "iot.common.InvalidFormattedParameter"
    assert ok(cloud.delete_client_ids(models.DeleteClientIdsRequest(iot_id=iot_id))).code == "Success"


def test_physical_devices_share_a_name_until_one_is_chosen(node: NodeProcess, cloud: Client) -> None:
    key = new_product(cloud)
    secret = ok(cloud.query_product(models.QueryProductRequest(product_key=key))).data.product_secret
    allow_registration(node, key, secret)
    product = {"product_key": key, "product_secret": secret, "device_name": "shared-1"}
    one, other = (linkkit(node, "regnwl", **product)[0] for _ in range(2))
    assert (one["code"], other["code"]) == (0, 0)
    info = models.QueryDeviceInfoRequest(product_key=key, device_name="shared-1")
    iot_id = ok(cloud.query_device_info(info)).data.iot_id

    def client_ids() -> list[str]:
        answer = ok(cloud.query_client_ids(models.QueryClientIdsRequest(iot_id=iot_id)))
        return sorted(entry.client_id for entry in answer.data.dynamic_reg_client_ids)

    def connects(device: dict[str, str]) -> bool:
        token = {name: device[name] for name in ("client_id", "username", "password")}
        return linkkit(node, "token", **product, **token) == [{"event": "connected", "code": 0}]

    short = [device["client_id"].partition("|")[0] for device in (one, other)]
    assert client_ids() == sorted(short)
    assert connects(one)
    chosen = models.TransformClientIdRequest(iot_id=iot_id, client_id=short[1])
    assert ok(cloud.transform_client_id(chosen)).code == "Success"
    assert client_ids() == [short[1]]
    assert connects(other)
    assert ok(cloud.delete_client_ids(models.DeleteClientIdsRequest(iot_id=iot_id))).code == "Success"
    assert client_ids() == []
