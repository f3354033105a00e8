"""Names that are something else to a topic filter, a database, a C string or a human, in every way in.

A device whose name is ``lamp-1`` is there, and one of another product. Whoever writes the name differently gets in
nowhere, and subscribes and publishes nothing outside itself.
"""

import hmac
import json
import ssl
from collections.abc import AsyncIterator
from typing import Final

import pytest

from tests.gateway.client import Client
from tests.gateway.real_world import RealWorld, real_world
from tests.gateway.test_registering import say, secret_connect
from tests.http.client import HttpWorld, guide_fields, registration, sdk_fields
from thingplane.devices.service import Device
from thingplane.gateway.psk import parse_identity
from thingplane.http.application import DeviceHttp
from thingplane.mqtt import ReasonCode
from thingplane.mqtt.packets import Connack, Connect, Publish, Suback, Subscribe, Subscription
from thingplane.products.service import Product
from thingplane.storage.database import Database
from thingplane.tls import Certificates

STRANGE: Final = (
    "LAMP-1",
    "Lamp-1",
    "lamp-1 ",
    " lamp-1",
    "lamp-1\0",
    "lamp\0-1",
    "lamp-1\n",
    "lamp-1/",
    "/lamp-1",
    "lamp-1/user",
    "../lamp-1",
    "lamp-+",
    "+",
    "#",
    "lamp-#",
    "$share",
    "lamp-1&x",
    "lamp-1|x",
    "lamp-1,x=1",
    "lamp-1%",
    "lamp_1",
    "lamp-1\u200b",
    "l\u0430mp-1",  # a Cyrillic letter
    "\uff4camp-1",  # a wide one
    "lamp-1\ufeff",
    "\u0130",
    "x" * 65,
    "",
)
"""Names that are not the device's, however much they look like it."""
OVERLONG: Final = (b"\xc1\xacamp-1", b"lamp-1\xc0\x80", b"lamp\xc0\xaf1", b"lamp-1\xff", b"\xed\xa0\x80lamp-1")
"""The same in bytes that are no UTF-8."""


@pytest.fixture
async def world(embedded: Database, certificates: Certificates) -> AsyncIterator[RealWorld]:
    async with real_world(embedded, certificates) as world:
        yield world


@pytest.fixture
async def product(world: RealWorld) -> Product:
    return await world.product()


@pytest.fixture
async def device(world: RealWorld, product: Product) -> Device:
    return await world.device(product)


def signed_as(device: Device, name: str, product_key: str) -> Connect:
    """Sign a name with the device's own secret, so that only the name is wrong."""
    content = f"clientIdsn1deviceName{name}productKey{product_key}"
    password = hmac.digest(device.secret.encode(), content.encode(), "sha256").hex().encode()
    return Connect(
        client_id="sn1|securemode=2,signmethod=hmacsha256|",
        username=f"{name}&{product_key}",
        password=password,
        keepalive=60,
    )


async def refused(world: RealWorld, packet: Connect) -> bool:
    """Tell whether a CONNECT is turned away, with a code or by closing."""
    client = await Client.open(world)
    client.send(packet)
    try:
        return (await client.expect(Connack)).code != 0
    except (EOFError, ConnectionError):
        return True


async def test_mqtt_with_a_secret(world: RealWorld, product: Product, device: Device) -> None:
    for name in STRANGE:
        assert await refused(world, signed_as(device, name, product.product_key)), name
    for key in (product.product_key.upper(), product.product_key + "\0", product.product_key + " ", "+", "#", ""):
        if key != product.product_key:
            assert await refused(world, signed_as(device, device.name, key)), key
    assert not await refused(world, signed_as(device, device.name, product.product_key))


@pytest.mark.parametrize("raw", OVERLONG)
async def test_mqtt_with_bytes_that_are_no_text(world: RealWorld, device: Device, raw: bytes) -> None:
    username = raw + b"&" + device.product_key.encode()
    head = b"\x00\x04MQTT\x04\xc2\x00\x3c"
    texts = b"".join(len(text).to_bytes(2, "big") + text for text in (b"sn1", username, b"0" * 32))
    body = head + texts
    client = await Client.open(world)
    client.write(b"\x10" + bytes([len(body)]) + body)
    packets = await client.closed()
    assert all(isinstance(packet, Connack) and packet.code for packet in packets)


async def test_mqtt_registration_and_tokens(
    world: RealWorld, product: Product, device: Device, trusting: ssl.SSLContext
) -> None:
    for name in STRANGE:
        for auth_type in ("register", "regnwl"):
            content = f"deviceName{name}productKey{product.product_key}random1"
            packet = Connect(
                client_id=f"x|securemode=2,authType={auth_type},random=1,signmethod=hmacsha256|",
                username=f"{name}&{product.product_key}",
                password=hmac.digest(product.product_secret.encode(), content.encode(), "sha256").hex().encode(),
            )
            if name in {"LAMP-1", "Lamp-1", "lamp_1"} and auth_type == "regnwl":
                continue  # names of other devices, which may register themselves
            client = await Client.open(world, secure=trusting)
            client.send(packet)
            answers = await client.closed()
            assert not any(isinstance(answer, Publish) for answer in answers), (name, auth_type)
        packet = Connect(
            client_id=f"{name}|authType=connwl,securemode=-2|", username=f"{name}&{product.product_key}", password=b"x"
        )
        assert await refused(world, packet), name
    assert await world.devices.client_ids.list(device) == []


async def test_pre_shared_keys(device: Device) -> None:
    for name in STRANGE:
        parsed = parse_identity(f"devicename|hmacsha256|{device.product_key}&{name}|1")
        assert parsed is None or parsed.device_name == name != device.name, name


async def test_https(world: RealWorld, product: Product, device: Device) -> None:
    web = HttpWorld(world, DeviceHttp(world.devices, world.products, world.gateway.entrance, world.clock))
    token = await web.token(device)
    for name in STRANGE:
        twin = Device(**{item: getattr(device, item) for item in device.__struct_fields__})
        twin.name = name
        assert (await web.auth(sdk_fields(twin))).json["code"] in {10001, 20000}, name
        assert (await web.auth(guide_fields(twin, "2524608000000"))).json["code"] in {10001, 20000}, name
        answer = await web.form("/auth/register/device", registration(product, name))
        assert answer.json["code"] in {460, 6100}, name
        answer = await web.publish(f"/sys/{product.product_key}/{name}/thing/event/property/post", b"{}", token)
        own = name.startswith(device.name + "/")  # nobody's topic, but the device's own
        assert answer.json["code"] in ({0} if own else {10001, 30001}), name
    for raw in OVERLONG:
        body = b"productKey=x&random=1&sign=1&deviceName=" + b"".join(b"%%%02X" % byte for byte in raw)
        assert (await web.request("/auth/register/device", body)).json["code"] == 460
        body = b'{"productKey":"x","clientId":"c","sign":"1","deviceName":"' + raw + b'"}'
        answer = await web.request("/auth", body, {"Content-Type": "application/json"})
        assert answer.json["code"] in {10001, 20000}


async def test_topics_stay_inside_their_device(world: RealWorld, product: Product, device: Device) -> None:
    other = await world.device(product, "lamp-2")
    longer = await world.device(product, "lamp-11")
    foreign = await world.device(await world.product(), "lamp-1")
    client = await Client.open(world)
    client.send(secret_connect(device))
    assert (await client.expect(Connack)).code == 0
    key = product.product_key
    filters = [
        "#",
        "+/#",
        "/#",
        "/+/+/#",
        f"/{key}/#",
        f"/{key}/+/user/get",
        f"/{key}/lamp-+/user/get",
        f"/{key}/{other.name}/user/get",
        f"/{key}/{longer.name}/user/get",
        f"/{key}/{longer.name}/#",
        f"/{foreign.product_key}/{foreign.name}/user/get",
        f"/sys/{key}/#",
        f"/sys/{key}/+/thing/#",
        f"/sys/{key}/{other.name}/#",
        f"/sys/{key}/LAMP-1/#",
        f"/sys/+/{device.name}/#",
        f"/ota/device/upgrade/{key}/{other.name}",
        f"/ota/device/+/{key}/{device.name}",
        f"/shadow/get/{key}/+",
        f"/ext/session/{key}/{other.name}/combine/login_reply",
        f"/ext/rrpc/+/{key}/{other.name}/user/get",
        f"/ext/rrpc/+/sys/{key}/{other.name}/#",
        "/ext/rrpc/+/+/+/user/get",
        "/ext/rrpc/#",
        f"/ext/error/{key}/{other.name}",
        f"/broadcast/{foreign.product_key}/all",
        "/broadcast/#",
        "/broadcast/+/all",
        "$SYS/#",
        f"$share/g/sys/{key}/{other.name}/#",
        f"$share/g//sys/{key}/{other.name}/#",
        "$share/g/#",
    ]
    for topic_filter in filters:
        client.send(Subscribe(7, [Subscription(topic_filter, 1)]))
        assert (await client.expect(Suback)).codes == [0x80], topic_filter
    mqtt_5 = await Client.open(world, version=5)
    packet = secret_connect(other)
    packet.version = 5
    mqtt_5.send(packet)
    assert (await mqtt_5.expect(Connack)).code == 0
    for topic in (
        f"/{key}/{device.name}/user/update",
        f"/{key}/{longer.name}/user/update",
        f"/{key}/LAMP-2/user/update",
        f"/{foreign.product_key}/{foreign.name}/user/update",
        f"/sys/{key}/{device.name}/thing/event/property/post",
        f"/sys/{key}/lamp-2x/thing/event/property/post",
        f"/ota/device/inform/{key}/{device.name}",
        f"/shadow/update/{key}/{device.name}",
        f"/ext/session/{key}/{device.name}/combine/login",
        f"/ext/rrpc/1/{key}/{device.name}/user/get",
        f"/ext/rrpc/1/sys/{key}/{device.name}/thing",
        f"/broadcast/{key}/all",
        "/ext/register",
        "/ext/auth/identity/response",
        "$SYS/x",
        "x",
    ):
        acknowledged, delivered = await mqtt_5.publish(topic, json.dumps({"id": "1"}).encode())
        assert (acknowledged.reason, delivered) == (ReasonCode.NOT_AUTHORIZED, []), topic
    assert world.series.appended == []
    assert await client.drain() == []


async def test_one_client_id_is_not_another_s_session(
    world: RealWorld, product: Product, device: Device, trusting: ssl.SSLContext
) -> None:
    """Sessions go by device, whatever the client identifier says."""
    other = await world.device(product, "lamp-2")
    first, connack = await say(world, secret_connect(device), trusting)
    assert connack.code == 0
    _, connack = await say(world, secret_connect(other), trusting)  # the same clientId
    assert connack.code == 0
    assert await first.drain() == []
