"""Groups of devices: the tree, members, tags."""

import json
from typing import Any

from alibabacloud_iot20180120 import models
from alibabacloud_iot20180120.client import Client

from tests.e2e.operations.calls import ok, refusal, register, unique


def new_group(cloud: Client, **options: Any) -> Any:
    request = models.CreateDeviceGroupRequest(group_name=unique("group"), **options)
    return ok(cloud.create_device_group(request)).data


def info(cloud: Client, group_id: str) -> Any:
    return ok(cloud.query_device_group_info(models.QueryDeviceGroupInfoRequest(group_id=group_id))).data


def test_a_group_is_created_described_and_deleted(cloud: Client) -> None:
    group = new_group(cloud, group_desc="first")
    found = info(cloud, group.group_id)
    assert (found.group_name, found.group_desc, found.device_count) == (group.group_name, "first", 0)
    assert found.utc_create == group.utc_create
    ok(cloud.update_device_group(models.UpdateDeviceGroupRequest(group_id=group.group_id, group_desc="second")))
    assert info(cloud, group.group_id).group_desc == "second"
    ok(cloud.delete_device_group(models.DeleteDeviceGroupRequest(group_id=group.group_id)))
    answer = cloud.query_device_group_info(models.QueryDeviceGroupInfoRequest(group_id=group.group_id))
    assert refusal(answer) == "iot.group.NotExistedGroup"


def test_groups_form_a_tree(cloud: Client) -> None:
    parent = new_group(cloud, group_desc="parent")
    child = new_group(cloud, super_group_id=parent.group_id)
    above = ok(cloud.query_super_device_group(models.QuerySuperDeviceGroupRequest(group_id=child.group_id))).data
    (found,) = above.group_info
    assert (found.group_id, found.group_name, found.group_desc) == (parent.group_id, parent.group_name, "parent")
    for wanted in ({"super_group_id": parent.group_id}, {"group_name": child.group_name}):
        body = ok(cloud.query_device_group_list(models.QueryDeviceGroupListRequest(**wanted)))
        assert body.total == 1
        assert [group.group_id for group in body.data.group_info] == [child.group_id]


def test_devices_join_and_leave_a_group(cloud: Client, product_key: str) -> None:
    group = new_group(cloud)
    names = ["member-1", "member-2"]
    devices = [register(cloud, product_key, name) for name in names]

    def members() -> list[str]:
        request = models.QueryDeviceListByDeviceGroupRequest(group_id=group.group_id)
        found = ok(cloud.query_device_list_by_device_group(request)).data.simple_device_info
        return sorted(device.device_name for device in found)

    joining = models.BatchAddDeviceGroupRelationsRequestDevice
    added = ok(
        cloud.batch_add_device_group_relations(
            models.BatchAddDeviceGroupRelationsRequest(
                group_id=group.group_id,
                device=[joining(product_key=product_key, device_name=name) for name in [*names, "member-none"]],
            )
        )
    )
    assert (added.success_added_device_count, added.valid_device_count) == (2, 2)
    assert (members(), info(cloud, group.group_id).device_count) == (names, 2)
    by_device = models.QueryDeviceGroupByDeviceRequest(product_key=product_key, device_name="member-1")
    (found,) = ok(cloud.query_device_group_by_device(by_device)).group_infos.group_info
    assert found.group_id == group.group_id
    counted = models.QueryDeviceStatisticsRequest(group_id=group.group_id)
    assert ok(cloud.query_device_statistics(counted)).data.device_count == len(devices)
    leaving = models.BatchDeleteDeviceGroupRelationsRequestDevice(product_key=product_key, device_name="member-1")
    removed = ok(
        cloud.batch_delete_device_group_relations(
            models.BatchDeleteDeviceGroupRelationsRequest(group_id=group.group_id, device=[leaving])
        )
    )
    assert removed.success_device_count == 1
    assert members() == ["member-2"]


def test_groups_are_found_by_any_of_the_tags(cloud: Client) -> None:
    group, other, value = new_group(cloud), new_group(cloud), unique("floor")
    for each, key in ((group, "floor"), (other, "level")):
        tags = json.dumps([{"tagKey": key, "tagValue": value}])
        ok(cloud.set_device_group_tags(models.SetDeviceGroupTagsRequest(group_id=each.group_id, tag_string=tags)))
    listed = ok(
        cloud.query_device_group_tag_list(models.QueryDeviceGroupTagListRequest(group_id=group.group_id))
    ).data.group_tag_info
    assert [(tag.tag_key, tag.tag_value) for tag in listed] == [("floor", value)]

    def found(*keys: str) -> set[str]:
        wanted = [models.QueryDeviceGroupByTagsRequestTag(tag_key=key, tag_value=value) for key in keys]
        body = ok(cloud.query_device_group_by_tags(models.QueryDeviceGroupByTagsRequest(tag=wanted)))
        return {item.group_id for item in body.data.device_group}

    assert found("floor") == {group.group_id}
    assert found("floor", "level") == {group.group_id, other.group_id}
