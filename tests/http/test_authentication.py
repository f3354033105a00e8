"""``POST /auth`` and ``/auth/devicename`` (device-protocol, 10.1 and 2.6)."""

from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.http.client import SDK_TIMESTAMP, HttpWorld, guide_fields, sdk_fields, sign
from thingplane.devices.service import Device


@pytest.fixture
async def device(world: HttpWorld) -> Device:
    return await world.real.device(await world.real.product())


async def test_the_request_of_the_sdk_for_c_gets_a_token(world: HttpWorld, device: Device) -> None:
    answer = await world.request(
        "/auth",
        (
            f'{{"clientId":"{device.product_key}.lamp-1","signmethod":"hmacsha256","deviceName":"lamp-1",'
            f'"productKey":"{device.product_key}","sign":"{sdk_fields(device)["sign"]}"}}'
        ).encode(),
        {"Content-Type": "application/json"},
        query="_v=sdk-c-4.2.0&x=1",
    )
    token = answer.json["info"]["token"]
    assert answer.status == 200
    assert answer.body == b'{"code":0,"message":"success","info":{"token":"%s"}}' % token.encode()
    assert len(token) == 40
    assert token.replace("-", "").replace("_", "").isalnum()
    # Parsers of devices look for exactly this.
    assert [bytes(name) for name in answer.headers] == [b"content-type", b"Content-Length"]


@pytest.mark.parametrize("method", ["hmacmd5", "hmacsha1", "hmacsha256", "HmacSHA1"])
async def test_the_request_of_the_guide_gets_a_token(world: HttpWorld, device: Device, method: str) -> None:
    now = str(world.real.clock.now_ms())
    fields: dict[str, Any] = guide_fields(device, now, method.lower())
    fields["signmethod"] = method
    assert (await world.auth(fields)).json["code"] == 0
    fields["timestamp"] = int(now)  # numbers are signed as they are written
    assert (await world.auth(fields, content_type="application/json; charset=utf-8")).json["code"] == 0


@pytest.mark.parametrize(
    ("seconds", "code"), [(0, 0), (-899, 0), (899, 0), (-901, 20000), (901, 20000), (10**12, 20000)]
)
async def test_the_timestamp_is_that_of_now(world: HttpWorld, device: Device, seconds: int, code: int) -> None:
    then = str(world.real.clock.now_ms() + seconds * 1000)
    assert (await world.auth(guide_fields(device, then))).json["code"] == code


async def test_small_devices_that_do_not_know_the_time_say_what_the_sdk_says(world: HttpWorld, device: Device) -> None:
    assert (await world.auth(guide_fields(device, SDK_TIMESTAMP))).json["code"] == 0


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"sign": "0" * 64}, 20000),
        ({"sign": "\u00e4"}, 20000),
        ({"deviceName": "lamp-2"}, 20000),
        ({"deviceName": "LAMP-1"}, 20000),
        ({"productKey": "a1nobody"}, 20000),
        ({"clientId": "another"}, 20000),
        ({"more": "unsigned"}, 20000),
        ({"sign": ""}, 10001),
        ({"deviceName": ""}, 10001),
        ({"productKey": ""}, 10001),
        ({"clientId": ""}, 10001),
        ({"clientId": "x" * 65}, 10001),
        ({"signmethod": "sha256"}, 10001),
        ({"version": "2"}, 10001),
        ({"timestamp": "now"}, 10001),
        ({"timestamp": "\u0661"}, 10001),
        ({"deviceName": ["lamp-1"]}, 10001),
        ({"deviceName": {}}, 10001),
    ],
)
async def test_refused_authentications(world: HttpWorld, device: Device, changes: dict[str, Any], code: int) -> None:
    answer = await world.auth({**sdk_fields(device), **changes})
    assert (answer.status, answer.json["code"]) == (200, code)
    assert set(answer.json) == {"code", "message"}


async def test_bodies_types_and_methods_that_are_not_the_documented_ones(world: HttpWorld, device: Device) -> None:
    good = sdk_fields(device)
    assert (await world.auth(good, content_type="text/plain")).json["code"] == 10001
    for body in (b"", b"{", b"[]", b'"x"', b"\xff", b"{" * 5000, b'{"a":' * 5000, b" " * 10_000):
        answer = await world.request("/auth", body, {"Content-Type": "application/json"})
        assert answer.json == {"code": 10001, "message": "param error"}
    answer = await world.request("/auth", b"", {"Content-Type": "application/json"}, method="GET")
    assert (answer.status, answer.json["code"]) == (405, 10001)


async def test_devices_that_may_not_get_no_token(world: HttpWorld, device: Device) -> None:
    certified = await world.real.device(await world.real.product(auth_type="x509"))
    assert (await world.auth(sdk_fields(certified))).json["code"] == 20000
    await world.real.devices.disable(device)
    assert (await world.auth(sdk_fields(device))).json["code"] == 20000


async def test_no_secret_reaches_the_log(world: HttpWorld, device: Device) -> None:
    with capture_logs() as logs:
        token = await world.token(device)
        await world.auth({**sdk_fields(device), "sign": "f" * 64})
        await world.publish("/nowhere", b"x", token)
    shown = repr(logs)
    for secret in (device.secret, token, "f" * 64, sdk_fields(device)["sign"]):
        assert secret not in shown


def devicename_form(device: Device, **changes: str) -> dict[str, str]:
    signed = {
        "productKey": device.product_key,
        "deviceName": device.name,
        "clientId": "sn1",
        "timestamp": SDK_TIMESTAMP,
    }
    return {
        **signed,
        "sign": sign(device.secret, signed, "sha1"),
        "signmethod": "hmacsha1",
        "version": "default",
        "resources": "mqtt",
        **changes,
    }


async def test_credentials_for_mqtt(world: HttpWorld, device: Device) -> None:
    answer = await world.form("/auth/devicename", devicename_form(device))
    token = answer.json["data"]["iotToken"]
    assert answer.body == (
        b'{"code":200,"data":{"iotId":"%s","iotToken":"%s","resources":{"mqtt":{"host":"iot.example.com",'
        b'"port":1883}}},"message":"success"}' % (device.iot_id.encode(), token.encode())
    )
    # Buffers of the SDK 3.x for C.
    assert len(answer.body) <= 300
    assert len(token) <= 65
    assert len(device.iot_id) <= 64


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"sign": "0" * 40}, 401),
        ({"sign": ""}, 460),
        ({"clientId": ""}, 460),
        ({"signmethod": "md5"}, 460),
        ({"deviceName": "lamp-2"}, 5001),
        ({"productKey": "a1nobody"}, 5001),
    ],
)
async def test_refused_credentials_for_mqtt(
    world: HttpWorld, device: Device, changes: dict[str, str], code: int
) -> None:
    assert (await world.form("/auth/devicename", devicename_form(device, **changes))).json["code"] == code


async def test_devices_with_certificates_and_disabled_ones_get_no_credentials(world: HttpWorld, device: Device) -> None:
    certified = await world.real.device(await world.real.product(auth_type="x509"))
    assert (await world.form("/auth/devicename", devicename_form(certified))).json["code"] == 6200
    await world.real.devices.disable(device)
    assert (await world.form("/auth/devicename", devicename_form(device))).json["code"] == 6204
