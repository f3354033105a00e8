"""What gateways ask for about their sub-devices, byte for byte where the reference shows the bytes."""

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.common.clock import FakeClock
from tests.common.forwarding import AllTo, forwarding
from tests.common.moving import move
from tests.topology.conftest import Register
from thingplane.alink import HandlerTable, Uplink, read_request, signature
from thingplane.bus import LocalBus
from thingplane.cloud import Services
from thingplane.devices.service import Device, DeviceService
from thingplane.forwarding.service import Forwarded, Forwarder, Kind
from thingplane.products.service import NewProduct, Product, ProductService
from thingplane.storage.database import Database
from thingplane.topology import device as topology_device
from thingplane.topology.notices import TopologyNotices
from thingplane.topology.registration import SubDeviceRegistration
from thingplane.topology.reports import TopologyReports
from thingplane.topology.service import TopologyChanged, TopologyService

Ask = Callable[..., Awaitable[dict[str, Any]]]


class Gateways:
    """Hands messages of gateways to their handlers."""

    def __init__(self, services: Services) -> None:
        self._table = HandlerTable()
        for pattern, handler in topology_device.handlers(services).items():
            self._table.add(pattern, handler)

    async def send(self, gateway: Device, suffix: str, payload: bytes) -> bytes:
        """Return the reply to a message; empty without one."""
        route = self._table.find(suffix)
        assert route is not None
        topic = f"/sys/{gateway.product_key}/{gateway.name}/{suffix}"
        uplink = Uplink(gateway, topic, route.capture, payload, 0, reply_tail=route.reply_tail)
        if not route.is_request or read_request(uplink, route.method):
            pending = route.handler(uplink)
            if pending is not None:
                await pending
        if not uplink.replies:
            return b""
        [(reply_topic, reply)] = uplink.replies
        assert reply_topic == topic + "_reply"
        return reply

    async def ask(self, gateway: Device, suffix: str, params: Any) -> dict[str, Any]:
        """Return the reply to a request."""
        reply = await self.send(gateway, suffix, json.dumps({"id": "1", "params": params}).encode())
        content: dict[str, Any] = json.loads(reply)
        return content


class NoForwarder:
    """Nobody wants anything."""

    has_subscribers = False

    def wanted(self, *_asked: object) -> bool:
        return False


def make_services(
    devices: DeviceService,
    products: ProductService,
    topology: TopologyService,
    notices: TopologyNotices,
    reports: TopologyReports,
) -> Services:
    registration = SubDeviceRegistration(devices, products, topology, max_registered=3)
    return Services(devices, products, topology, notices, registration, reports)


@pytest.fixture
def gateways(
    *,
    bus: LocalBus,
    clock: FakeClock,
    devices: DeviceService,
    products: ProductService,
    topology: TopologyService,
    notices: TopologyNotices,
) -> Gateways:
    nobody: Any = NoForwarder()
    reports = TopologyReports(bus, clock, nobody, devices, products, topology)
    return Gateways(make_services(devices, products, topology, notices, reports))


@pytest.fixture
async def open_product(products: ProductService, product: Product) -> Product:
    """The product of sub-devices, with dynamic registration."""
    await products.set_dynamic_register(product, enabled=True)
    found = await products.find(product.product_key)
    assert found is not None
    return found


def named(device: Device) -> dict[str, str]:
    return {"productKey": device.product_key, "deviceName": device.name}


def signed(device: Device, **changed: Any) -> dict[str, Any]:
    fields = {**named(device), "clientId": "123", "timestamp": "1600000000000"}
    sign = signature(device.secret, "hmacSha256", fields)
    return {**fields, "signmethod": "hmacSha256", "sign": sign, **changed}


def data(device: Device) -> bytes:
    return msgspec.json.encode([named(device)])


# Topology


async def test_add_get_delete(
    gateways: Gateways, bus: LocalBus, gateway: Device, register: Register, topology: TopologyService
) -> None:
    (meter,) = await register(1)
    events: list[TopologyChanged] = []
    bus.subscribe(TopologyChanged, events.append)
    request = {"id": "1", "version": "1.0", "params": [signed(meter)], "method": "thing.topo.add"}
    tail = b',"id":"1","message":"success","method":"thing.topo.%b","version":"1.0"}'
    answer = b'{"code":200,"data":' + data(meter) + tail
    assert await gateways.send(gateway, "thing/topo/add", json.dumps(request).encode()) == answer % b"add"
    # As the SDK for C asks (4.3).
    assert await gateways.send(gateway, "thing/topo/get", b'{"id":"1","params":"{}"}') == answer % b"get"
    delete = json.dumps({"id": "1", "params": [named(meter)]}).encode()
    assert await gateways.send(gateway, "thing/topo/delete", delete) == answer % b"delete"
    assert await topology.sub_devices(gateway) == []
    assert [(event.action, event.by_gateway) for event in events] == [("add", True), ("delete", True)]


async def test_the_signature_of_the_reference(
    gateways: Gateways, devices: DeviceService, product: Product, gateway: Device, topology: TopologyService
) -> None:
    meter = await devices.register(product, "meter-7")
    for timestamp in ("1600000000000", 1600000000000):
        item = signed(meter, timestamp=timestamp, sign=signed(meter)["sign"].upper())
        assert (await gateways.ask(gateway, "thing/topo/add", item))["code"] == 200
    assert await topology.attached(gateway.id, [meter.id]) == {meter.id}


async def test_refused_additions(
    *,
    gateways: Gateways,
    devices: DeviceService,
    topology: TopologyService,
    gateway: Device,
    other_gateway: Device,
    stranger: Device,
    register: Register,
) -> None:
    meter, disabled, *more = await register(15)
    await devices.disable(disabled)
    refused: list[tuple[Any, int]] = [
        ([signed(meter, sign="00")], 401),
        ([signed(meter, timestamp="1")], 401),
        ([signed(meter, signmethod="crc32")], 460),
        ([signed(meter, deviceName="meter-x")], 6100),
        ([signed(stranger)], 6100),
        ([signed(gateway)], 6402),
        ([signed(other_gateway)], 6402),
        ([signed(disabled)], 6204),
        ([signed(meter), signed(disabled)], 6204),
        ([signed(device) for device in more], 6400),
        ([signed(meter, sign=None)], 460),
        ([named(meter)], 460),
        ([], 460),
        ([1], 460),
    ]
    for params, code in refused:
        assert (await gateways.ask(gateway, "thing/topo/add", params))["code"] == code, params
    assert await topology.sub_devices(gateway) == []
    assert (await gateways.ask(meter, "thing/topo/add", [signed(more[0])]))["code"] == 460


async def test_refused_deletions_change_nothing(
    *, gateways: Gateways, topology: TopologyService, gateway: Device, other_gateway: Device, register: Register
) -> None:
    mine, free, foreign = await register(3)
    await topology.add(gateway, [mine])
    await topology.add(other_gateway, [foreign])
    for params, code in (
        ([named(free)], 6401),
        ([named(mine), named(foreign)], 6401),
        ([{**named(mine), "deviceName": "meter-x"}], 6100),
        ([{"productKey": mine.product_key}], 460),
    ):
        assert (await gateways.ask(gateway, "thing/topo/delete", params))["code"] == code
    assert await topology.attached(gateway.id, [mine.id]) == {mine.id}
    assert await topology.attached(other_gateway.id, [foreign.id]) == {foreign.id}


async def test_an_addition_moves_a_sub_device(
    *,
    gateways: Gateways,
    bus: LocalBus,
    gateway: Device,
    other_gateway: Device,
    register: Register,
    topology: TopologyService,
) -> None:
    (meter,) = await register(1)
    await topology.add(other_gateway, [meter])
    events: list[TopologyChanged] = []
    bus.subscribe(TopologyChanged, events.append)
    assert (await gateways.ask(gateway, "thing/topo/add", [signed(meter)]))["code"] == 200
    assert [(event.action, event.gateway_id, event.by_gateway) for event in events] == [
        ("delete", other_gateway.id, False),
        ("add", gateway.id, True),
    ]


async def test_unregister_takes_a_sub_device_out(
    gateways: Gateways, gateway: Device, register: Register, topology: TopologyService
) -> None:
    (meter,) = await register(1)
    await topology.add(gateway, [meter])
    assert (await gateways.ask(gateway, "thing/sub/unregister", [named(meter)]))["code"] == 200
    assert await topology.sub_devices(gateway) == []


async def test_found_devices_are_checked_and_bind_nothing(
    gateways: Gateways, gateway: Device, product: Product, stranger: Device, topology: TopologyService
) -> None:
    found = {"productKey": product.product_key, "deviceName": "new-1"}
    reply = await gateways.send(gateway, "thing/list/found", json.dumps({"id": "1", "params": [found]}).encode())
    assert reply == (b'{"code":200,"data":{},"id":"1","message":"success","method":"thing.list.found","version":"1.0"}')
    for params, code in (
        ([{**found, "deviceName": "a/b+#"}], 6280),
        ([{**found, "deviceName": "x"}], 6280),
        ([{**found, "productKey": "a1Unknown"}], 6250),
        ([named(stranger)], 6250),
        ({}, 460),
    ):
        assert (await gateways.ask(gateway, "thing/list/found", params))["code"] == code
    assert await topology.sub_devices(gateway) == []


@pytest.mark.parametrize("suffix", ["topo/add/notify", "topo/change", "disable", "enable", "delete", "gateway/permit"])
async def test_replies_to_notices_are_taken(gateways: Gateways, gateway: Device, suffix: str) -> None:
    assert await gateways.send(gateway, f"thing/{suffix}_reply", b'{"id":"1","code":200,"data":{}}') == b""


# Registration


async def test_sub_devices_get_their_secrets(
    gateways: Gateways, devices: DeviceService, open_product: Product, gateway: Device
) -> None:
    meter = await devices.register(open_product, "meter-7")
    key, iot_id, secret = open_product.product_key, meter.iot_id, meter.secret
    request = b'{"id":"11","version":"1.0","sys":{"ack":1},"params":[{"productKey":"%b","deviceName":"meter-7"}],'
    request = request % key.encode() + b'"method":"thing.sub.register"}'
    expected = (
        f'{{"code":200,"data":[{{"iotId":"{iot_id}","productKey":"{key}","deviceName":"meter-7",'
        f'"deviceSecret":"{secret}"}}],"id":"11","message":"success","method":"thing.sub.register","version":"1.0"}}'
    )
    assert (await gateways.send(gateway, "thing/sub/register", request)).decode() == expected


async def test_refused_registrations(
    *,
    gateways: Gateways,
    devices: DeviceService,
    products: ProductService,
    topology: TopologyService,
    open_product: Product,
    gateway: Device,
    other_gateway: Device,
    stranger: Device,
) -> None:
    closed = await products.create(1, NewProduct(name="Closed", node_type=0))
    locked = await devices.register(closed, "meter-1")
    bound = await devices.register(open_product, "meter-2")
    await topology.add(other_gateway, [bound])
    free = await devices.register(open_product, "meter-3")
    for params, code in (
        ([named(locked)], 6288),
        ([named(free), named(bound)], 6619),
        ([{**named(free), "deviceName": "meter-x"}], 6100),
        ([{**named(free), "productKey": "a1Unknown"}], 5005),
        ([named(stranger)], 5005),
        ([named(free)] * 4, 460),
        ([], 460),
        ([{"deviceName": "meter-3"}], 460),
    ):
        answer = await gateways.ask(gateway, "thing/sub/register", params)
        assert (answer["code"], answer["data"]) == (code, {}), params
    await devices.disable(free)
    assert (await gateways.ask(gateway, "thing/sub/register", [named(free)]))["code"] == 6204


def proxied(device: Device, secret: str, **changed: Any) -> dict[str, Any]:
    fields = {**named(device), "random": "567345"}
    sign = signature(secret, "hmacSha256", fields)
    return {**fields, "signMethod": "hmacSha256", "sign": sign, **changed}


async def test_registration_with_the_products_secret_takes_devices_from_other_gateways(
    *,
    gateways: Gateways,
    devices: DeviceService,
    topology: TopologyService,
    open_product: Product,
    gateway: Device,
    other_gateway: Device,
) -> None:
    free, bound = [await devices.register(open_product, f"meter-{number}") for number in range(2)]
    await topology.add(other_gateway, [bound])
    secret = open_product.product_secret
    items = [proxied(free, secret), proxied(bound, secret), proxied(free, "wrong"), proxied(free, secret, random="1")]
    for batch, successes, codes in ((items[:2], [free, bound], []), (items[2:], [], [6600, 6600])):
        answer = await gateways.ask(gateway, "thing/proxy/provisioning/product_register", {"proxieds": batch})
        assert answer["code"] == 200
        assert answer["data"]["successes"] == [
            {"iotId": device.iot_id, **named(device), "deviceSecret": device.secret} for device in successes
        ]
        assert [failure["errorDetail"]["code"] for failure in answer["data"]["failures"]] == codes
    assert await topology.sub_devices(other_gateway) == []
    assert await topology.sub_devices(gateway) == []


async def test_each_failure_is_named(
    gateways: Gateways, products: ProductService, devices: DeviceService, open_product: Product, gateway: Device
) -> None:
    closed = await products.create(1, NewProduct(name="Closed", node_type=0))
    locked = await devices.register(closed, "meter-1")
    free = await devices.register(open_product, "meter-3")
    secret = open_product.product_secret
    unknown = {**named(free), "deviceName": "meter-x", "random": "1"}
    unknown["sign"] = signature(secret, "hmacSha1", unknown) or ""
    for item, code in (
        (proxied(locked, closed.product_secret), 6288),
        (proxied(free, secret, productKey="a1Unknown"), 6250),
        (proxied(free, secret, signMethod="crc32"), 6292),
        ({**unknown, "signMethod": "hmacSha1"}, 6100),
        ({**proxied(free, secret), "sign": ""}, 460),
    ):
        answer = await gateways.ask(gateway, "thing/proxy/provisioning/product_register", {"proxieds": [item]})
        [failure] = answer["data"]["failures"]
        assert (failure["errorDetail"]["code"], answer["data"]["successes"]) == (code, [])
        assert (failure["productKey"], failure["deviceName"]) == (item["productKey"], item["deviceName"])
    malformed: list[dict[str, Any]] = [{}, {"proxieds": []}, {"proxieds": [{}]}, {"proxieds": [unknown] * 4}]
    for params in malformed:
        answer = await gateways.ask(gateway, "thing/proxy/provisioning/product_register", params)
        assert answer["code"] == 460


# What subscribers learn


async def test_subscribers_learn_of_changes_and_of_found_devices(
    *,
    tmp_path: Path,
    clock: FakeClock,
    database: Database,
    bus: LocalBus,
    devices: DeviceService,
    products: ProductService,
    topology: TopologyService,
    notices: TopologyNotices,
    product: Product,
    gateway: Device,
    register: Register,
) -> None:
    meter, away = await register(2)
    await move(products, devices, product, away)
    async with forwarding(tmp_path, clock, database) as forwarder:
        seen = await subscribed(forwarder)
        reports = TopologyReports(bus, clock, forwarder, devices, products, topology)
        gateways = Gateways(make_services(devices, products, topology, notices, reports))
        await gateways.ask(gateway, "thing/topo/add", [signed(meter)])
        await devices.disable(meter)
        await devices.enable(meter)
        await reports.settled()
        await topology.remove(gateway, [meter])
        await reports.settled()
        found = [named(meter), {"productKey": meter.product_key, "deviceName": "new-1"}, named(away)]
        await gateways.ask(gateway, "thing/list/found", found)
        message_id = await notices.ask_to_add(gateway, [meter])
        # An id of the device's own, an answer to nothing, the answer, and the same again.
        for alink_id in ("x", "1", str(int(message_id) % 2**31), str(int(message_id) % 2**31)):
            reply = {"id": alink_id, "code": 200, "data": {"a": 1.50}}
            await gateways.send(gateway, "thing/topo/add/notify_reply", json.dumps(reply).encode())
        await forwarder.durable()
    own = f"/{gateway.product_key}/{gateway.name}/thing/"
    entry = {"iotId": meter.iot_id, **named(meter)}
    assert [(item.kind, item.topic) for item in seen] == [(Kind.TOPOLOGY, own + "topo/lifecycle")] * 4 + [
        (Kind.FOUND, own + "list/found"),
        (Kind.REPLY, own + "downlink/reply/message"),
    ]
    bodies = [json.loads(item.body) for item in seen]
    assert [body.get("action") for body in bodies] == ["create", "disable", "enable", "delete", None, None]
    hub = {"gwIotId": gateway.iot_id, "gwProductKey": gateway.product_key, "gwDeviceName": gateway.name}
    assert bodies[0] == {
        "action": "create",
        **hub,
        "devices": [entry],
        "messageCreateTime": clock.now_ms(),
    }
    assert bodies[5] == {
        "gmtCreate": clock.now_ms(),
        "iotId": gateway.iot_id,
        **named(gateway),
        "requestId": int(message_id),
        "code": 200,
        "message": "",
        "topic": f"/sys/{gateway.product_key}/{gateway.name}/thing/topo/add/notify",
        "data": {"a": 1.5},
        "checkFailedData": {},
    }
    assert bodies[4] == {**hub, "devices": [entry, *({"iotId": "", **name} for name in found[1:])]}


async def subscribed(forwarder: Forwarder) -> list[Forwarded]:
    """Return a list that fills with everything that is forwarded."""
    seen: list[Forwarded] = []
    subscriber = await forwarder.enroll("group", "everyone")
    forwarder.add_router(AllTo([subscriber]))
    forwarder.listen(subscriber, seen.extend)
    return seen
