import msgspec
import pytest

from tests.telemetry.test_calls import records
from tests.telemetry.world import ON_ONE_DATABASE, World
from thingplane.bus import ConnectionLostError


async def test_an_asynchronous_service_is_called_and_answered_later(world: World) -> None:
    world.connect()
    answer = await world.call("InvokeThingService", Identifier="blink", Args='{"times": 3}')
    assert list(answer["Data"]) == ["MessageId"]
    [message] = world.downlink.sent
    assert message.topic == f"/sys/{world.product.product_key}/lamp1/thing/service/blink"
    request = msgspec.json.decode(message.payload)
    assert (request["method"], request["params"]) == ("thing.service.blink", {"times": 3})
    text = b'{"id":"%b","code":200,"data":{"done":1}}' % request["id"].encode()
    await world.uplink("thing/service/blink_reply", text)
    [record] = await records(world)
    assert (record["InputData"], record["OutputData"]) == ('{"times":3}', text.decode())


async def test_a_service_of_a_custom_module_is_called_by_its_full_name(world: World) -> None:
    world.connect()
    await world.call("InvokeThingService", Identifier="Battery:charge", Args="{}")
    [message] = world.downlink.sent
    assert message.topic.endswith("/thing/service/Battery:charge")
    assert msgspec.json.decode(message.payload)["method"] == "thing.service.Battery:charge"


async def test_a_synchronous_service_waits_for_the_reply(world: World) -> None:
    world.connect()
    text = b'{"code":200,"data":{"value":7},"id":"1"}'
    world.downlink.answers.append(text)
    answer = await world.call("InvokeThingService", Identifier="measure", Args='{"times":1}')
    assert answer["Data"]["Result"] == text.decode()
    message_id = answer["Data"]["MessageId"]
    [message] = world.downlink.sent
    assert message.topic == f"/sys/{world.product.product_key}/lamp1/rrpc/request/{message_id}"
    assert msgspec.json.decode(message.payload)["method"] == "thing.service.measure"
    [record] = await records(world)
    assert (record["InputData"], record["OutputData"]) == ('{"times":1}', text.decode())


async def test_a_synchronous_service_goes_on_its_own_topic_to_clients_that_understand(world: World) -> None:
    world.connect()
    world.downlink.with_custom_rrpc.add(world.device.id)
    world.downlink.answers.append(b'{"code":200,"data":{},"id":"1"}')
    answer = await world.call("InvokeThingService", Identifier="measure", Args='{"times":1}')
    [message] = world.downlink.sent
    topic = f"/sys/{world.product.product_key}/lamp1/thing/service/measure"
    assert message.topic == f"/ext/rrpc/{answer['Data']['MessageId']}{topic}"


@ON_ONE_DATABASE
@pytest.mark.parametrize(
    ("outcome", "code"),
    [
        (None, "iot.messagebroker.TIMEOUT"),
        (ConnectionLostError(), "iot.messagebroker.HALFCONN"),
        (b"not json", "iot.device.InvokeThingServiceFailed"),
        (b"[]", "iot.device.InvokeThingServiceFailed"),
        (b'{"data":"\xff"}', "iot.device.InvokeThingServiceFailed"),
    ],
)
async def test_a_synchronous_service_without_a_usable_reply_fails_but_is_recorded(
    world: World, outcome: bytes | Exception | None, code: str
) -> None:
    world.connect()
    if outcome is not None:
        world.downlink.answers.append(outcome)
    assert await world.refused("InvokeThingService", Identifier="measure", Args='{"times":1}') == code
    [record] = await records(world)
    assert "OutputData" not in record


@pytest.mark.parametrize("service", ["blink", "measure"])
async def test_services_of_unreachable_devices_are_not_called(world: World, service: str) -> None:
    parameters = {"Identifier": service, "Args": "{}"}
    assert await world.refused("InvokeThingService", **parameters) == "iot.device.InactiveDevice"
    world.connect()
    world.disconnect()
    assert await world.refused("InvokeThingService", **parameters) == "iot.messagebroker.OFFLINE"
    assert await records(world) == []


@ON_ONE_DATABASE
@pytest.mark.parametrize(
    "changes",
    [
        {"Identifier": "nothing"},
        {"Identifier": "set"},
        {"Identifier": ""},
        {"Args": ""},
        {"Args": "[]"},
        {"Args": "{"},
        {"Args": '{"times":"x"}'},
        {"Args": '{"unknown":1}'},
    ],
)
async def test_calls_the_model_refuses_are_not_sent(world: World, changes: dict[str, str]) -> None:
    world.connect()
    parameters = {"Identifier": "blink", "Args": '{"times":1}'} | changes
    assert await world.refused("InvokeThingService", **parameters) == "iot.device.InvokeThingServiceFailed"
    assert world.downlink.sent == []


async def test_a_missing_argument_is_refused_under_the_strong_check(world: World) -> None:
    product = await world.add_product("Strict", validate_type=0)
    device = await world.devices.register(product, "strict1")
    answer = await world.call("InvokeThingService", IotId=device.iot_id, Identifier="blink", Args="{}")
    assert answer["Code"] == "iot.device.InvokeThingServiceFailed"
    assert "times" in answer["ErrorMessage"]


async def test_services_of_many_devices_are_called_at_once(world: World) -> None:
    second = await world.devices.register(world.product, "lamp2")
    world.connect()
    world.connect(second)
    names = {"ProductKey": world.product.product_key, "DeviceName": ["lamp1", "lamp2"]}
    answer = await world.api.call("InvokeThingsService", Identifier="blink", Args='{"times":1}', **names)
    assert answer["Success"] is True
    assert [message.device_id for message in world.downlink.sent] == [world.device.id, second.id]
    code = await world.refused("InvokeThingsService", Identifier="measure", Args='{"times":1}', **names)
    assert code == "iot.device.InvokeThingServiceFailed"


@ON_ONE_DATABASE
async def test_a_hundred_devices_are_asked_by_one_call(world: World) -> None:
    names = [f"many{number}" for number in range(100)]
    devices = [await world.devices.register(world.product, name) for name in names]
    for device in devices:
        world.connect(device)
    everyone = {"ProductKey": world.product.product_key, "DeviceName": names}
    await world.api.call("InvokeThingsService", Identifier="blink", Args='{"times":1}', **everyone)
    await world.api.call("SetDevicesProperty", Items='{"Level":5}', **everyone)
    ids = [device.id for device in devices]
    assert [message.device_id for message in world.downlink.sent] == ids * 2
    assert len({msgspec.json.decode(message.payload)["id"] for message in world.downlink.sent}) == 200


async def test_sessions_of_offline_devices_keep_calls_with_qos_1_and_records_tell_of_the_others(world: World) -> None:
    second, third = [await world.devices.register(world.product, name) for name in ("lamp2", "lamp3")]
    for device in (world.device, second):
        world.connect(device)
        world.disconnect(device)
    world.downlink.with_session.add(world.device.id)
    names = {"ProductKey": world.product.product_key, "DeviceName": ["lamp1", "lamp2", "lamp3"]}
    for action, more in (
        ("InvokeThingsService", {"Identifier": "blink", "Args": '{"times":1}'}),
        ("SetDevicesProperty", {"Items": '{"Level":5}'}),
    ):
        assert (await world.api.call(action, Qos=1, **names, **more))["Success"] is True
    assert [(message.device_id, message.qos) for message in world.downlink.sent] == [(world.device.id, 1)] * 2
    answer = await world.call("InvokeThingService", Identifier="blink", Args='{"times":1}', Qos=1)
    assert answer["Success"] is True
    assert len(world.downlink.sent) == 3
    for device, code in ((second, 9201), (third, 9200)):
        outputs = [record["OutputData"] for record in await records(world, IotId=device.iot_id)]
        assert [msgspec.json.decode(output)["code"] for output in outputs] == [code] * 2


@ON_ONE_DATABASE
@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"DeviceName": ["lamp1", "nobody"]}, "iot.device.NotExistedDevice"),
        ({"DeviceName": [f"lamp{number}" for number in range(101)]}, "iot.common.InvalidFormattedParameter"),
        ({"ProductKey": "a1Unknown00"}, "iot.prod.NotExistedProduct"),
        ({"ProductKey": ""}, "iot.prod.NullProductKey"),
        ({"Identifier": "nothing"}, "iot.device.InvokeThingServiceFailed"),
        ({"Args": "[]"}, "iot.device.InvokeThingServiceFailed"),
        ({"Args": '{"times":"x"}'}, "iot.device.InvokeThingServiceFailed"),
        ({"Qos": 2}, "iot.common.InvalidFormattedParameter"),
    ],
)
async def test_bad_parameters_of_a_call_for_many_call_nobody(
    world: World, changes: dict[str, object], code: str
) -> None:
    world.connect()
    parameters = {"ProductKey": world.product.product_key, "DeviceName": ["lamp1"], "Identifier": "blink"}
    assert await world.refused("InvokeThingsService", **({**parameters, "Args": '{"times":1}'} | changes)) == code
    assert world.downlink.sent == []
