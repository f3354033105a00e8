"""QueryDeviceInfo, QueryDeviceDetail and BatchQueryDeviceDetail."""

import pytest

from tests.common.api import Api
from tests.common.clock import FakeClock
from thingplane.bus import LocalBus
from thingplane.cloud import Services
from thingplane.devices.service import DeviceService
from thingplane.ota.service import OtaVersionService
from thingplane.products.service import Product, ProductService
from thingplane.storage.database import Database

CREATED = 1_578_466_028_000  # 2020-01-08T06:47:08.000Z
ACTIVE = 1_579_152_817_830  # 2020-01-16T05:33:37.830Z
ONLINE = 1_579_249_151_091  # 2020-01-17T08:19:11.091Z


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(CREATED)


async def test_info_is_identity_and_nickname(api: Api, devices: DeviceService, product: Product) -> None:
    device = await devices.register(product, "lamp-1", "Lamp_at_the_door")
    assert (await api.call("QueryDeviceInfo", IotId=device.iot_id))["Data"] == {
        "IotId": device.iot_id,
        "DeviceSecret": device.secret,
        "ProductKey": product.product_key,
        "DeviceName": "lamp-1",
        "Nickname": "Lamp_at_the_door",
    }


async def test_a_device_that_never_connected_has_no_times_of_connections(
    api: Api, devices: DeviceService, product: Product
) -> None:
    device = await devices.register(product, "lamp-1")
    assert (await api.call("QueryDeviceDetail", IotId=device.iot_id))["Data"] == {
        "Owner": True,
        "DeviceName": "lamp-1",
        "ProductKey": product.product_key,
        "DeviceSecret": device.secret,
        "IotId": device.iot_id,
        "Status": "UNACTIVE",
        "Region": "cn-shanghai",
        "NodeType": 0,
        "ProductName": "Street_light",
        "GmtCreate": "2020-01-08 14:47:08",
        "UtcCreate": "2020-01-08T06:47:08.000Z",
    }


async def test_detail_tells_of_the_first_and_the_last_connection(
    api: Api, clock: FakeClock, devices: DeviceService, gateway_product: Product
) -> None:
    device = await devices.register(gateway_product, "hub-1", "Hub_1")
    clock.advance((ACTIVE - CREATED) / 1000)
    devices.connected(device, "10.0.0.1")
    devices.disconnected(device)
    clock.advance((ONLINE - ACTIVE) / 1000)
    devices.connected(device, "10.0.0.2")
    data = (await api.call("QueryDeviceDetail", ProductKey=device.product_key, DeviceName="hub-1"))["Data"]
    assert (data["Status"], data["NodeType"], data["Nickname"], data["IpAddress"]) == ("ONLINE", 1, "Hub_1", "10.0.0.2")
    assert (data["GmtActive"], data["UtcActive"]) == ("2020-01-16 13:33:37", "2020-01-16T05:33:37.830Z")
    assert (data["GmtOnline"], data["UtcOnline"]) == ("2020-01-17 16:19:11", "2020-01-17T08:19:11.091Z")


async def test_details_of_a_cached_device_need_no_database(
    api: Api, database: Database, devices: DeviceService, product: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = await devices.register(product, "lamp-1")
    assert (await api.call("QueryDeviceDetail", IotId=device.iot_id))["Success"]
    monkeypatch.setattr(database, "read", None)
    for action in ("QueryDeviceDetail", "GetDeviceStatus", "QueryDeviceInfo"):
        assert (await api.call(action, IotId=device.iot_id))["Success"]
        assert (await api.call(action, ProductKey=product.product_key, DeviceName="lamp-1"))["Success"]


async def test_the_region_is_the_node_s(
    database: Database, clock: FakeClock, products: ProductService, product: Product
) -> None:
    devices = DeviceService(database, clock, LocalBus(), products, region="eu-central-1")
    device = await devices.register(product, "lamp-1")
    api = Api(Services(products, devices, OtaVersionService(database, clock, LocalBus())), clock=clock)
    assert (await api.call("QueryDeviceDetail", IotId=device.iot_id))["Data"]["Region"] == "eu-central-1"


async def test_a_batch_leaves_out_names_without_a_device(
    api: Api, clock: FakeClock, devices: DeviceService, product: Product
) -> None:
    lamp = await devices.register(product, "lamp-1", "Lamp_1")
    other = await devices.register(product, "lamp-2")
    clock.advance(60)
    devices.connected(lamp, "10.0.0.1")
    answer = await api.call(
        "BatchQueryDeviceDetail",
        ProductKey=product.product_key,
        DeviceName=["lamp-2", "nobody", "lamp-1", "lamp-2"],
    )
    assert answer["Data"]["Data"] == [
        {
            "DeviceName": "lamp-2",
            "ProductKey": product.product_key,
            "DeviceSecret": other.secret,
            "IotId": other.iot_id,
            "Status": "UNACTIVE",
            "Region": "cn-shanghai",
            "NodeType": 0,
            "ProductName": "Street_light",
            "GmtCreate": "2020-01-08 14:47:08",
            "UtcCreate": "2020-01-08T06:47:08.000Z",
        },
        {
            "DeviceName": "lamp-1",
            "ProductKey": product.product_key,
            "DeviceSecret": lamp.secret,
            "IotId": lamp.iot_id,
            "Status": "ONLINE",
            "Region": "cn-shanghai",
            "NodeType": 0,
            "ProductName": "Street_light",
            "GmtCreate": "2020-01-08 14:47:08",
            "UtcCreate": "2020-01-08T06:47:08.000Z",
            "GmtActive": "2020-01-08 14:48:08",
            "UtcActive": "2020-01-08T06:48:08.000Z",
            "Nickname": "Lamp_1",
        },
    ]


async def test_details_tell_the_version_of_the_default_module_alone(
    api: Api, devices: DeviceService, versions: OtaVersionService, product: Product
) -> None:
    lamp, other = [await devices.register(product, name) for name in ("lamp-1", "lamp-2")]
    await versions.report(lamp, "1.2.0")
    for device in (lamp, other):
        await versions.report(device, "7", "radio")
    told = [(await api.call("QueryDeviceDetail", IotId=device.iot_id))["Data"] for device in (lamp, other)]
    key = product.product_key
    batch = await api.call("BatchQueryDeviceDetail", ProductKey=key, DeviceName=["lamp-1", "lamp-2"])
    for details in (told, batch["Data"]["Data"]):
        assert [detail.get("FirmwareVersion") for detail in details] == ["1.2.0", None]
    await versions.report(lamp, "1.3.0")
    assert (await api.call("QueryDeviceDetail", IotId=lamp.iot_id))["Data"]["FirmwareVersion"] == "1.3.0"


async def test_a_batch_has_at_most_100_names_of_one_product(
    api: Api, product: Product, foreign_product: Product
) -> None:
    names = [f"lamp-{number}" for number in range(101)]
    key = product.product_key
    assert (await api.call("BatchQueryDeviceDetail", ProductKey=key, DeviceName=names[:100]))["Data"] == {"Data": []}
    too_many = await api.call("BatchQueryDeviceDetail", ProductKey=key, DeviceName=names)
    assert too_many["Code"] == "iot.common.InvalidFormattedParameter"
    empty = await api.call("BatchQueryDeviceDetail", ProductKey=key, DeviceName=["lamp-1", ""])
    assert empty["Code"] == "iot.device.NullDeviceName"
    for other in ("a1nosuchkey", foreign_product.product_key):
        unknown = await api.call("BatchQueryDeviceDetail", ProductKey=other, DeviceName=["lamp-1"])
        assert unknown["Code"] == "iot.prod.NotExistedProduct"
