"""Gateways and their sub-devices: who they are, and what gateways ask for."""

import json
from typing import Any

from tests.gateway.client import Client
from tests.gateway.support import PRODUCT_KEY, FakeDevice, World
from thingplane.alink import signature
from thingplane.mqtt.packets import Publish

SUB_KEY = "a1SubProd01"
SUB_SECRET = "fedcba9876543210fedcba9876543210"
GATEWAY = "hub-1"
OTHER_GATEWAY = "hub-2"
SESSION = f"/ext/session/{PRODUCT_KEY}/{GATEWAY}/combine/"
ERROR = f"/ext/error/{PRODUCT_KEY}/{GATEWAY}"

METER = FakeDevice(7, "meter-7", product_id=2, product_key=SUB_KEY, secret=SUB_SECRET)
OTHER_METER = FakeDevice(8, "meter-8", product_id=2, product_key=SUB_KEY, secret=SUB_SECRET)
STRANGER = FakeDevice(9, "meter-9", product_id=2, product_key=SUB_KEY, secret=SUB_SECRET)


def populate(world: World) -> None:
    """Make two gateways, two sub-devices of the first, and a device that is nobody's sub-device."""
    world.devices.add(
        FakeDevice(11, GATEWAY, product_id=3, node_type=1), FakeDevice(12, OTHER_GATEWAY, product_id=3, node_type=1)
    )
    for device in (METER, OTHER_METER, STRANGER):
        world.devices.add(FakeDevice(device.id, device.name, device.product_id, device.product_key, device.secret))
    world.topology.subs = {11: {7, 8}}


def signed(device: FakeDevice = METER, **changed: Any) -> dict[str, Any]:
    """Return what SDKs submit for a login."""
    fields = {
        "productKey": device.product_key,
        "deviceName": device.name,
        "clientId": f"{device.product_key}&{device.name}",
        "timestamp": "1600000000000",
    }
    sign = signature(device.secret, "hmacSha1", fields)
    return {**fields, "signMethod": "hmacSha1", "sign": sign, "cleanSession": "true", **changed}


def request(params: Any, request_id: Any = "5") -> bytes:
    return json.dumps({"id": request_id, "params": params}).encode()


async def ask(client: Client, action: str, params: Any, *, gateway: str = GATEWAY) -> list[tuple[str, bytes]]:
    """Send a session request; returns what came back, as (topic, payload)."""
    topic = f"/ext/session/{PRODUCT_KEY}/{gateway}/combine/{action}"
    client.send(Publish(topic, request(params)))
    packet = await client.expect(Publish)
    return [(packet.topic, packet.payload), *heard(await client.drain())]


def heard(packets: Any) -> list[tuple[str, bytes]]:
    return [(packet.topic, packet.payload) for packet in packets if isinstance(packet, Publish)]


async def code(client: Client, action: str, params: Any, *, gateway: str = GATEWAY) -> int:
    """Send a session request; returns the code of its answer."""
    [(_, answer), *_rest] = await ask(client, action, params, gateway=gateway)
    return int(json.loads(answer)["code"])


async def logged_in(world: World, *devices: FakeDevice, gateway: str = GATEWAY, **fields: Any) -> Client:
    """Return the connection of a gateway over which sub-devices are logged in."""
    clean = {"cleanSession": fields.pop("cleanSession", "true")}
    client = await Client.connected(world, gateway, **fields)
    batch = {"deviceList": [signed(device, **clean) for device in devices or (METER,)]}
    assert await code(client, "batch_login", batch, gateway=gateway) == 200
    return client


def sub_topic(suffix: str, device: FakeDevice = METER) -> str:
    return f"/sys/{SUB_KEY}/{device.name}/{suffix}"
