"""Devices by the batch."""

from typing import Any

from alibabacloud_iot20180120 import models
from alibabacloud_iot20180120.client import Client

from tests.e2e.operations.calls import ok, refusal, register
from tests.e2e.test_main_job import eventually


def state(cloud: Client, product_key: str, apply_id: int) -> Any:
    request = models.QueryBatchRegisterDeviceStatusRequest(product_key=product_key, apply_id=apply_id)
    return ok(cloud.query_batch_register_device_status(request)).data


def finished(cloud: Client, product_key: str, apply_id: int, wanted: str) -> Any:
    eventually(lambda: state(cloud, product_key, apply_id).status, wanted)
    return state(cloud, product_key, apply_id)


def check_names(cloud: Client, product_key: str, names: list[tuple[str, str | None]]) -> Any:
    entries = [
        models.BatchCheckDeviceNamesRequestDeviceNameList(device_name=name, device_nickname=nickname)
        for name, nickname in names
    ]
    return cloud.batch_check_device_names(
        models.BatchCheckDeviceNamesRequest(product_key=product_key, device_name_list=entries)
    )


def application(cloud: Client, apply_id: int) -> Any:
    return ok(cloud.query_page_by_apply_id(models.QueryPageByApplyIdRequest(apply_id=apply_id, page_size=50)))


def test_checked_names_become_devices(cloud: Client, product_key: str) -> None:
    checked = ok(check_names(cloud, product_key, [("batch-1", "Batch_1"), ("batch-2", None)]))
    apply_id = checked.data.apply_id
    assert sorted(finished(cloud, product_key, apply_id, "CHECK_SUCCESS").valid_list.name) == ["batch-1", "batch-2"]
    created = ok(
        cloud.batch_register_device_with_apply_id(
            models.BatchRegisterDeviceWithApplyIdRequest(product_key=product_key, apply_id=apply_id)
        )
    )
    assert created.data.apply_id == apply_id
    finished(cloud, product_key, apply_id, "CREATE_SUCCESS")
    page = application(cloud, apply_id)
    assert page.total == 2
    secrets = {item.device_name: item.device_secret for item in page.apply_device_list.apply_device_info}
    info = ok(
        cloud.query_device_info(models.QueryDeviceInfoRequest(product_key=product_key, device_name="batch-1"))
    ).data
    assert (secrets["batch-1"], info.nickname) == (info.device_secret, "Batch_1")


def test_a_name_that_is_taken_fails_the_check(cloud: Client, product_key: str) -> None:
    register(cloud, product_key, "taken-1")
    checked = ok(check_names(cloud, product_key, [("taken-1", None), ("taken-2", None)]))
    failed = finished(cloud, product_key, checked.data.apply_id, "CHECK_FAILED")
    assert failed.invalid_list.name == ["taken-1"]
    assert [detail.device_name for detail in failed.invalid_detail_list.invalid_detail_list] == ["taken-1"]


def test_malformed_names_are_refused_by_name(cloud: Client, product_key: str) -> None:
    answer = check_names(cloud, product_key, [("bad name", None), ("good-1", None), ("good-1", None)])
    assert refusal(answer) == "iot.device.InvalidFormattedDeviceName"
    data = answer.body.data
    assert data.invalid_device_name_list.invalid_device_name == ["bad name"]
    assert data.repeated_device_name_list.repeat_devie_name_list == ["good-1"]


def test_names_are_chosen_by_the_platform(cloud: Client, product_key: str) -> None:
    request = models.BatchRegisterDeviceRequest(product_key=product_key, count=3)
    apply_id = ok(cloud.batch_register_device(request)).data.apply_id
    finished(cloud, product_key, apply_id, "CREATE_SUCCESS")
    page = application(cloud, apply_id)
    assert page.total == len({item.device_name for item in page.apply_device_list.apply_device_info}) == 3
