"""What devices say about themselves and ask for: tags, and the time."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.common.api import Api
from tests.common.clock import FakeClock
from tests.common.forwarding import AllTo, forwarding
from tests.common.uplinks import Messages
from tests.devices.marks import one_database
from thingplane.cloud import Services
from thingplane.devices.device import handlers
from thingplane.devices.sdk_information import MAX_ENTRIES
from thingplane.devices.service import Device, DeviceService
from thingplane.devices.tag_reports import TagReports
from thingplane.forwarding.service import Kind
from thingplane.products.service import Product, ProductService
from thingplane.storage.database import Database


@pytest.fixture
async def device(devices: DeviceService, product: Product) -> Device:
    return await devices.register(product, "lamp-1")


@pytest.fixture
def messages(clock: FakeClock, device: Device, devices: DeviceService) -> Messages:
    return Messages(clock, device, handlers(Services(devices)))


def entries(*tags: tuple[str, Any], **more: str) -> list[dict[str, Any]]:
    return [{"attrKey": key, "attrValue": value, **more} for key, value in tags]


async def tags(devices: DeviceService, device: Device) -> dict[str, str]:
    return (await devices.tags.of([device.id])).get(device.id, {})


async def test_the_transcript_of_tags(messages: Messages) -> None:
    update = (
        b'{"id":"1","version":"1.0","params":[{"attrKey":"Room","attrValue":"201"}],"method":"thing.deviceinfo.update"}'
    )
    assert await messages.ask("thing/deviceinfo/update", update) == (
        b'{"code":200,"data":{},"id":"1","message":"success","method":"thing.deviceinfo.update","version":"1.0"}'
    )
    assert await messages.ask("thing/deviceinfo/get", b'{"id":2,"params":["Room"]}') == (
        b'{"code":200,"data":[{"attrKey":"Room","attrValue":"201"}],"id":2,"message":"success",'
        b'"method":"thing.deviceinfo.get","version":"1.0"}'
    )
    assert await messages.ask("thing/deviceinfo/delete", b'{"id":"3","params":[{"attrKey":"Room"}]}') == (
        b'{"code":200,"data":{},"id":"3","message":"success","method":"thing.deviceinfo.delete","version":"1.0"}'
    )
    assert (await messages.request("thing/deviceinfo/get", []))["data"] == []


async def test_devices_and_back_ends_have_the_same_tags(
    api: Api, messages: Messages, devices: DeviceService, device: Device
) -> None:
    named = {"ProductKey": device.product_key, "DeviceName": device.name}
    assert (await api.call("SaveDeviceProp", **named, Props='{"floor":"2","room":"1"}'))["Success"] is True
    assert await messages.code("thing/deviceinfo/update", entries(("room", "2"), ("lamps", 3), ("on", True))) == 200
    assert await tags(devices, device) == {"floor": "2", "room": "2", "lamps": "3", "on": "true"}
    assert (await messages.request("thing/deviceinfo/get", ["floor", "nothing", {"attrKey": "on"}]))["data"] == entries(
        ("floor", "2"), ("on", "true")
    )
    assert len((await messages.request("thing/deviceinfo/get", {}))["data"]) == 4
    assert (
        await messages.code(
            "thing/deviceinfo/delete", [{"attrKey": "floor"}, {"attrKey": "nothing"}, {"attrKey": "\0"}]
        )
        == 200
    )
    assert await tags(devices, device) == {"room": "2", "lamps": "3", "on": "true"}


async def test_what_an_sdk_tells_of_itself_is_kept_apart(
    messages: Messages, devices: DeviceService, device: Device
) -> None:
    told = [
        *entries(("SYS_LP_SDK_VERSION", "3.0.1"), ("SYS_SDK_LANGUAGE", "C"), domain="SYSTEM"),
        *entries(("Room", "201")),
    ]
    for _ in range(2):
        assert await messages.code("thing/deviceinfo/update", told) == 200
    assert await tags(devices, device) == {"Room": "201"}
    assert await devices.sdk_information.of(device.id) == {"SYS_LP_SDK_VERSION": "3.0.1", "SYS_SDK_LANGUAGE": "C"}
    many = entries(*((f"k{number}", "v") for number in range(MAX_ENTRIES - 1)), domain="SYSTEM")
    assert await messages.code("thing/deviceinfo/update", many) == 460
    assert len(await devices.sdk_information.of(device.id)) == 2
    await devices.delete(device)
    assert await devices.sdk_information.of(device.id) == {}


async def test_a_device_has_at_most_a_hundred_tags(messages: Messages, devices: DeviceService, device: Device) -> None:
    assert await messages.code("thing/deviceinfo/update", entries(*((f"k{n}", "v") for n in range(100)))) == 200
    assert await messages.code("thing/deviceinfo/update", entries(("one_more", "v"))) == 460
    assert await messages.code("thing/deviceinfo/update", entries(("k7", "w"))) == 200
    assert (await tags(devices, device))["k7"] == "w"
    assert len(await tags(devices, device)) == 100


async def test_subscribers_learn_of_changes_before_they_are_acknowledged(  # noqa: PLR0917 - fixtures
    api: Api,
    messages: Messages,
    devices: DeviceService,
    device: Device,
    products: ProductService,
    clock: FakeClock,
    database: Database,
    tmp_path: Path,
) -> None:
    async with forwarding(tmp_path, clock, database) as forwarder:
        devices.tags.on_change.append(TagReports(forwarder, products).changed)
        assert await messages.code("thing/deviceinfo/update", entries(("nobody", "wants it"))) == 200
        member = await forwarder.enroll("group", "one")
        forwarder.add_router(AllTo([member]))
        assert await messages.code("thing/deviceinfo/update", entries(("Room", "201"))) == 200
        await messages.code("thing/deviceinfo/update", entries(("SYS_SDK_LANGUAGE", "C"), domain="SYSTEM"))
        await messages.code("thing/deviceinfo/delete", [{"attrKey": "Room"}, {"attrKey": "unknown"}])
        named = {"ProductKey": device.product_key, "DeviceName": device.name}
        await api.call("SaveDeviceProp", **named, Props='{"Floor":"2"}')
        found = await forwarder.read(member, -1, 10)
    head = {"iotId": device.iot_id, "productKey": device.product_key, "deviceName": device.name}
    assert [msgspec.json.decode(message.body) for message in found] == [
        {**head, "value": entries(tag), "messageCreateTime": clock.now_ms()}
        for tag in (("Room", "201"), ("Room", ""), ("Floor", "2"))
    ]
    assert {(message.kind, message.topic) for message in found} == {
        (Kind.TAGS, f"/{device.product_key}/{device.name}/thing/deviceinfo/update")
    }


@one_database
@pytest.mark.parametrize(
    ("suffix", "params"),
    [
        ("update", []),
        ("update", {}),
        ("update", [1]),
        ("update", [{"attrKey": 1, "attrValue": "x"}]),
        ("update", [{"attrKey": "x", "attrValue": [1]}]),
        ("update", entries(("", "x"))),
        ("update", entries(("a b", "x"))),
        ("update", entries(("x" * 65, "x"))),
        ("update", entries(("good", "x"), ("bad", "x" * 129))),
        ("update", entries(("bad", "a\nb"))),
        ("update", [{"attrKey": "x"}]),
        ("update", entries(*(("k", "v") for _ in range(201)))),
        ("update", b'[{"attrKey":"\xff","attrValue":"x"}]'),
        ("delete", []),
        ("delete", {}),
        ("delete", ["Room"]),
        ("delete", [{"attrKey": "k"} for _ in range(201)]),
        ("get", {"attrKey": "x"}),
        ("get", [1]),
        ("get", ["k"] * 201),
    ],
)
async def test_malformed_tags_change_nothing(
    messages: Messages, devices: DeviceService, device: Device, suffix: str, params: Any
) -> None:
    await devices.tags.save(device, {"k": "v"})
    assert await messages.code(f"thing/deviceinfo/{suffix}", params) == 460
    assert await tags(devices, device) == {"k": "v"}


async def test_a_device_that_was_deleted_meanwhile_has_no_tags(
    messages: Messages, devices: DeviceService, device: Device
) -> None:
    await devices.delete(device)
    assert await messages.code("thing/deviceinfo/update", entries(("k", "v"))) == 6100
    assert await messages.code("thing/deviceinfo/update", entries(("k", "v"), domain="SYSTEM")) == 6100
    assert await messages.code("thing/deviceinfo/delete", [{"attrKey": "k"}]) == 6100


@one_database
@pytest.mark.parametrize(
    ("sent", "answer"),
    [
        (
            b'{"deviceSendTime":"1571724098000"}',
            b'{"deviceSendTime":"1571724098000","serverRecvTime":"%d","serverSendTime":"%d"}',
        ),
        (
            b'{"deviceSendTime":1571724098000,"more":1}',
            b'{"deviceSendTime":1571724098000,"serverRecvTime":%d,"serverSendTime":%d}',
        ),
    ],
)
async def test_the_time_comes_in_the_type_of_the_question(
    messages: Messages, clock: FakeClock, device: Device, sent: bytes, answer: bytes
) -> None:
    topic = f"/ext/ntp/{device.product_key}/{device.name}/response"
    now = clock.now_ms()
    assert await messages.publish("/ext/ntp/request", sent) == [(topic, answer % (now, now))]


@one_database
@pytest.mark.parametrize(
    "sent", [b"", b"{}", b"[]", b"\xff", b'{"deviceSendTime":[1]}', b'{"deviceSendTime":"%b"}' % (b"1" * 99)]
)
async def test_a_question_without_a_time_gets_no_answer(messages: Messages, sent: bytes) -> None:
    assert await messages.publish("/ext/ntp/request", sent) == []


@one_database
@pytest.mark.parametrize("suffix", ["thing/reset", "thing/awss/enrollee/match"])
async def test_what_kits_say_after_each_start_is_acknowledged(messages: Messages, suffix: str) -> None:
    assert await messages.request(suffix, {}) == {"code": 200, "data": {}, "message": "success"}
