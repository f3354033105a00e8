import msgspec
import pytest

from tests.telemetry.test_calls import records
from tests.telemetry.world import ON_ONE_DATABASE, World


async def test_properties_are_sent_to_the_device(world: World) -> None:
    world.connect()
    answer = await world.call("SetDeviceProperty", Items='{ "Level": 5, "Label": "x", "Place": {"x": 1} }')
    assert answer["Success"] is True
    [message] = world.downlink.sent
    assert message.topic == f"/sys/{world.product.product_key}/lamp1/thing/service/property/set"
    assert (message.device_id, message.qos, message.needs_subscription) == (world.device.id, 0, False)
    request = msgspec.json.decode(message.payload)
    assert list(request) == ["id", "version", "method", "params"]
    assert request["method"] == "thing.service.property.set"
    assert request["params"] == {"Level": 5, "Label": "x", "Place": {"x": 1}}
    assert 0 <= int(request["id"]) < 2**31
    assert b" " not in message.payload
    assert answer["Data"]["MessageId"].isdecimal()


async def test_a_setting_is_recorded_durably_with_the_devices_reply(world: World) -> None:
    world.connect()
    await world.call("SetDeviceProperty", Items='{"Level":5}')
    [record] = await records(world)
    assert (record["Identifier"], record["InputData"]) == ("set", '{"Level":5}')
    assert "OutputData" not in record
    alink_id = msgspec.json.decode(world.downlink.sent[0].payload)["id"]
    text = b'{"id":"%b","code":200,"data":{}}' % alink_id.encode()
    await world.uplink("thing/service/property/set_reply", text)
    [record] = await records(world)
    assert record["OutputData"] == text.decode()


async def test_properties_of_a_custom_module_can_be_set(world: World) -> None:
    world.connect()
    assert (await world.call("SetDeviceProperty", Items='{"Battery:Volt":5}'))["Success"] is True


@ON_ONE_DATABASE
@pytest.mark.parametrize(
    ("items", "code"),
    [
        ("", "iot.device.SetDevicePropertyFailed"),
        ("{", "iot.device.SetDevicePropertyFailed"),
        ("[]", "iot.device.SetDevicePropertyFailed"),
        ('"x"', "iot.device.SetDevicePropertyFailed"),
        ("[" * 50_000, "iot.device.SetDevicePropertyFailed"),
        ("{}", "iot.device.NoneDeviceProperties"),
        ('{"Unknown":1}', "iot.device.NoneDeviceProperties"),
        ('{"Level":1,"Unknown":1}', "iot.device.SetDevicePropertyFailed"),
        ('{"Level":"high"}', "iot.device.SetDevicePropertyFailed"),
        ('{"Temp":1.5}', "iot.device.SetDevicePropertyFailed"),
        ('{"Level":{"value":1}}', "iot.device.SetDevicePropertyFailed"),
    ],
)
async def test_items_the_model_refuses_are_not_sent(world: World, items: str, code: str) -> None:
    world.connect()
    assert await world.refused("SetDeviceProperty", Items=items) == code
    assert world.downlink.sent == []
    assert await records(world) == []


@ON_ONE_DATABASE
async def test_more_than_200_properties_are_refused(world: World) -> None:
    world.connect()
    items = msgspec.json.encode({f"p{number}": 1 for number in range(201)}).decode()
    assert await world.refused("SetDeviceProperty", Items=items) == "iot.device.TooManyDevicePropertiesPerTime"


async def test_a_device_that_never_connected_is_inactive(world: World) -> None:
    assert await world.refused("SetDeviceProperty", Items='{"Level":5}') == "iot.device.InactiveDevice"


async def test_a_device_that_went_away_is_offline(world: World) -> None:
    world.connect()
    world.disconnect()
    assert await world.refused("SetDeviceProperty", Items='{"Level":5}') == "iot.messagebroker.OFFLINE"
    assert await records(world) == []


async def test_with_qos_1_the_session_of_an_offline_device_keeps_the_message(world: World) -> None:
    world.connect()
    world.disconnect()
    world.downlink.with_session.add(world.device.id)
    assert (await world.call("SetDeviceProperty", Items='{"Level":5}', Qos=1))["Success"] is True
    assert [message.qos for message in world.downlink.sent] == [1]


async def test_with_qos_1_a_device_without_session_is_offline_and_the_record_says_so(world: World) -> None:
    world.connect()
    world.disconnect()
    assert await world.refused("SetDeviceProperty", Items='{"Level":5}', Qos=1) == "iot.messagebroker.OFFLINE"
    [record] = await records(world)
    assert msgspec.json.decode(record["OutputData"])["code"] == 9201


@ON_ONE_DATABASE
async def test_qos_2_is_refused(world: World) -> None:
    code = await world.refused("SetDeviceProperty", Items='{"Level":5}', Qos=2)
    assert code == "iot.common.InvalidFormattedParameter"


async def test_products_without_thing_model_are_refused(world: World) -> None:
    product = await world.add_product("Basic", senior=False, data_format=None)
    device = await world.devices.register(product, "basic1")
    code = await world.refused("SetDeviceProperty", IotId=device.iot_id, Items='{"Level":5}')
    assert code == "iot.prod.NotSeniorProduct"


async def test_a_product_with_a_data_format_of_its_own_needs_a_script(world: World) -> None:
    product = await world.add_product("Raw", data_format=0)
    device = await world.devices.register(product, "raw1")
    world.connect(device)
    answer = await world.call("SetDeviceProperty", IotId=device.iot_id, Items='{"Level":5}')
    assert answer["Code"] == "iot.device.SetDevicePropertyFailed"
    assert "data-parsing script" in answer["ErrorMessage"]
    assert world.downlink.sent == []
    [record] = await records(world, IotId=device.iot_id)
    assert msgspec.json.decode(record["OutputData"])["code"] == 6200


async def test_devices_of_a_product_are_set_at_once(world: World) -> None:
    second, third = [await world.devices.register(world.product, name) for name in ("lamp2", "lamp3")]
    world.connect()
    world.connect(second)
    world.disconnect(second)
    answer = await world.api.call(
        "SetDevicesProperty",
        ProductKey=world.product.product_key,
        DeviceName=["lamp1", "lamp2", "lamp3", "lamp1"],
        Items='{"Level":5}',
    )
    assert answer["Success"] is True
    assert [message.device_id for message in world.downlink.sent] == [world.device.id]
    codes = {}
    for device in (second, third):
        [record] = await records(world, IotId=device.iot_id)
        codes[device.name] = msgspec.json.decode(record["OutputData"])["code"]
    assert codes == {"lamp2": 9201, "lamp3": 9200}


@ON_ONE_DATABASE
@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"DeviceName": ["lamp1", "nobody"]}, "iot.device.NotExistedDevice"),
        ({"DeviceName": [f"lamp{number}" for number in range(101)]}, "iot.common.InvalidFormattedParameter"),
        ({"ProductKey": "a1Unknown00"}, "iot.prod.NotExistedProduct"),
        ({"ProductKey": ""}, "iot.prod.NullProductKey"),
        ({"Items": "{}"}, "iot.device.NoneDeviceProperties"),
    ],
)
async def test_bad_parameters_of_a_batch_send_nothing(world: World, changes: dict[str, object], code: str) -> None:
    world.connect()
    parameters = {"ProductKey": world.product.product_key, "DeviceName": ["lamp1"], "Items": '{"Level":5}'}
    assert await world.refused("SetDevicesProperty", **(parameters | changes)) == code
    assert world.downlink.sent == []
