"""BatchPub."""

import base64
from typing import Any

import pytest

from tests.telemetry.world import ON_ONE_DATABASE, World

HELLO = base64.b64encode(b"hello").decode()


def parameters(world: World, **changes: Any) -> dict[str, Any]:
    given = {"DeviceName": ["lamp1", "lamp2"], "TopicShortName": "get", "MessageContent": HELLO}
    return {"ProductKey": world.product.product_key} | given | changes


@pytest.fixture(autouse=True)
async def second(world: World) -> None:
    world.connect()
    world.connect(await world.devices.register(world.product, "lamp2"))


async def test_each_device_gets_the_message_on_its_own_topic(world: World) -> None:
    assert (await world.call("BatchPub", **parameters(world, DeviceName=["lamp1", "lamp2", "lamp1"])))["Success"]
    key = world.product.product_key
    assert [message.topic for message in world.downlink.sent] == [f"/{key}/lamp1/user/get", f"/{key}/lamp2/user/get"]
    assert {(m.payload, m.qos, m.needs_subscription) for m in world.downlink.sent} == {(b"hello", 0, True)}


async def test_mqtt_5_properties_are_passed_on(world: World) -> None:
    more = {
        "Qos": 1,
        "CorrelationData": base64.b64encode(b"\x00\xff").decode(),
        "UserProp": [{"Key": "k1", "Value": "v1"}],
        "ContentType": "text/plain",
        "MessageExpiryInterval": 60,
        "PayloadFormatIndicator": 1,
        "Retained": True,
        "ResponseTopicTemplateName": "/${productKey}/${deviceName}/user/update",
    }
    assert (await world.call("BatchPub", **parameters(world, **more)))["Success"] is True
    first, second = world.downlink.sent
    assert (first.qos, first.retain, first.expiry) == (1, True, 60)
    assert first.properties == {
        "correlation_data": b"\x00\xff",
        "user": [("k1", "v1")],
        "content_type": "text/plain",
        "payload_format": 1,
        "response_topic": f"/{world.product.product_key}/lamp1/user/update",
    }
    assert second.properties["response_topic"] == f"/{world.product.product_key}/lamp2/user/update"


async def test_a_template_takes_the_place_of_the_short_name(world: World) -> None:
    template = {"TopicTemplateName": "/${productKey}/${deviceName}/user/get", "TopicShortName": "ignored"}
    assert (await world.call("BatchPub", **parameters(world, **template)))["Success"] is True
    assert len(world.downlink.sent) == 2


async def test_devices_that_are_offline_do_not_make_the_call_fail(world: World) -> None:
    world.disconnect()
    assert (await world.call("BatchPub", **parameters(world)))["Success"] is True
    assert len(world.downlink.sent) == 1


@ON_ONE_DATABASE
@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"DeviceName": ["lamp1", "nobody"]}, "iot.device.NotExistedDevice"),
        ({"DeviceName": [f"lamp{n}" for n in range(101)]}, "iot.common.InvalidFormattedParameter"),
        ({"ProductKey": "a1Unknown00"}, "iot.prod.NotExistedProduct"),
        ({"TopicShortName": ""}, "iot.messagebroker.NullTopicName"),
        ({"TopicShortName": "+"}, "iot.messagebroker.InvalidFormattedTopicName"),
        ({"TopicShortName": "a//b"}, "iot.messagebroker.InvalidFormattedTopicName"),
        ({"TopicShortName": "x" * 128}, "iot.messagebroker.InvalidFormattedTopicName"),
        ({"TopicShortName": "nothing"}, "iot.messagebroker.TopicTemplateIsNotFound"),
        ({"TopicShortName": "update"}, "iot.messagebroker.PublishMessageFailed"),
        ({"TopicTemplateName": "/${productKey}/lamp1/user/get"}, "iot.messagebroker.InvalidFormattedTopicName"),
        ({"TopicTemplateName": "/sys/${productKey}/x"}, "iot.messagebroker.InvalidFormattedTopicName"),
        ({"ResponseTopicTemplateName": "/a/+"}, "iot.messagebroker.InvalidMqttResponseTopic"),
        ({"MessageContent": ""}, "iot.messagebroker.NullMessageContent"),
        ({"MessageContent": "no base64!"}, "iot.messagebroker.MessageContentIsNotBase64Encode"),
        (
            {"MessageContent": base64.b64encode(b"x" * (256 * 1024 + 1)).decode()},
            "iot.messagebroker.PublishMessageFailed",
        ),
        ({"Qos": 2}, "iot.common.InvalidFormattedParameter"),
        ({"CorrelationData": "A" * 132}, "iot.messagebroker.CorrelationDataExceedMaxLength"),
        ({"UserProp": [{"Key": "k"}]}, "iot.messagebroker.InvalidUserProperty"),
    ],
)
async def test_what_is_refused_is_sent_to_nobody(world: World, changes: dict[str, Any], code: str) -> None:
    assert await world.refused("BatchPub", **parameters(world, **changes)) == code
    assert world.downlink.sent == []
