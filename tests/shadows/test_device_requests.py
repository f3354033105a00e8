"""What a device says on /shadow/update and hears on /shadow/get."""

from typing import Any

import msgspec
import pytest
from sqlalchemy.exc import OperationalError
from structlog.testing import capture_logs

from tests.shadows.world import Shadows
from tests.telemetry.world import ON_ONE_DATABASE
from thingplane.shadows import messages
from thingplane.storage.database import Database

UPDATE = {"method": "update", "state": {"reported": {"color": "red"}}}


async def test_reported_attributes_merge_into_what_was_reported_before(shadows: Shadows) -> None:
    answer = await shadows.report(1, color="red", size=1)
    at = shadows.seconds
    assert answer == {"method": "reply", "timestamp": at, "payload": {"status": "success", "version": 1}}
    shadows.world.clock.advance(5)
    assert (await shadows.report(7, size=2))["payload"]["version"] == 7
    assert await shadows.document() == {
        "method": "update",
        "state": {"reported": {"color": "red", "size": 2}},
        "metadata": {"reported": {"color": {"timestamp": at}, "size": {"timestamp": at + 5}}},
        "timestamp": at + 5,
        "version": 7,
    }


async def test_a_device_gets_its_shadow(shadows: Shadows) -> None:
    await shadows.report(1, color="red")
    await shadows.desire(2, color="green")
    shadows.world.clock.advance(3)
    at = shadows.seconds
    assert await shadows.say({"method": "get"}) == {
        "method": "reply",
        "version": 2,
        "timestamp": at,
        "payload": {
            "status": "success",
            "state": {"reported": {"color": "red"}, "desired": {"color": "green"}},
            "metadata": {
                "reported": {"color": {"timestamp": at - 3}},
                "desired": {"color": {"timestamp": at - 3}},
            },
        },
    }


async def test_a_shadow_that_was_never_written_is_empty(shadows: Shadows) -> None:
    answer = await shadows.say({"method": "get"})
    assert answer["version"] == 0
    assert answer["payload"] == {"status": "success", "state": {}, "metadata": {}}


async def test_a_device_clears_what_is_desired_and_reports_at_once(shadows: Shadows) -> None:
    await shadows.desire(1, color="green")
    request = {"method": "update", "state": {"desired": "null", "reported": {"color": "green"}}, "version": 2}
    assert (await shadows.say(request))["payload"] == {"status": "success", "version": 2}
    assert await shadows.state() == {"reported": {"color": "green"}}


async def test_a_device_clears_single_desired_attributes(shadows: Shadows) -> None:
    await shadows.desire(1, color="green", size=2)
    await shadows.say({"method": "update", "state": {"desired": {"color": "null"}}})
    assert await shadows.state() == {"desired": {"size": 2}}


@pytest.mark.parametrize("nothing", ["null", None])
async def test_named_attributes_are_deleted(shadows: Shadows, nothing: str | None) -> None:
    await shadows.report(1, a=1, b={"x": 1, "y": 2}, c=3)
    request = {"method": "delete", "state": {"reported": {"a": nothing, "b": {"x": nothing}, "z": nothing}}}
    assert (await shadows.say(request | {"version": 2}))["payload"] == {"status": "success", "version": 2}
    document = await shadows.document()
    assert document["state"] == {"reported": {"b": {"y": 2}, "c": 3}}
    assert document["metadata"]["reported"].keys() == {"b", "c"}


@pytest.mark.parametrize("nothing", ["null", None])
async def test_everything_reported_is_deleted(shadows: Shadows, nothing: str | None) -> None:
    await shadows.report(1, a=1, b=2)
    await shadows.desire(2, a=2)
    await shadows.say({"method": "delete", "state": {"reported": nothing}, "version": 3})
    assert await shadows.state() == {"desired": {"a": 2}}


@pytest.mark.parametrize("token", ['"a1.lamp-17"', "17", '{"a":[1]}'])
async def test_the_client_token_comes_back_in_every_answer(shadows: Shadows, token: str) -> None:
    for request in (b'{"method":"get"', b'{"method":"update","state":{"reported":{"a":1}}', b'{"method":"fly"'):
        answer = await shadows.say(request + b',"clientToken":' + token.encode() + b"}")
        assert answer["clientToken"] == msgspec.json.decode(token)


async def test_answers_are_compact_with_what_is_named_by_the_device_last(shadows: Shadows) -> None:
    await shadows.say({"method": "update", "state": {"reported": {"version": 9}}, "version": 1})
    at = shadows.seconds
    shadow = await shadows.service.read(shadows.world.device)
    assert messages.fetched(shadow, shadows.world.clock.now_ms(), b'"t"') == (
        b'{"method":"reply","version":1,"timestamp":%d,"clientToken":"t","payload":{"status":"success",'
        b'"state":{"reported":{"version":9}},"metadata":{"reported":{"version":{"timestamp":%d}}}}}' % (at, at)
    )


@pytest.mark.parametrize("version", [2, 1, 0, -2])
async def test_a_version_that_is_not_above_the_shadow_s_is_a_conflict(shadows: Shadows, version: int) -> None:
    await shadows.report(2, a=1)
    before = await shadows.document()
    assert await shadows.error(UPDATE | {"version": version}) == ("403" if version < -1 else "409")
    assert await shadows.error({"method": "delete", "state": {"reported": "null"}, "version": 2}) == "409"
    assert await shadows.document() == before


async def test_the_version_minus_one_is_accepted_and_sets_the_shadow_s_back_to_zero(shadows: Shadows) -> None:
    await shadows.report(5, a=1)
    assert (await shadows.report(-1, a=2))["payload"]["version"] == 0
    assert (await shadows.report(1, a=3))["payload"]["version"] == 1
    assert await shadows.state() == {"reported": {"a": 3}}


async def test_without_a_version_the_shadow_gets_the_next_one(shadows: Shadows) -> None:
    await shadows.report(5, a=1)
    assert (await shadows.report(a=2))["payload"]["version"] == 6


async def test_the_largest_version_is_the_last(shadows: Shadows) -> None:
    assert (await shadows.report(2**63 - 1, a=1))["payload"]["version"] == 2**63 - 1
    assert await shadows.error(UPDATE) == "409"


@ON_ONE_DATABASE
@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (b"", "407"),
        (b" \n", "407"),
        (b"{", "400"),
        (b"[]", "400"),
        (b"\xff\xfe", "400"),
        (b'{"method":"get","clientToken":"\xff"}', "400"),
        (b"[" * 10_000, "400"),
        (b'{"state":' * 1500, "400"),
        ({}, "401"),
        ({"method": None}, "401"),
        ({"method": ""}, "401"),
        ({"method": "control"}, "406"),
        ({"method": 5}, "406"),
        ({"method": ["get"]}, "406"),
        ({"method": "update"}, "402"),
        ({"method": "update", "state": "on"}, "402"),
        ({"method": "delete", "state": None}, "402"),
        (UPDATE | {"version": "3"}, "403"),
        (UPDATE | {"version": 1.5}, "403"),
        (UPDATE | {"version": True}, "403"),
        (UPDATE | {"version": 2**63}, "403"),
        ({"method": "update", "state": {}}, "404"),
        ({"method": "delete", "state": {"other": {}}}, "404"),
        ({"method": "update", "state": {"reported": {}}}, "405"),
        ({"method": "update", "state": {"reported": "null"}}, "405"),
        ({"method": "update", "state": {"reported": [1]}}, "405"),
        ({"method": "delete", "state": {"reported": {}}}, "405"),
        ({"method": "delete", "state": {"reported": {"a": 1}}}, "400"),
        ({"method": "delete", "state": {"reported": {"a": {"b": []}}}}, "400"),
        ({"method": "update", "state": {"reported": {"a": {"": 1}}}}, "400"),
        ({"method": "update", "state": {"reported": {f"a{number}": 1 for number in range(129)}}}, "408"),
        ({"method": "update", "state": {"desired": {f"a{number}": 1 for number in range(129)}}}, "408"),
        ({"method": "update", "state": {"reported": {"a": {"b": {"c": {"d": {"e": {}}}}}}}}, "400"),
        ({"method": "update", "state": {"reported": {"a": [[[[[]]]]]}}}, "400"),
        ({"method": "update", "state": {"reported": {"a": "x" * 16_384}}}, "400"),
    ],
)
async def test_mistakes_have_codes_and_change_nothing(shadows: Shadows, request_: Any, code: str) -> None:
    await shadows.report(1, a=0)
    before = await shadows.document()
    assert await shadows.error(request_) == code
    assert await shadows.document() == before


@ON_ONE_DATABASE
async def test_limits_hold_for_the_shadow_not_only_for_the_request(shadows: Shadows) -> None:
    await shadows.report(1, **{f"a{number}": 1 for number in range(128)})
    assert await shadows.error({"method": "update", "state": {"reported": {"b": 1}}}) == "408"
    assert (await shadows.report(2, a0="null", b={"x": 1}))["payload"]["status"] == "success"
    await shadows.say({"method": "delete", "state": {"reported": "null"}})
    await shadows.report(a="x" * 9000)
    assert await shadows.error({"method": "update", "state": {"reported": {"b": "x" * 9000}}}) == "400"
    assert (await shadows.report(a={"b": {"c": {"d": {"e": 1}}}}))["payload"]["status"] == "success"


@ON_ONE_DATABASE
async def test_a_database_that_is_away_is_a_server_error(
    shadows: Shadows, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away() -> None:
        raise OperationalError("select", {}, Exception("away"))

    monkeypatch.setattr(database, "write", away)
    with capture_logs() as logs:
        assert await shadows.error(UPDATE) == "500"
    assert [log["log_level"] for log in logs] == ["error"]


async def test_the_shadow_of_a_device_that_was_deleted_meanwhile_is_not_written(shadows: Shadows) -> None:
    await shadows.report(1, a=1)
    await shadows.world.devices.delete(shadows.world.device)
    assert await shadows.error(UPDATE) == "500"


@ON_ONE_DATABASE
async def test_a_device_that_asks_too_often_is_told_so(shadows: Shadows) -> None:
    limited = Shadows(shadows.world, requests_per_second=2)
    other = await shadows.world.devices.register(shadows.world.product, "lamp2")
    for _ in range(2):
        assert (await limited.say({"method": "get"}))["payload"]["status"] == "success"
    assert await limited.error({"method": "get"}) == "429"
    assert (await limited.world.call("GetDeviceShadow"))["Code"] == "iot.messagebroker.RateLimit"
    assert (await limited.say({"method": "get"}, other))["payload"]["status"] == "success"
    shadows.world.clock.advance(1)
    assert (await limited.say({"method": "get"}))["payload"]["status"] == "success"
