"""Devices over CoAP, with aiocoap and OpenSSL as they come."""

import json
import uuid
from collections.abc import AsyncIterator

import aiocoap
import pytest
from aiocoap import BAD_OPTION, CONTENT, FORBIDDEN, METHOD_NOT_ALLOWED, NOT_FOUND, UNAUTHORIZED
from alibabacloud_iot20180120 import models
from alibabacloud_iot20180120.client import Client

from tests.common.node import NodeProcess
from tests.e2e.coap_device import MESSAGE_ID, SEQUENCE, TOKEN, CoapDevice
from tests.e2e.fleet import create_product, register_device

pytestmark = pytest.mark.usefixtures("node")


@pytest.fixture
async def context() -> AsyncIterator[aiocoap.Context]:
    context = await aiocoap.Context.create_client_context(transports=["simple6"])
    yield context
    await context.shutdown()


@pytest.fixture
def device(context: aiocoap.Context, node: NodeProcess, cloud: Client) -> CoapDevice:
    name = f"coap_{uuid.uuid4().hex[:8]}"
    return CoapDevice(context, node.address("coap"), register_device(cloud, create_product(cloud), name))


def post(temperature: float) -> bytes:
    body = {"id": "1", "version": "1.0", "params": {"Temp": temperature}, "method": "thing.event.property.post"}
    return json.dumps(body).encode()


def topic(device: CoapDevice, rest: str) -> str:
    return f"/sys/{device.identity['ProductKey']}/{device.identity['DeviceName']}/{rest}"


def last_temperature(cloud: Client, device: CoapDevice) -> str:
    names = {"product_key": device.identity["ProductKey"], "device_name": device.identity["DeviceName"]}
    answer = cloud.query_device_property_status(models.QueryDevicePropertyStatusRequest(**names)).body
    infos = answer.data.list.property_status_info
    return str(next(info.value for info in infos if info.identifier == "Temp"))


def status(cloud: Client, device: CoapDevice) -> str:
    names = {"product_key": device.identity["ProductKey"], "device_name": device.identity["DeviceName"]}
    return str(cloud.get_device_status(models.GetDeviceStatusRequest(**names)).body.data.status)


async def test_a_property_posted_in_the_symmetric_mode_is_stored_and_answered(
    device: CoapDevice, cloud: Client
) -> None:
    assert (await device.authenticate()).code == CONTENT
    response = await device.publish(topic(device, "thing/event/property/post"), post(21.5))
    assert response.code == CONTENT
    assert json.loads(response.payload)["code"] == 200
    [option] = response.opt.get_option(MESSAGE_ID)
    assert bytes(option.value).isdigit()
    assert last_temperature(cloud, device) == "21.5"
    assert status(cloud, device) == "ONLINE"


async def test_link_kit_3_for_c_numbers_the_token_otherwise_and_begins_with_the_offset(
    device: CoapDevice, cloud: Client
) -> None:
    await device.authenticate()
    assert device.key is not None
    options = {61: device.token.encode(), SEQUENCE: device.key.encrypt(str(device.sequence).encode())}
    path, payload = "/topic" + topic(device, "thing/event/property/post"), device.key.encrypt(post(22.5))
    response = await device.request(path, payload, options, accept=aiocoap.ContentFormat(42))
    assert response.code == CONTENT
    assert json.loads(device.key.decrypt(response.payload))["code"] == 200
    assert last_temperature(cloud, device) == "22.5"
    assert (await device.request(path, payload, options)).code == UNAUTHORIZED


async def test_separate_answers_for_who_asks_for_them(device: CoapDevice) -> None:
    assert (await device.authenticate(ackMode="1")).code == UNAUTHORIZED  # it is not signed
    response = await device.request("/auth", json.dumps({**_fields(device), "ackMode": 1}).encode())
    assert response.code == CONTENT


def _fields(device: CoapDevice) -> dict[str, str]:
    from tests.e2e.coap_device import signed

    return signed(device.identity, "hmacsha256", seq="10")


async def test_long_payloads_come_in_blocks(device: CoapDevice, cloud: Client) -> None:
    await device.authenticate()
    params = {"Temp": 12.5, "Label": "x"}
    body = {"id": "1", "version": "1.0", "sys": {"filler": "f" * 5000}, "params": params}
    response = await device.publish(topic(device, "thing/event/property/post"), json.dumps(body).encode())
    assert response.code == CONTENT
    assert last_temperature(cloud, device) == "12.5"


async def test_what_is_replayed_or_not_its_own_is_refused(device: CoapDevice, cloud: Client) -> None:
    await device.authenticate()
    own = topic(device, "thing/event/property/post")
    assert (await device.publish(own, post(1.0))).code == CONTENT
    assert (await device.publish(own, post(2.0), sequence=device.sequence)).code == UNAUTHORIZED
    assert (await device.publish(own, post(2.0), token="A" * 40)).code == UNAUTHORIZED
    assert (await device.request("/topic" + own, post(2.0))).code == UNAUTHORIZED
    # The option that says the sequence number is needed, and one that nobody knows is refused.
    without = await device.request("/topic" + own, post(2.0), {TOKEN: device.token.encode()})
    assert without.code == aiocoap.BAD_REQUEST
    assert (await device.request("/auth", b"{}", {2051: b""})).code == BAD_OPTION
    other = register_device(cloud, device.identity["ProductKey"], "other_one")
    foreign = f"/sys/{other['ProductKey']}/{other['DeviceName']}/thing/event/property/post"
    assert (await device.publish(foreign, post(2.0))).code == FORBIDDEN
    for rest in ("+/x", "#", "thing/event/property/post\0", "thing/\0/post"):
        assert (await device.publish(topic(device, rest), post(2.0))).code == NOT_FOUND
    assert last_temperature(cloud, device) == "1.0"


async def test_a_wrong_signature_gets_no_token(device: CoapDevice) -> None:
    fields = {**_fields(device), "sign": "0" * 64}
    assert (await device.request("/auth", json.dumps(fields).encode())).code == UNAUTHORIZED


@pytest.mark.parametrize("payload", [b"", b"[]", b"{", b'{"productKey":{}}', b'{"productKey":"a"}'])
async def test_a_malformed_request_for_a_token_is_refused(device: CoapDevice, payload: bytes) -> None:
    assert (await device.request("/auth", payload)).code == aiocoap.BAD_REQUEST


async def test_a_disabled_device_is_refused(device: CoapDevice, cloud: Client) -> None:
    await device.authenticate()
    names = {"product_key": device.identity["ProductKey"], "device_name": device.identity["DeviceName"]}
    assert cloud.disable_thing(models.DisableThingRequest(**names)).body.success
    assert (await device.publish(topic(device, "thing/event/property/post"), post(1.0))).code == UNAUTHORIZED
    assert (await device.authenticate()).code == UNAUTHORIZED


async def test_other_methods_paths_and_formats_are_refused(device: CoapDevice) -> None:
    assert (await device.request("/auth", b"{}", code=aiocoap.PUT)).code == METHOD_NOT_ALLOWED
    assert (await device.request("/nowhere", b"{}")).code == NOT_FOUND
    assert (await device.request("/auth/register/device", b"{}")).code == NOT_FOUND  # DTLS only: it tells a secret
    assert (await device.request("/auth", b"{}", content_format=41)).code == aiocoap.UNSUPPORTED_CONTENT_FORMAT
    assert (await device.request("/auth", b"{}", accept=41)).code == aiocoap.NOT_ACCEPTABLE
