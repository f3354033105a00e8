"""One secret per product over MQTT: registration, and connections with what it gave (device-protocol, 2.1 to 2.4)."""

import hmac
import json
import ssl
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.gateway.client import Client
from tests.gateway.real_world import RealWorld, real_world
from tests.gateway.support import until
from thingplane.devices.service import Device
from thingplane.mqtt.packets import Connack, Connect, Disconnect, Publish
from thingplane.products.service import Product
from thingplane.storage.database import Database
from thingplane.tls import Certificates


@pytest.fixture
async def world(embedded: Database, certificates: Certificates) -> AsyncIterator[RealWorld]:
    async with real_world(embedded, certificates) as world:
        yield world


@pytest.fixture
async def product(world: RealWorld) -> Product:
    return await world.product()


def registration(product: Product, name: str, auth_type: str, *, mode: str = "2", **changes: Any) -> Connect:
    content = f"deviceName{name}productKey{product.product_key}random567345"
    fields: dict[str, Any] = {
        "client_id": f"any|securemode={mode},authType={auth_type},random=567345,signmethod=hmacsha256|",
        "username": f"{name}&{product.product_key}",
        "password": hmac.digest(product.product_secret.encode(), content.encode(), "sha256").hex().encode(),
        "keepalive": 0,  # not looked at
        **changes,
    }
    return Connect(**fields)


def token_connect(product: Product, name: str, answer: dict[str, str], **changes: Any) -> Connect:
    fields: dict[str, Any] = {
        "client_id": answer["clientId"] + "|authType=connwl,securemode=-2,_ss=1,ext=3,lan=C|",
        "username": f"{name}&{product.product_key}",
        "password": answer["deviceToken"].encode(),
        "keepalive": 60,
        **changes,
    }
    return Connect(**fields)


def secret_connect(device: Device) -> Connect:
    content = f"clientIdsn1deviceName{device.name}productKey{device.product_key}"
    password = hmac.digest(device.secret.encode(), content.encode(), "sha256").hex().upper().encode()
    return Connect(
        client_id="sn1|securemode=2,signmethod=hmacsha256|",
        username=f"{device.name}&{device.product_key}",
        password=password,
        keepalive=60,
    )


async def say(world: RealWorld, packet: Connect, trusting: ssl.SSLContext | None) -> tuple[Client, Connack]:
    client = await Client.open(world, secure=trusting)
    client.send(packet)
    return client, await client.expect(Connack)


async def registered(  # noqa: PLR0917 - in the order of a sentence
    world: RealWorld, trusting: ssl.SSLContext, product: Product, name: str, auth_type: str, mode: str = "2"
) -> tuple[str, dict[str, str]]:
    """Register, and return topic and content of the answer."""
    client, connack = await say(world, registration(product, name, auth_type, mode=mode), trusting)
    assert connack.code == 0
    message = await client.expect(Publish)
    assert message.qos == 0
    client.send(Disconnect())
    await client.closed()
    return message.topic, json.loads(message.payload)


@pytest.mark.parametrize("mode", ["2", "-2"])
async def test_a_device_fetches_its_secret_and_connects_with_it(
    world: RealWorld, trusting: ssl.SSLContext, product: Product, mode: str
) -> None:
    device = await world.device(product)
    topic, answer = await registered(world, trusting, product, "lamp-1", "register", mode)
    assert topic == "/ext/register"
    assert list(answer.items()) == [
        ("productKey", product.product_key),
        ("deviceName", "lamp-1"),
        ("deviceSecret", device.secret),
    ]
    # A registration is no connection of the device, and may be repeated until there has been one.
    assert world.devices.status(device) == "UNACTIVE"
    assert (await registered(world, trusting, product, "lamp-1", "register"))[1] == answer
    _, connack = await say(world, secret_connect(device), trusting)
    assert connack.code == 0
    assert world.devices.status(device) == "ONLINE"
    _, connack = await say(world, registration(product, "lamp-1", "register"), trusting)
    assert connack.code == 4
    assert world.devices.status(device) == "ONLINE"  # its connection was not taken over
    await world.devices.reset(device)
    assert (await registered(world, trusting, product, "lamp-1", "register"))[1] == answer


async def test_five_physical_devices_get_tokens_under_one_name_and_no_sixth(
    world: RealWorld, trusting: ssl.SSLContext, product: Product
) -> None:
    answers = []
    for mode in ("2", "-2", "2", "2", "-2"):
        topic, answer = await registered(world, trusting, product, "lamp-9", "regnwl", mode)
        assert topic == "/ext/regnwl"
        assert list(answer) == ["productKey", "deviceName", "clientId", "deviceToken"]
        answers.append(answer)
    device = await world.devices.find(product.product_key, "lamp-9")
    assert device is not None
    known = [item.client_id for item in await world.devices.client_ids.list(device)]
    assert sorted(known) == sorted(answer["clientId"] for answer in answers)
    _, connack = await say(world, registration(product, "lamp-9", "regnwl"), trusting)
    assert connack.code == 4


@pytest.mark.parametrize("secure", [True, False])
async def test_a_token_connects_until_its_client_id_is_barred(
    world: RealWorld, trusting: ssl.SSLContext, product: Product, secure: bool
) -> None:
    _, one = await registered(world, trusting, product, "lamp-9", "regnwl")
    _, other = await registered(world, trusting, product, "lamp-9", "regnwl")
    context = trusting if secure else None
    device = await world.devices.find(product.product_key, "lamp-9")
    assert device is not None
    client, connack = await say(world, token_connect(product, "lamp-9", one), context)
    assert connack.code == 0
    assert world.devices.status(device) == "ONLINE"
    # Keeping the other one bars this one, and ends its connection.
    await world.devices.client_ids.keep(device, other["clientId"])
    assert await client.closed() == []
    assert (await say(world, token_connect(product, "lamp-9", one), context))[1].code == 4
    second, connack = await say(world, token_connect(product, "lamp-9", other), context)
    assert connack.code == 0
    # A device that registers itself may do so again, also after it was online.
    await world.devices.client_ids.clear(device)
    assert await second.closed() == []
    _, third = await registered(world, trusting, product, "lamp-9", "regnwl")
    assert (await say(world, token_connect(product, "lamp-9", third), context))[1].code == 0


async def test_tokens_are_worth_something_for_their_own_name_and_client_id_only(
    world: RealWorld, trusting: ssl.SSLContext, product: Product
) -> None:
    _, one = await registered(world, trusting, product, "lamp-8", "regnwl")
    _, other = await registered(world, trusting, product, "lamp-9", "regnwl")
    for name, answer in (
        ("lamp-9", one),
        ("lamp-8", {**one, "clientId": other["clientId"]}),
        ("lamp-8", {**one, "deviceToken": other["deviceToken"]}),
        ("lamp-8", {**one, "deviceToken": one["deviceToken"].upper()}),
        ("lamp-8", {**one, "deviceToken": ""}),
        ("LAMP-8", one),
        ("lamp-7", one),
    ):
        assert (await say(world, token_connect(product, name, answer), trusting))[1].code == 4, (name, answer)
    refused = token_connect(product, "lamp-8", one, password=b"\xff\xfe")
    assert (await say(world, refused, trusting))[1].code == 4


async def test_a_device_with_a_secret_of_its_own_is_not_open_to_whoever_knows_the_product_s(
    world: RealWorld, trusting: ssl.SSLContext, product: Product
) -> None:
    device = await world.device(product)
    assert (await say(world, secret_connect(device), trusting))[1].code == 0
    assert (await say(world, registration(product, "lamp-1", "regnwl"), trusting))[1].code == 4
    assert await world.devices.client_ids.list(device) == []


@pytest.mark.parametrize(
    ("auth_type", "name", "changes", "code"),
    [
        ("register", "lamp-1", {"password": b"0" * 64}, 4),
        ("register", "lamp-1", {"password": b"\xff"}, 4),
        ("register", "lamp-1", {"password": None}, 4),
        ("register", "lamp-99", {}, 4),
        ("register", "lamp-disabled", {}, 4),
        ("register", "lamp-1", {"username": "lamp-1&a1nobody"}, 4),
        ("register", "lamp-1", {"username": "lamp-1"}, 4),
        ("register", "lamp-1", {"client_id": "any|authType=register,random=1,signmethod=sha512|"}, 2),
        ("register", "lamp-1", {"client_id": "any|authType=register,signmethod=hmacsha256|"}, 2),
        ("regnwl", "lamp-1", {"password": b"0" * 64}, 4),
        ("regnwl", "lamp-disabled", {}, 4),
        ("regnwl", "abc", {}, 2),
        ("regnwl", "x" * 33, {}, 2),
    ],
)
async def test_refused_registrations(  # noqa: PLR0917 - fixtures and parameters
    world: RealWorld,
    trusting: ssl.SSLContext,
    product: Product,
    auth_type: str,
    name: str,
    changes: dict[str, Any],
    code: int,
) -> None:
    await world.device(product)
    await world.devices.disable(await world.device(product, "lamp-disabled"))
    _, connack = await say(world, registration(product, name, auth_type, **changes), trusting)
    assert connack.code == code
    assert await world.devices.find(product.product_key, "abc") is None


@pytest.mark.parametrize("auth_type", ["register", "regnwl"])
async def test_registration_needs_tls_and_the_switch(
    world: RealWorld, trusting: ssl.SSLContext, product: Product, auth_type: str
) -> None:
    await world.device(product)
    assert (await say(world, registration(product, "lamp-1", auth_type), None))[1].code == 2
    await world.products.set_dynamic_register(product, enabled=False)
    assert (await say(world, registration(product, "lamp-1", auth_type), trusting))[1].code == 4
    certified = await world.product(auth_type="x509")
    await world.device(certified)
    assert (await say(world, registration(certified, "lamp-1", auth_type), trusting))[1].code == 4


async def test_a_registering_connection_does_nothing_else_and_ends_by_itself(
    world: RealWorld, trusting: ssl.SSLContext, product: Product
) -> None:
    await world.device(product)
    client, _ = await say(world, registration(product, "lamp-1", "register"), trusting)
    await client.expect(Publish)
    world.pass_time(14)
    client.send(Publish(f"/sys/{product.product_key}/lamp-1/thing/event/property/post", b"{}", 1, packet_id=1))
    assert await client.closed() == []
    assert world.series.appended == []
    idle, _ = await say(world, registration(product, "lamp-1", "register"), trusting)
    await idle.expect(Publish)
    world.pass_time(16)
    assert await idle.closed() == []
    await until(lambda: not world.gateway._hub.open)


async def test_after_authentication_over_https_a_token_connects(
    world: RealWorld, trusting: ssl.SSLContext, product: Product
) -> None:
    device = await world.device(product)
    other = await world.device(product, "lamp-2")
    token = await world.devices.tokens.issue(device, "mqtt")
    for_http = await world.devices.tokens.issue(device, "http")

    def connect(iot_id: str, password: str) -> Connect:
        return Connect(
            client_id="sn1|securemode=-1,timestamp=2524608000000,signmethod=hmacsha1,gw=0,ext=0|",
            username=iot_id,
            password=password.encode(),
            keepalive=60,
        )

    assert (await say(world, connect(device.iot_id, token), trusting))[1].code == 0
    assert world.devices.status(device) == "ONLINE"
    for iot_id, password in (
        (other.iot_id, token),
        (device.iot_id, for_http),
        (device.iot_id, token[:-1] + "A"),
        (device.iot_id, ""),
    ):
        assert (await say(world, connect(iot_id, password), trusting))[1].code == 3
    assert (await say(world, connect(device.iot_id, token), None))[1].code == 2
    world.pass_time(7 * 86_400)
    assert (await say(world, connect(device.iot_id, token), trusting))[1].code == 3
