"""Tags of devices, and finding devices by them and by statements."""

import json

from alibabacloud_iot20180120 import models
from alibabacloud_iot20180120.client import Client

from tests.e2e.operations.calls import ok, register, unique


def save_tags(cloud: Client, iot_id: str, **tags: str) -> None:
    ok(cloud.save_device_prop(models.SaveDevicePropRequest(iot_id=iot_id, props=json.dumps(tags))))


def test_tags_are_saved_read_and_deleted(cloud: Client, product_key: str) -> None:
    iot_id = register(cloud, product_key, "tags-1").iot_id
    save_tags(cloud, iot_id, room="101", color="grün")
    save_tags(cloud, iot_id, room="102")
    tags = ok(cloud.query_device_prop(models.QueryDevicePropRequest(iot_id=iot_id))).props
    assert json.loads(tags) == {"room": "102", "color": "grün"}
    ok(cloud.delete_device_prop(models.DeleteDevicePropRequest(iot_id=iot_id, prop_key="room")))
    tags = ok(cloud.query_device_prop(models.QueryDevicePropRequest(iot_id=iot_id))).props
    assert json.loads(tags) == {"color": "grün"}


def test_devices_are_found_by_all_of_the_tags(cloud: Client, product_key: str) -> None:
    house = unique("house")
    for name, room in (("tagged-1", "101"), ("tagged-2", "102")):
        save_tags(cloud, register(cloud, product_key, name).iot_id, house=house, room=room)

    def found(**tags: str) -> list[str]:
        wanted = [models.QueryDeviceByTagsRequestTag(tag_key=key, tag_value=value) for key, value in tags.items()]
        body = ok(cloud.query_device_by_tags(models.QueryDeviceByTagsRequest(tag=wanted)))
        return sorted(device.device_name for device in body.data.simple_device_info)

    assert found(house=house) == ["tagged-1", "tagged-2"]
    assert found(house=house, room="102") == ["tagged-2"]
    assert found(house=house, room="103") == []


def test_devices_are_found_and_counted_by_statement(cloud: Client, product_key: str) -> None:
    device = register(cloud, product_key, "sqls-1", "Searched")
    register(cloud, product_key, "sqls-2")
    save_tags(cloud, device.iot_id, room="sql")
    where = f'FROM device WHERE product_key = "{product_key}" AND name LIKE "sqls%"'

    def query(fields: str, rest: str = "") -> models.QueryDeviceBySQLResponseBody:
        return ok(cloud.query_device_by_sql(models.QueryDeviceBySQLRequest(sql=f"SELECT {fields} {where} {rest}")))

    (found,) = query("*", 'AND tag.tag_name = "room" AND tag.tag_value = "sql"').data
    assert (found.iot_id, found.device_name, found.nickname) == (device.iot_id, "sqls-1", "Searched")
    assert (found.status, [(tag.tag_name, tag.tag_value) for tag in found.tags]) == ("UNACTIVE", [("room", "sql")])
    assert [item.device_name for item in query("name", "ORDER BY gmt_create LIMIT 1,1").data] == ["sqls-2"]
    assert query("count(*)").total_count == 2
