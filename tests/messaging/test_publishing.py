import base64

import pytest

from tests.telemetry.world import ON_ONE_DATABASE, World

HELLO = base64.b64encode(b"hello").decode()


def parameters(world: World, **changes: object) -> dict[str, object]:
    topic = f"/{world.product.product_key}/lamp1/user/get"
    return {"ProductKey": world.product.product_key, "TopicFullName": topic, "MessageContent": HELLO} | changes


async def test_a_message_is_published_to_subscribers_of_a_custom_topic(world: World) -> None:
    world.connect()
    answer = await world.call("Pub", **parameters(world))
    assert answer["Success"] is True
    assert answer["MessageId"].isdecimal()
    [message] = world.downlink.sent
    assert message.topic == f"/{world.product.product_key}/lamp1/user/get"
    assert (message.payload, message.qos, message.retain, message.expiry) == (b"hello", 0, False, None)
    assert message.needs_subscription is True
    assert message.properties == {}


async def test_mqtt_5_properties_are_passed_on(world: World) -> None:
    world.connect()
    answer = await world.call(
        "Pub",
        **parameters(world),
        Qos=1,
        ResponseTopic=f"/{world.product.product_key}/lamp1/user/update",
        CorrelationData=base64.b64encode(b"\x00\xff").decode(),
        UserProp=[{"Key": "k1", "Value": "v1"}, {"Key": "k1", "Value": ""}],
        ContentType="text/plain",
        MessageExpiryInterval=60,
        PayloadFormatIndicator=1,
        Retained=True,
        TopicAlias=3,
    )
    assert answer["Success"] is True
    [message] = world.downlink.sent
    assert (message.qos, message.retain, message.expiry) == (1, True, 60)
    assert message.properties == {
        "response_topic": f"/{world.product.product_key}/lamp1/user/update",
        "correlation_data": b"\x00\xff",
        "user": [("k1", "v1"), ("k1", "")],
        "content_type": "text/plain",
        "payload_format": 1,
        "topic_alias": 3,
    }


@pytest.mark.parametrize("qos", [0, 1])
async def test_publishing_to_an_offline_device_succeeds(world: World, qos: int) -> None:
    world.downlink.with_session.add(world.device.id)
    assert (await world.call("Pub", **parameters(world, Qos=qos)))["Success"] is True
    assert len(world.downlink.sent) == qos


async def test_base64_may_lack_its_padding(world: World) -> None:
    world.connect()
    await world.call("Pub", **parameters(world, MessageContent=HELLO.rstrip("=")))
    assert [message.payload for message in world.downlink.sent] == [b"hello"]


@ON_ONE_DATABASE
@pytest.mark.parametrize(
    ("topic", "code"),
    [
        ("", "iot.messagebroker.NullTopicName"),
        ("{pk}/lamp1/user/get", "iot.messagebroker.InvalidFormattedTopicName"),
        ("/{pk}/lamp1", "iot.messagebroker.InvalidFormattedTopicName"),
        ("/{pk}/lamp1/", "iot.messagebroker.InvalidFormattedTopicName"),
        ("/{pk}/lamp1//get", "iot.messagebroker.InvalidFormattedTopicName"),
        ("/{pk}/lamp1/user/+", "iot.messagebroker.InvalidFormattedTopicName"),
        ("/{pk}/+/user/get", "iot.messagebroker.InvalidFormattedTopicName"),
        ("/{pk}/lamp1/a/b/c/d/e/f", "iot.messagebroker.InvalidFormattedTopicName"),
        ("/{pk}/lamp1/user/" + "x" * 120, "iot.messagebroker.InvalidFormattedTopicName"),
        ("/a1Another00/lamp1/user/get", "iot.messagebroker.InvalidFormattedTopicName"),
        ("/sys/{pk}/lamp1/thing/service/property/set", "iot.messagebroker.InvalidFormattedTopicName"),
        ("/{pk}/lamp1/user/nothing", "iot.messagebroker.TopicTemplateIsNotFound"),
        ("/{pk}/lamp1/user/update", "iot.messagebroker.PublishMessageFailed"),
        ("/{pk}/nobody/user/get", "iot.device.NotExistedDevice"),
    ],
)
async def test_topics_that_cannot_be_published_to_are_refused(world: World, topic: str, code: str) -> None:
    world.connect()
    topic = topic.replace("{pk}", world.product.product_key)
    assert await world.refused("Pub", **parameters(world, TopicFullName=topic)) == code
    assert world.downlink.sent == []


@ON_ONE_DATABASE
@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"MessageContent": ""}, "iot.messagebroker.NullMessageContent"),
        ({"MessageContent": "no base64!"}, "iot.messagebroker.MessageContentIsNotBase64Encode"),
        (
            {"MessageContent": base64.b64encode(b"x" * (256 * 1024 + 1)).decode()},
            "iot.messagebroker.PublishMessageFailed",
        ),
        ({"Qos": 2}, "iot.common.InvalidFormattedParameter"),
        ({"ProductKey": "a1Unknown00"}, "iot.prod.NotExistedProduct"),
        ({"ResponseTopic": "/a/+"}, "iot.messagebroker.InvalidMqttResponseTopic"),
        ({"ResponseTopic": ""}, "iot.messagebroker.InvalidMqttResponseTopic"),
        ({"CorrelationData": ""}, "iot.messagebroker.NullCorrelationData"),
        ({"CorrelationData": "?"}, "iot.messagebroker.CorrelationDataNotBase64Encode"),
        ({"CorrelationData": "A" * 132}, "iot.messagebroker.CorrelationDataExceedMaxLength"),
        (
            {"UserProp": [{"Key": "k", "Value": "v"} for _ in range(21)]},
            "iot.messagebroker.TooManyUserProperties",
        ),
        (
            {"UserProp": [{"Key": "k", "Value": "v" * 4096}, {"Key": "k", "Value": "v" * 4096}]},
            "iot.messagebroker.UserPropertyListExceedMaxLength",
        ),
        ({"UserProp": [{"Key": "k"}]}, "iot.messagebroker.InvalidUserProperty"),
        ({"UserProp": [{"Value": "v"}]}, "iot.messagebroker.InvalidUserProperty"),
        ({"UserProp": [{"Key": "k\0", "Value": "v"}]}, "iot.messagebroker.InvalidUserProperty"),
        ({"UserProp": [{"Key": "k", "Value": "\0"}]}, "iot.messagebroker.InvalidUserProperty"),
        ({"ContentType": "text\0"}, "iot.common.InvalidFormattedParameter"),
        ({"PayloadFormatIndicator": 2}, "iot.common.InvalidFormattedParameter"),
        ({"TopicAlias": 0}, "iot.common.InvalidFormattedParameter"),
    ],
)
async def test_bad_parameters_are_refused(world: World, changes: dict[str, object], code: str) -> None:
    world.connect()
    assert await world.refused("Pub", **parameters(world, **changes)) == code
    assert world.downlink.sent == []
