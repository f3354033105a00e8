"""Single devices: registration, details, lists, states, switching."""

from typing import Any

from alibabacloud_iot20180120 import models
from alibabacloud_iot20180120.client import Client

from tests.common.node import NodeProcess
from tests.e2e.operations.calls import identity, new_product, ok, refusal, register
from tests.e2e.raw import connected
from tests.e2e.test_main_job import eventually

NOT_EXISTED = "iot.device.NotExistedDevice"


def status(cloud: Client, device: Any) -> str:
    return str(ok(cloud.get_device_status(models.GetDeviceStatusRequest(iot_id=device.iot_id))).data.status)


def test_a_registered_device_is_found_by_name_and_by_iot_id(cloud: Client, product_key: str) -> None:
    device = register(cloud, product_key, "found-1", "Found_one")
    names = {"product_key": product_key, "device_name": "found-1"}
    for address in (names, {"iot_id": device.iot_id}):
        info = ok(cloud.query_device_info(models.QueryDeviceInfoRequest(**address))).data
        assert info.to_map() == device.to_map()
        detail = ok(cloud.query_device_detail(models.QueryDeviceDetailRequest(**address))).data
        assert (detail.iot_id, detail.device_secret) == (device.iot_id, device.device_secret)
        assert (detail.nickname, detail.status, detail.node_type) == ("Found_one", "UNACTIVE", 0)
        assert detail.gmt_active is None


def test_several_devices_at_once(cloud: Client, product_key: str) -> None:
    devices = {name: register(cloud, product_key, name) for name in ("several-1", "several-2")}
    names = [*devices, "several-none"]
    details = ok(
        cloud.batch_query_device_detail(
            models.BatchQueryDeviceDetailRequest(product_key=product_key, device_name=names)
        )
    )
    found = {detail.device_name: detail.device_secret for detail in details.data.data}
    assert found == {name: device.device_secret for name, device in devices.items()}
    states = ok(
        cloud.batch_get_device_state(models.BatchGetDeviceStateRequest(product_key=product_key, device_name=names))
    )
    assert {state.device_name: (state.iot_id, state.status) for state in states.device_status_list.device_status} == {
        name: (device.iot_id, "UNACTIVE") for name, device in devices.items()
    }


def test_devices_of_a_product_are_listed_page_by_page(cloud: Client) -> None:
    key = new_product(cloud)
    for number in range(3):
        register(cloud, key, f"page-{number}")
    first = ok(cloud.query_device(models.QueryDeviceRequest(product_key=key, page_size=2)))
    assert (first.total, first.page_count) == (3, 2)
    rest = ok(cloud.query_device(models.QueryDeviceRequest(product_key=key, page_size=2, next_token=first.next_token)))
    listed = [item.device_name for page in (first, rest) for item in page.data.device_info]
    assert listed == ["page-2", "page-1", "page-0"]
    assert rest.next_token == ""


def test_a_deleted_device_is_gone(cloud: Client, product_key: str) -> None:
    device = register(cloud, product_key, "deleted-1")
    ok(cloud.delete_device(models.DeleteDeviceRequest(product_key=product_key, device_name="deleted-1")))
    assert refusal(cloud.query_device_info(models.QueryDeviceInfoRequest(iot_id=device.iot_id))) == NOT_EXISTED


def test_nicknames_are_changed_together(cloud: Client, product_key: str) -> None:
    first = register(cloud, product_key, "nick-1", "Before_1")
    second = register(cloud, product_key, "nick-2", "Before_2")
    entry = models.BatchUpdateDeviceNicknameRequestDeviceNicknameInfo
    entries = [
        entry(iot_id=first.iot_id, nickname="After_1"),
        entry(product_key=product_key, device_name="nick-2", nickname="After_2"),
    ]
    ok(cloud.batch_update_device_nickname(models.BatchUpdateDeviceNicknameRequest(device_nickname_info=entries)))
    nicknames = [
        ok(cloud.query_device_info(models.QueryDeviceInfoRequest(iot_id=device.iot_id))).data.nickname
        for device in (first, second)
    ]
    assert nicknames == ["After_1", "After_2"]


async def test_states_of_devices_in_details_lists_and_statistics(node: NodeProcess, cloud: Client) -> None:
    key = new_product(cloud)
    device = register(cloud, key, "state-1")
    register(cloud, key, "state-2")

    def in_state(number: int) -> list[str]:
        request = models.QueryDeviceByStatusRequest(product_key=key, status=number)
        return [item.device_name for item in ok(cloud.query_device_by_status(request)).data.simple_device_info]

    def numbers() -> tuple[int, int, int]:
        data = ok(cloud.query_device_statistics(models.QueryDeviceStatisticsRequest(product_key=key))).data
        return data.device_count, data.active_count, data.online_count

    assert (in_state(0), numbers()) == (["state-2", "state-1"], (2, 0, 0))
    async with connected(node.address("mqtt"), identity(device)) as (client, connack):
        assert connack.code == 0
        eventually(lambda: status(cloud, device), "ONLINE")
        eventually(lambda: (in_state(1), numbers()), (["state-1"], (2, 1, 1)))
        await client.leave()
    eventually(lambda: status(cloud, device), "OFFLINE")
    eventually(lambda: (in_state(3), numbers()), (["state-1"], (2, 1, 0)))


async def test_a_disabled_device_stays_out_until_it_is_enabled(
    node: NodeProcess, cloud: Client, product_key: str
) -> None:
    device = register(cloud, product_key, "switch-1")
    ok(cloud.disable_thing(models.DisableThingRequest(iot_id=device.iot_id)))
    assert status(cloud, device) == "DISABLE"
    async with connected(node.address("mqtt"), identity(device)) as (_, connack):
        assert connack.code != 0
    ok(cloud.enable_thing(models.EnableThingRequest(iot_id=device.iot_id)))
    async with connected(node.address("mqtt"), identity(device)) as (_, connack):
        assert connack.code == 0


async def test_a_reset_device_counts_as_never_connected(node: NodeProcess, cloud: Client, product_key: str) -> None:
    device = register(cloud, product_key, "reset-1")
    async with connected(node.address("mqtt"), identity(device)) as (client, _):
        await client.leave()
    eventually(lambda: status(cloud, device), "OFFLINE")
    ok(cloud.reset_thing(models.ResetThingRequest(iot_id=device.iot_id)))
    assert status(cloud, device) == "UNACTIVE"
    info = ok(cloud.query_device_info(models.QueryDeviceInfoRequest(iot_id=device.iot_id))).data
    assert info.device_secret == device.device_secret


def test_a_device_that_reported_no_module_has_no_versions(cloud: Client, product_key: str) -> None:
    device = register(cloud, product_key, "modules-1")
    request = models.ListOTAModuleVersionsByDeviceRequest(iot_id=device.iot_id, current_page=1, page_size=10)
    body = ok(cloud.list_otamodule_versions_by_device(request))
    assert (body.total, body.data.simple_otamodule_info) == (0, [])
    request.iot_id = "nobody"
    assert refusal(cloud.list_otamodule_versions_by_device(request)) == NOT_EXISTED
