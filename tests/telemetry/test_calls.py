from typing import Any

import msgspec
import pytest

from tests.telemetry.test_history_operations import span
from tests.telemetry.world import ON_ONE_DATABASE, World
from thingplane.telemetry.calls import MAX_PENDING, Call, CallLog
from thingplane.telemetry.replies import Replies


async def records(world: World, **filters: Any) -> list[dict[str, Any]]:
    data = (await world.call("QueryDeviceServiceData", **span(world), **filters))["Data"]
    infos: list[dict[str, Any]] = data["List"]["ServiceInfo"]
    return infos


def begin(world: World, identifier: str = "blink", params: bytes = b'{"times":3}', message_id: int = 77) -> Call:
    return world.telemetry.calls.begin(world.device.id, identifier, message_id, params)


def reply(call: Call, **members: Any) -> bytes:
    return msgspec.json.encode({"id": str(call.alink_id), "code": 200, "data": {}} | members)


def restart(world: World) -> None:
    """Forget what is only in memory."""
    world.telemetry.calls = CallLog(world.series, world.clock)
    world.telemetry.replies = Replies(world.telemetry.calls, world.commits)
    for suffix, handler in (
        ("thing/service/property/set_reply", world.telemetry.replies.set_reply),
        ("thing/service/blink_reply", world.telemetry.replies.service_reply),
    ):
        route = world.table.find(suffix)
        assert route is not None
        route.handler = handler


async def test_a_call_is_recorded_with_its_input_before_there_is_a_reply(world: World) -> None:
    begin(world)
    await world.telemetry.durable()
    assert await records(world) == [
        {"Time": str(world.clock.now_ms()), "Identifier": "blink", "Name": "Blink", "InputData": '{"times":3}'}
    ]


async def test_a_reply_completes_the_record_of_its_call(world: World) -> None:
    called = world.clock.now_ms()
    call = begin(world)
    world.clock.advance(2)
    text = reply(call, data={"done": 1})
    await world.uplink("thing/service/blink_reply", text)
    [record] = await records(world)
    assert (record["Time"], record["InputData"], record["OutputData"]) == (str(called), '{"times":3}', text.decode())


async def test_property_settings_are_records_of_the_service_set(world: World) -> None:
    call = begin(world, "set", b'{"Level":1}')
    await world.uplink("thing/service/property/set_reply", reply(call))
    [record] = await records(world, Identifier="set")
    assert (record["Name"], record["InputData"]) == ("set", '{"Level":1}')
    assert record["OutputData"] == reply(call).decode()


async def test_a_number_as_id_is_understood(world: World) -> None:
    call = begin(world)
    await world.uplink("thing/service/blink_reply", reply(call, id=call.alink_id))
    [record] = await records(world)
    assert "OutputData" in record


async def test_calls_of_one_millisecond_keep_their_own_replies(world: World) -> None:
    first, second = begin(world, params=b'{"times":1}'), begin(world, params=b'{"times":2}')
    await world.uplink("thing/service/blink_reply", reply(second, code=201))
    await world.uplink("thing/service/blink_reply", reply(first, code=200))
    codes = {record["InputData"]: msgspec.json.decode(record["OutputData"])["code"] for record in await records(world)}
    assert codes == {'{"times":1}': 200, '{"times":2}': 201}


async def test_a_reply_after_a_restart_finds_its_call_in_the_history(world: World) -> None:
    call = begin(world)
    await world.telemetry.durable()
    restart(world)
    world.clock.advance(3600)
    await world.uplink("thing/service/blink_reply", reply(call))
    [record] = await records(world)
    assert record["OutputData"] == reply(call).decode()


async def test_a_reply_that_comes_again_is_recorded_once(world: World) -> None:
    call = begin(world)
    await world.uplink("thing/service/blink_reply", reply(call))
    await world.uplink("thing/service/blink_reply", reply(call, code=500))
    [record] = await records(world)
    assert record["OutputData"] == reply(call).decode()


@ON_ONE_DATABASE
@pytest.mark.parametrize(
    "payload",
    [b"", b"[]", b'{"code":200}', b'{"id":"x"}', b'{"id":true}', b'{"id":"1","data":"\xff"}', b'{"id":1' + b"[" * 9],
)
async def test_replies_that_make_no_sense_change_nothing(world: World, payload: bytes) -> None:
    begin(world)
    uplink = await world.uplink("thing/service/blink_reply", payload)
    assert uplink.replies == []
    [record] = await records(world)
    assert "OutputData" not in record


async def test_a_reply_of_another_device_or_service_changes_nothing(world: World) -> None:
    call = begin(world)
    other = await world.devices.register(world.product, "lamp2")
    await world.uplink("thing/service/blink_reply", reply(call), other)
    await world.uplink("thing/service/property/set_reply", reply(call))
    [record] = await records(world)
    assert "OutputData" not in record


async def test_records_are_paged_by_calls_not_by_points(world: World) -> None:
    for number in range(5):
        call = begin(world, params=b'{"times":%d}' % number)
        await world.uplink("thing/service/blink_reply", reply(call))
        world.clock.advance(1)
    parameters = {"PageSize": 2, "Asc": 1, **span(world)}
    pages = []
    while True:
        data = (await world.call("QueryDeviceServiceData", **parameters))["Data"]
        assert all("OutputData" in info for info in data["List"]["ServiceInfo"])
        pages.append([info["InputData"] for info in data["List"]["ServiceInfo"]])
        if not data["NextValid"]:
            break
        parameters["StartTime"] = data["NextTime"]
    assert pages == [['{"times":0}', '{"times":1}'], ['{"times":2}', '{"times":3}'], ['{"times":4}']]


@ON_ONE_DATABASE
async def test_request_ids_fit_32_bits_and_differ(world: World) -> None:
    calls = [begin(world) for _ in range(100)]
    assert len({call.alink_id for call in calls}) == 100
    assert all(0 <= call.alink_id < 2**31 for call in calls)


@ON_ONE_DATABASE
async def test_memory_of_pending_calls_is_bounded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    assert MAX_PENDING > 1000
    monkeypatch.setattr("thingplane.telemetry.calls.MAX_PENDING", 1)
    first, second = begin(world), begin(world)
    assert world.telemetry.calls.pending(world.device.id, first.alink_id) is None
    assert world.telemetry.calls.pending(world.device.id, second.alink_id) == second
