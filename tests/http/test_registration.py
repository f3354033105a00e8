"""``/auth/register/device`` and ``/auth/bootstrap`` (device-protocol, 2.2 and 2.7)."""

import pytest

from tests.http.client import HttpWorld, registration
from thingplane.products.service import Product


@pytest.fixture
async def product(world: HttpWorld) -> Product:
    product = await world.real.product()
    await world.real.device(product)
    return product


@pytest.mark.parametrize("method", ["HmacMD5", "hmacsha1", "hmacsha256"])
async def test_a_device_fetches_its_secret(world: HttpWorld, product: Product, method: str) -> None:
    device = await world.real.devices.find(product.product_key, "lamp-1")
    assert device is not None
    for _ in range(2):
        answer = await world.form("/auth/register/device", registration(product, "lamp-1", method))
        assert answer.body == (
            b'{"code":200,"data":{"productKey":"%s","deviceName":"lamp-1","deviceSecret":"%s"},"message":"success"}'
            % (product.product_key.encode(), device.secret.encode())
        )
    assert world.real.devices.status(device) == "UNACTIVE"


async def test_all_that_is_submitted_is_signed(world: HttpWorld, product: Product) -> None:
    good = registration(product, "lamp-1")
    assert (await world.form("/auth/register/device", {**good, "more": "x"})).json["code"] == 6600


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"sign": "0" * 32}, 6600),
        ({"sign": ""}, 460),
        ({"random": ""}, 460),
        ({"deviceName": ""}, 460),
        ({"productKey": ""}, 460),
        ({"productKey": "a1nobody"}, 6250),
        ({"signMethod": "md5"}, 6292),
        ({"signMethod": "sha256"}, 6292),
    ],
)
async def test_refused_registrations(world: HttpWorld, product: Product, changes: dict[str, str], code: int) -> None:
    answer = await world.form("/auth/register/device", registration(product, "lamp-1", **changes))
    assert (answer.status, answer.json["code"]) == (200, code)
    assert answer.json["message"]
    assert "data" not in answer.json


async def test_states_that_do_not_permit_it(world: HttpWorld, product: Product) -> None:
    devices = world.real.devices
    device = await devices.find(product.product_key, "lamp-1")
    assert device is not None

    async def code(name: str = "lamp-1") -> int:
        answered: int = (await world.form("/auth/register/device", registration(product, name))).json["code"]
        return answered

    assert await code("lamp-99") == 6100
    await devices.disable(device)
    assert await code() == 6204
    await devices.enable(device)
    devices.connected(device, "192.0.2.1")
    devices.disconnected(device)
    assert await code() == 6289
    await devices.reset(device)
    assert await code() == 200
    await world.real.products.set_dynamic_register(product, enabled=False)
    assert await code() == 6288


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"productKey", b"a=%ff&productKey=1", b"\xff=1", b"a=1&" * 60, b"x" * 9000]
)
async def test_bodies_that_are_no_forms(world: HttpWorld, body: bytes) -> None:
    for path in ("/auth/register/device", "/auth/devicename", "/auth/bootstrap"):
        assert (await world.request(path, body)).json == {"code": 460, "message": "request parameter error"}


async def test_endpoint_discovery(world: HttpWorld) -> None:
    answer = await world.form(
        "/auth/bootstrap", {"productKey": "a1ExampleK1", "deviceName": "sensor-01", "resources": "mqtt"}
    )
    expected = b'{"code":200,"data":{"resources":{"mqtt":{"host":"iot.example.com","port":1883}}},"message":"success"}'
    assert answer.body == expected
    assert len(answer.body) <= 192
    assert (await world.request("/auth/bootstrap/regionId/cn-shanghai", b"", method="GET")).body == expected
    assert (await world.form("/auth/bootstrap", {"productKey": "a1ExampleK1"})).json["code"] == 460


async def test_other_paths_and_methods(world: HttpWorld) -> None:
    assert (await world.request("/auth/other", b"")).status == 404
    assert (await world.request("/auth/register/device", b"", method="GET")).status == 405
