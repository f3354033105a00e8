"""UpdateDeviceShadow and GetDeviceShadow."""

from typing import Any

import msgspec
import pytest

from tests.common.api import OTHER_INSTANCE
from tests.common.xml import call_xml
from tests.shadows.world import Shadows
from tests.telemetry.world import ON_ONE_DATABASE
from thingplane.cloud.client import CallError

PREFIX = "iot.messagebroker."


def desired(value: Any, **more: Any) -> dict[str, Any]:
    return {"method": "update", "state": {"desired": value}, "version": 1} | more


async def test_what_is_desired_replaces_what_was_unless_the_call_says_delta(shadows: Shadows) -> None:
    assert (await shadows.desire(1, color="green", size=1))["Success"] is True
    at = shadows.seconds
    shadows.world.clock.advance(2)
    await shadows.desire(2, delta=True, size=2, shape={"round": True})
    assert await shadows.document() == {
        "method": "update",
        "state": {"desired": {"color": "green", "size": 2, "shape": {"round": True}}},
        "metadata": {
            "desired": {
                "color": {"timestamp": at},
                "size": {"timestamp": at + 2},
                "shape": {"round": {"timestamp": at + 2}},
            }
        },
        "timestamp": at + 2,
        "version": 2,
    }
    await shadows.desire(3, color="blue")
    assert await shadows.state() == {"desired": {"color": "blue"}}


async def test_the_text_null_takes_desired_attributes_away(shadows: Shadows) -> None:
    await shadows.desire(1, color="green", size=1)
    await shadows.desire(2, delta=True, color="null")
    assert await shadows.state() == {"desired": {"size": 1}}
    assert (await shadows.update(desired("null", version=3)))["Success"] is True
    assert await shadows.state() == {}


async def test_an_application_reports_for_a_device(shadows: Shadows) -> None:
    await shadows.report(1, a=1)
    message = {"method": "update", "state": {"reported": {"b": 2}, "desired": {"a": 3}}, "version": 2}
    assert (await shadows.update(message))["Success"] is True
    assert await shadows.state() == {"reported": {"a": 1, "b": 2}, "desired": {"a": 3}}


async def test_the_version_must_be_above_that_of_the_shadow_or_minus_one(shadows: Shadows) -> None:
    await shadows.report(5, a=1)
    for version in (0, 5):
        answer = await shadows.desire(version, a=2)
        assert answer["Code"] == PREFIX + "InvalidVersionValueInShadowMessage"
        assert "it is 5" in answer["ErrorMessage"]
    await shadows.desire(-1, a=2)
    assert (await shadows.document())["version"] == 0


async def test_a_shadow_that_was_never_written_is_empty(shadows: Shadows) -> None:
    assert await shadows.document() == {"method": "update", "state": {}, "metadata": {}, "version": 0}


async def test_answers_in_xml(shadows: Shadows) -> None:
    device = {"ProductKey": shadows.world.product.product_key, "DeviceName": shadows.world.device.name}
    message = msgspec.json.encode(desired({"color": "<green>"})).decode()
    root = await call_xml(shadows.world.api, "UpdateDeviceShadow", ShadowMessage=message, **device)
    assert (root.tag, root.findtext("Success")) == ("UpdateDeviceShadowResponse", "true")
    root = await call_xml(shadows.world.api, "GetDeviceShadow", **device)
    text = root.findtext("ShadowMessage")
    assert text is not None
    assert msgspec.json.decode(text)["state"] == {"desired": {"color": "<green>"}}


async def test_basic_products_have_shadows_too(shadows: Shadows) -> None:
    product = await shadows.world.add_product("Basic", senior=False, data_format=None)
    await shadows.world.devices.register(product, "basic1")
    answer = await shadows.world.call(
        "UpdateDeviceShadow",
        ProductKey=product.product_key,
        DeviceName="basic1",
        ShadowMessage=msgspec.json.encode(desired({"a": 1})).decode(),
    )
    assert answer["Success"] is True


@ON_ONE_DATABASE
@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("", "NullShadowMessage"),
        ("{", "ShadowMessageIsNotJson"),
        ("[]", "ShadowMessageIsNotJson"),
        ("[" * 10_000, "ShadowMessageIsNotJson"),
        ("x" * 16_385, "ShadowMessageLengthIsLarge"),
        ({"state": {"desired": {"a": 1}}, "version": 1}, "NotFoundMethodInShadowMessage"),
        (desired({"a": 1}, method=""), "NotFoundMethodInShadowMessage"),
        (desired({"a": 1}, method="get"), "MethodValueIsNotUpdate"),
        ({"method": "update", "version": 1}, "NotFoundStateInShadowMessage"),
        ({"method": "update", "version": 1, "state": None}, "NotFoundStateInShadowMessage"),
        ({"method": "update", "version": 1, "state": [1]}, "ShadowMessageIsNotJson"),
        ({"method": "update", "state": {"desired": {"a": 1}}}, "NotFoundVersionOrNullVersionValue"),
        (desired({"a": 1}, version=None), "NotFoundVersionOrNullVersionValue"),
        (desired({"a": 1}, version="new"), "InvalidVersionValueInShadowMessage"),
        (desired({"a": 1}, version=True), "InvalidVersionValueInShadowMessage"),
        (desired({"a": 1}, version=-2), "InvalidVersionValueInShadowMessage"),
        (desired({"a": 1}, version=2**63), "InvalidVersionValueInShadowMessage"),
        ({"method": "update", "version": 1, "state": {}}, "NotFoundDesireInShadowMessage"),
        (desired(None), "DesireValueIsNullInShadowMessage"),
        (desired(""), "DesireValueIsNullInShadowMessage"),
        (desired([1]), "DesireInfoInShadowMessageIsNotJson"),
        (desired("on"), "DesireInfoInShadowMessageIsNotJson"),
        (desired({}), "NoneElementInDesire"),
        (desired({"": 1}), "ElementKeyOrValueIsNullInDesire"),
        (desired({"a": {"b": None}}), "ElementKeyOrValueIsNullInDesire"),
        (desired({f"a{number}": 1 for number in range(129)}), "TooManyElementInDesire"),
        (desired({"a": {str(number): 1 for number in range(129)}}), "TooManyElementInDesire"),
        (desired({"a": {"b": {"c": {"d": {"e": {"f": 1}}}}}}), "UpdateDeviceShadowMessageFailed"),
        ({"method": "update", "version": 1, "state": {"reported": "on"}}, "ReportInShadowMessageIsNotJson"),
        ({"method": "update", "version": 1, "state": {"reported": {}}}, "NoneElementInReport"),
        ({"method": "update", "version": 1, "state": {"reported": {"a": None}}}, "ElementKeyOrValueIsNullInReport"),
        (
            {"method": "update", "version": 1, "state": {"reported": {f"a{number}": 1 for number in range(129)}}},
            "TooManyElementInReport",
        ),
    ],
)
async def test_mistakes_have_their_documented_codes_and_change_nothing(
    shadows: Shadows, message: Any, code: str
) -> None:
    assert (await shadows.update(message))["Code"] == PREFIX + code
    assert (await shadows.document())["version"] == 0


@ON_ONE_DATABASE
async def test_merging_keeps_the_limit_of_size(shadows: Shadows) -> None:
    await shadows.desire(1, a="x" * 9000)
    answer = await shadows.desire(2, delta=True, b="x" * 9000)
    assert answer["Code"] == PREFIX + "ShadowMessageLengthIsLarge"
    assert (await shadows.desire(2, b="x" * 9000))["Success"] is True


@ON_ONE_DATABASE
@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"ProductKey": ""}, "iot.prod.NullProductKey"),
        ({"DeviceName": ""}, "iot.device.NullDeviceName"),
        ({"DeviceName": "nobody"}, "iot.device.NotExistedDevice"),
        ({"ProductKey": "a1Unknown00"}, "iot.prod.NotExistedProduct"),
        ({"IotInstanceId": OTHER_INSTANCE.instance_id}, "iot.prod.NotExistedProduct"),
    ],
)
async def test_devices_that_are_not_there_have_no_shadow(shadows: Shadows, changes: dict[str, str], code: str) -> None:
    parameters = {"ProductKey": shadows.world.product.product_key, "DeviceName": shadows.world.device.name} | changes
    assert await shadows.world.refused("GetDeviceShadow", **parameters) == code
    message = msgspec.json.encode(desired({"a": 1})).decode()
    assert await shadows.world.refused("UpdateDeviceShadow", ShadowMessage=message, **parameters) == code


@ON_ONE_DATABASE
async def test_a_missing_parameter_is_told_by_the_gateway(shadows: Shadows) -> None:
    with pytest.raises(CallError, match="MissingShadowMessage"):
        await shadows.world.call("UpdateDeviceShadow")
