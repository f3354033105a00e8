import base64

import pytest

from tests.telemetry.world import ON_ONE_DATABASE, World
from thingplane.bus import ConnectionLostError

HELLO = base64.b64encode(b"hello").decode()


async def test_the_answer_of_the_device_comes_back(world: World) -> None:
    world.connect()
    world.downlink.answers.append(b"\x00world")
    answer = await world.call("RRpc", RequestBase64Byte=HELLO, Timeout=1000)
    assert (answer["Success"], answer["RrpcCode"]) == (True, "SUCCESS")
    assert base64.b64decode(answer["PayloadBase64Byte"]) == b"\x00world"
    [message] = world.downlink.sent
    assert message.topic == f"/sys/{world.product.product_key}/lamp1/rrpc/request/{answer['MessageId']}"
    assert (message.payload, message.qos) == (b"hello", 0)


async def test_a_custom_topic_stands_behind_the_message_id(world: World) -> None:
    world.connect()
    world.downlink.answers.append(b"")
    topic = f"/{world.product.product_key}/lamp1/user/get"
    answer = await world.call("RRpc", RequestBase64Byte=HELLO, Timeout=8000, Topic=topic, ContentType="text/plain")
    assert answer["PayloadBase64Byte"] == ""
    [message] = world.downlink.sent
    assert message.topic == f"/ext/rrpc/{answer['MessageId']}{topic}"
    assert message.properties == {"content_type": "text/plain"}


async def test_an_offline_device_fails_at_once(world: World) -> None:
    answer = await world.call("RRpc", RequestBase64Byte=HELLO, Timeout=1000)
    assert (answer["Success"], answer["Code"], answer["RrpcCode"]) == (False, "iot.messagebroker.OFFLINE", "OFFLINE")
    assert isinstance(answer["MessageId"], int)


async def test_a_device_that_does_not_answer_times_out(world: World) -> None:
    world.connect()
    answer = await world.call("RRpc", RequestBase64Byte=HELLO, Timeout=1000)
    assert (answer["Success"], answer["Code"], answer["RrpcCode"]) == (False, "iot.messagebroker.TIMEOUT", "TIMEOUT")


async def test_a_connection_lost_while_waiting_is_half_a_connection(world: World) -> None:
    world.connect()
    world.downlink.answers.append(ConnectionLostError())
    answer = await world.call("RRpc", RequestBase64Byte=HELLO, Timeout=1000)
    assert (answer["Code"], answer["RrpcCode"]) == ("iot.messagebroker.HALFCONN", "HALFCONN")


@ON_ONE_DATABASE
@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"Timeout": 999}, "iot.messagebroker.InvalidTimeoutValue"),
        ({"Timeout": 8001}, "iot.messagebroker.InvalidTimeoutValue"),
        ({"Timeout": "soon"}, "iot.messagebroker.InvalidTimeoutValue"),
        ({"RequestBase64Byte": ""}, "iot.messagebroker.NullMessageContent"),
        ({"RequestBase64Byte": "?"}, "iot.messagebroker.MessageContentIsNotBase64Encode"),
        (
            {"RequestBase64Byte": base64.b64encode(b"x" * (256 * 1024 + 1)).decode()},
            "iot.messagebroker.RrpcFailed",
        ),
        ({"DeviceName": ""}, "iot.device.NullDeviceName"),
        ({"DeviceName": "nobody"}, "iot.device.NotExistedDevice"),
        ({"Topic": ""}, "iot.messagebroker.NullTopicName"),
        ({"Topic": "user/get"}, "iot.messagebroker.InvalidFormattedTopicName"),
        ({"Topic": "/{pk}/other/user/get"}, "iot.messagebroker.InvalidFormattedTopicName"),
        ({"Topic": "/sys/{pk}/lamp1/thing/service/x"}, "iot.messagebroker.InvalidFormattedTopicName"),
    ],
)
async def test_bad_parameters_are_refused(world: World, changes: dict[str, object], code: str) -> None:
    world.connect()
    changes = {
        name: value.replace("{pk}", world.product.product_key) if isinstance(value, str) else value
        for name, value in changes.items()
    }
    names = {"ProductKey": world.product.product_key, "DeviceName": "lamp1"}
    assert await world.refused("RRpc", **(names | {"RequestBase64Byte": HELLO, "Timeout": 1000} | changes)) == code
    assert world.downlink.sent == []
