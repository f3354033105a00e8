"""Client ids of devices: what is answered for a device that has registered none."""

from alibabacloud_iot20180120 import models
from alibabacloud_iot20180120.client import Client

from tests.e2e.operations.calls import ok, refusal, register


def test_a_device_without_client_ids(cloud: Client, product_key: str) -> None:
    iot_id = register(cloud, product_key, "client-ids-1").iot_id
    data = ok(cloud.query_client_ids(models.QueryClientIdsRequest(iot_id=iot_id))).data
    assert (data.iot_id, data.dynamic_reg_client_ids) == (iot_id, [])
    unknown = cloud.transform_client_id(models.TransformClientIdRequest(iot_id=iot_id, client_id="unknown"))
    assert refusal(unknown) == "iot.common.InvalidFormattedParameter"
    assert ok(cloud.delete_client_ids(models.DeleteClientIdsRequest(iot_id=iot_id))).code == "Success"
