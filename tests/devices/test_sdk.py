"""The official cloud SDK reads what the operations on many devices, tags, states and client ids answer."""

from alibabacloud_iot20180120 import models

from tests.common.api import Api
from thingplane.devices.service import DeviceService
from thingplane.products.service import Product


async def test_the_sdk_reads_every_answer_completely(api: Api, devices: DeviceService, product: Product) -> None:
    key = product.product_key
    names = [{"DeviceName": "lamp-1", "DeviceNickname": "Lamp_1"}, {"DeviceName": "lamp-2"}]
    checked = await api.call("BatchCheckDeviceNames", ProductKey=key, DeviceNameList=names)
    apply_id = checked["Data"]["ApplyId"]
    await devices.applications.done()
    await api.call("BatchRegisterDeviceWithApplyId", ProductKey=key, ApplyId=apply_id)
    await devices.applications.done()
    await api.call("QueryBatchRegisterDeviceStatus", ProductKey=key, ApplyId=apply_id)
    await api.call("QueryPageByApplyId", ApplyId=apply_id)
    await api.call("BatchRegisterDevice", ProductKey=key, Count=1)
    # Every list of a refusal, and of a failed check.
    bad = [*names, {"DeviceName": "a", "DeviceNickname": "b"}, {"DeviceName": "lamp-2"}]
    await api.call("BatchCheckDeviceNames", ProductKey=key, DeviceNameList=bad)
    failed = await api.call("BatchCheckDeviceNames", ProductKey=key, DeviceNameList=names)
    await devices.applications.done()
    await api.call("QueryBatchRegisterDeviceStatus", ProductKey=key, ApplyId=failed["Data"]["ApplyId"])

    device = await devices.find(key, "lamp-1")
    assert device is not None
    iot_id = device.iot_id
    await api.call("BatchUpdateDeviceNickname", DeviceNicknameInfo=[{"IotId": iot_id, "Nickname": "Lamp_one"}])
    await api.call("SaveDeviceProp", IotId=iot_id, Props='{"room":"101"}')
    await api.call("QueryDeviceProp", IotId=iot_id)
    await api.call("QueryDeviceByTags", Tag=[{"TagKey": "room", "TagValue": "101"}])
    await api.call("DeleteDeviceProp", IotId=iot_id, PropKey="room")
    await api.call("QueryDeviceByStatus", Status=0)
    await api.call("QueryDeviceStatistics", ProductKey=key)
    await api.call("ResetThing", IotId=iot_id)
    await devices.client_ids.add(device, "client", "token")
    await api.call("QueryClientIds", IotId=iot_id)
    await api.call("TransformClientId", IotId=iot_id, ClientId="client")
    await api.call("DeleteClientIds", IotId=iot_id)

    assert len({action for action, _ in api.answers}) == 16
    for action, answer in api.answers:
        assert getattr(models, f"{action}ResponseBody")().from_map(answer).to_map() == answer
