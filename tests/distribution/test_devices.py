"""Devices that are distributed: what goes with them, what stays behind, and what they are afterwards."""

from typing import Any

import pytest
from sqlalchemy import func, insert, select

from tests.common.api import DEFAULT_INSTANCE, OTHER_INSTANCE
from tests.distribution.conftest import HERE, LAMP, THERE, World
from thingplane.alink import signature
from thingplane.cloud.errors import BusinessError
from thingplane.devices.service import (
    DeviceMoved,
    DeviceReset,
    RegistrationRefusedError,
    RegistrationRequest,
)
from thingplane.devices.tables import device_authorities, device_certificates
from thingplane.files.tables import file_usage
from thingplane.products.service import NewProduct

SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


async def test_a_device_keeps_its_names_and_keys_and_belongs_to_the_other_instance(world: World) -> None:
    key = world.product.product_key
    device = await world.devices.register(world.product, "lamp-1", "Lamp_1")
    before = (device.id, device.iot_id, device.product_key, device.name, device.secret, device.nickname)
    world.devices.connected(device, "192.0.2.1")
    told: list[object] = []
    for kind in (DeviceMoved, DeviceReset):
        world.bus.subscribe(kind, told.append)
    job_id = await world.taken("lamp-1")
    copy = await world.products.get(OTHER_INSTANCE.id, key)
    # Also for whoever has it in memory.
    assert (device.instance_id, device.product_id) == (OTHER_INSTANCE.id, copy.id)
    assert world.devices.status(device) == "UNACTIVE"
    now = world.clock.now_ms()
    assert told == [
        DeviceMoved(device.id, OTHER_INSTANCE.id, copy.id, now),
        DeviceReset(device.id, key, "lamp-1", now),
    ]
    for found in (
        await world.devices.resolve(OTHER_INSTANCE.id, product_key=key, name="lamp-1"),
        await world.devices.resolve(OTHER_INSTANCE.id, iot_id=device.iot_id),
        (await world.devices.lists.of_product(copy.id, 10))[1][0],
    ):
        assert (found.id, found.iot_id, found.product_key, found.name, found.secret, found.nickname) == before
    for names in ({"product_key": key, "name": "lamp-1"}, {"iot_id": device.iot_id}):
        with pytest.raises(BusinessError, match="NotExistedDevice"):
            await world.devices.resolve(DEFAULT_INSTANCE.id, **names)
    assert await world.devices.several(world.product, ["lamp-1"]) == []
    assert (await world.devices.lists.of_product(world.product.id, 10))[0] == 0
    assert await world.result(job_id) == [
        {"ProductKey": key, "TargetInstanceId": THERE, "Code": "200", "Message": "success", "DeviceName": "lamp-1"}
    ]
    # The end of its connection, which was closed, does not make it a device that was online.
    world.devices.disconnected(device)
    await world.devices.flush()
    assert world.devices.status(device) == "UNACTIVE"


async def test_tags_groups_topology_and_routes_stay_behind_and_files_go_along(world: World) -> None:
    gateways = await world.products.create(1, NewProduct(name="Gateway", node_type=1, senior=True, data_format=1))
    gateway = await world.devices.register(gateways, "gateway-1")
    device, other = [await world.devices.register(world.product, name) for name in ("lamp-1", "lamp-2")]
    for each in (device, other):
        world.devices.connected(each, "192.0.2.1")
    await world.devices.tags.save(device, {"room": "101"})
    group = await world.groups.create(1, "Floor_1")
    await world.groups.members.add(group, [device, other])
    await world.topology.add(gateway, [device, other])
    topics = [f"/{world.product.product_key}/{name}/user/{end}" for name, end in NAMES]
    await world.routes.create(1, topics[0], [topics[1]])
    await world.routes.create(1, topics[2], [topics[3]])
    upload = await world.files.begin(device, "a.log")
    await upload.write(b"12345")
    file = await upload.finish()
    await world.taken("lamp-1")
    assert await world.devices.tags.of([device.id]) == {}
    assert [member.name for member in (await world.groups.members.page(group, 1, 10))[0]] == ["lamp-2"]
    assert [sub.name for sub in await world.topology.sub_devices(gateway)] == ["lamp-2"]
    assert await world.topology.gateway_of(device.id) is None
    await world.routes.close()
    assert [list(world.routes.routes(topic)) for topic in topics] == [[], [], [], []]
    assert (await world.files.get(device, file.file_id)).size == 5
    async with world.database.read() as connection:
        used = {row.instance_id: row.bytes for row in await connection.execute(select(file_usage))}
    assert used == {DEFAULT_INSTANCE.id: 0, OTHER_INSTANCE.id: 5}


NAMES = (("lamp-1", "update"), ("lamp-2", "get"), ("lamp-2", "update"), ("lamp-1", "get"))


@SQLITE
async def test_certificates_stay_behind(world: World) -> None:
    product = await world.products.create(1, NewProduct(name="Certified", node_type=0, auth_type="x509"))
    device = await world.devices.register(product, "lamp-1")
    async with world.database.write() as connection:
        authority = {"id": 1, "instance_id": 1, "fingerprint": "f", "certificate": "", "created_at": 0}
        await connection.execute(insert(device_authorities).values(authority))
        binding = {"authority_id": 1, "serial": "1", "device_id": device.id, "created_at": 0}
        await connection.execute(insert(device_certificates).values(binding))
    world.product = product
    await world.taken("lamp-1")
    async with world.database.read() as connection:
        assert await connection.scalar(select(func.count()).select_from(device_certificates)) == 0


async def test_devices_go_back_and_are_distributed_no_more(world: World) -> None:
    await world.devices.register(world.product, "lamp-1")
    await world.devices.register(world.product, "lamp-2")
    first = world.clock.now_ms()
    await world.taken("lamp-1", "lamp-2")
    copy = await world.products.get(OTHER_INSTANCE.id, world.product.product_key)
    listed = (await world.call("ListDistributedDevice"))["Data"]
    assert listed["Total"] == 2
    assert [item["DeviceName"] for item in listed["Info"]["items"]] == ["lamp-2", "lamp-1"]
    assert listed["Info"]["items"][0] == {
        "DeviceName": "lamp-2",
        "GmtCreate": first,
        "GmtModified": first,
        "ProductKey": world.product.product_key,
        "SourceInstanceId": HERE,
        "SourceInstanceName": HERE,
        "SourceRegion": "cn-shanghai",
        "SourceUid": "1000000000000001",
        "TargetAliyunId": "1000000000000001",
        "TargetInstanceId": THERE,
        "TargetInstanceName": "Second",
        "TargetRegion": "cn-shanghai",
        "TargetUid": "1000000000000001",
    }
    for filters, count in FILTERS:
        data = (await world.call("ListDistributedDevice", **filters))["Data"]
        assert data["Total"] == count, filters
    await world.taken("lamp-2", back=True)
    back = await world.devices.resolve(DEFAULT_INSTANCE.id, product_key=copy.product_key, name="lamp-2")
    assert back.product_id == world.product.id
    assert [item["DeviceName"] for item in await distributed(world)] == ["lamp-1"]
    with pytest.raises(BusinessError, match="UpdateProductFailed"):
        await world.products.delete(copy)  # it has devices
    device = await world.devices.resolve(OTHER_INSTANCE.id, product_key=copy.product_key, name="lamp-1")
    await world.devices.delete(device)
    assert await distributed(world) == []


FILTERS: tuple[tuple[dict[str, Any], int], ...] = (
    ({"DeviceName": "lamp-1"}, 1),
    ({"DeviceName": "lamp-3"}, 0),
    ({"ProductKey": "a1Unknown00"}, 0),
    ({"SourceInstanceId": HERE}, 2),
    ({"SourceInstanceId": THERE}, 0),
    ({"TargetUid": "2000000000000001"}, 0),
    ({"PageSize": 1, "CurrentPage": 2}, 2),
)


async def distributed(world: World) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = (await world.call("ListDistributedDevice"))["Data"]["Info"]["items"]
    return items


async def test_a_device_that_goes_on_to_a_third_instance_was_distributed_when_it_was_first(world: World) -> None:
    third = await world.instances.create("iot-third")
    await world.devices.register(world.product, "lamp-1")
    first = world.clock.now_ms()
    await world.taken("lamp-1")
    world.clock.advance(5)
    await world.taken("lamp-1", SourceInstanceId=THERE, TargetInstanceConfig=[{"TargetInstanceId": "iot-third"}])
    [item] = await distributed(world)
    assert (item["SourceInstanceId"], item["TargetInstanceId"]) == (THERE, "iot-third")
    assert (item["GmtCreate"], item["GmtModified"]) == (first, world.clock.now_ms())
    copy = await world.products.get(third.id, world.product.product_key)
    assert copy.source_id == world.product.id


async def test_the_result_tells_of_devices_that_are_nowhere_or_elsewhere(world: World) -> None:
    await world.devices.register(world.product, "lamp-1")
    await world.devices.register(world.product, "lamp-2")
    await world.taken("lamp-2")
    job_id = await world.taken("lamp-3", "lamp-2", "lamp-1", "lamp-1")
    assert [(entry["DeviceName"], entry["Code"]) for entry in await world.result(job_id)] == [
        ("lamp-3", "iot.device.NotExistedDevice"),
        ("lamp-2", "iot.device.DeviceHasDistributed"),
        ("lamp-1", "200"),
    ]
    job = await world.job(job_id)
    assert (job["Status"], job["Total"]) == (2, 3)


async def test_devices_whose_product_cannot_go_stay(world: World) -> None:
    device = await world.devices.register(world.product, "lamp-1")
    await world.products.create(OTHER_INSTANCE.id, LAMP)
    job_id = await world.taken("lamp-1")
    assert (await world.job(job_id))["Status"] == 3
    [entry] = await world.result(job_id)
    assert (entry["Code"], "DeviceName" in entry) == ("iot.prod.AlreadyExistedProductName", False)
    assert device.instance_id == DEFAULT_INSTANCE.id


@SQLITE
async def test_names_of_a_product_are_unique_among_all_instances(world: World) -> None:
    await world.devices.register(world.product, "lamp-1")
    await world.taken("lamp-1")
    with pytest.raises(BusinessError, match="DeviceHasDistributed"):
        await world.devices.register(world.product, "lamp-1")
    copy = await world.products.get(OTHER_INSTANCE.id, world.product.product_key)
    with pytest.raises(BusinessError, match="AlreadyExistedDeviceName"):
        await world.devices.register(copy, "lamp-1")
    assert (await world.devices.register(copy, "lamp-2")).instance_id == OTHER_INSTANCE.id


@SQLITE
async def test_registration_with_the_secret_of_the_product_is_switched_where_the_device_is(world: World) -> None:
    device = await world.devices.register(world.product, "lamp-1")
    await world.products.set_dynamic_register(world.product, enabled=True)
    await world.taken("lamp-1")
    fields = {"productKey": device.product_key, "deviceName": "lamp-1", "random": "1"}
    product = await world.products.get(DEFAULT_INSTANCE.id, device.product_key)
    sign = signature(product.product_secret, "hmacSha1", fields) or ""
    request = RegistrationRequest(device.product_key, "lamp-1", fields, "hmacsha1", sign)
    with pytest.raises(RegistrationRefusedError) as refused:
        await world.devices.self_registration.register(request)
    assert refused.value.code == 6288
    copy = await world.products.get(OTHER_INSTANCE.id, device.product_key)
    await world.products.set_dynamic_register(copy, enabled=True)
    assert (await world.devices.self_registration.register(request)).id == device.id
