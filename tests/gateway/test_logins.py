"""Logins and logouts of sub-devices, byte for byte where the reference shows the bytes."""

import json
from typing import Any

import pytest

from tests.gateway.client import Client, connect_packet
from tests.gateway.conftest import StartWorld
from tests.gateway.sub_devices import (
    ERROR,
    METER,
    OTHER_GATEWAY,
    OTHER_METER,
    SESSION,
    STRANGER,
    SUB_KEY,
    SUB_SECRET,
    ask,
    code,
    heard,
    logged_in,
    populate,
    request,
    signed,
    sub_topic,
)
from tests.gateway.support import PRODUCT_KEY, World, until
from thingplane.alink import signature
from thingplane.devices.service import DeviceDeleted, DeviceDisabled, DeviceReset
from thingplane.mqtt.packets import Connack, Publish
from thingplane.products.service import ProductDeleted

NAMED = b'{"productKey":"a1SubProd01","deviceName":"meter-7"}'


@pytest.fixture(autouse=True)
def fleet(world: World) -> None:
    populate(world)


async def test_login_and_logout_of_one_sub_device(world: World) -> None:
    client = await Client.connected(world, "hub-1")
    # The signature of the reference's worked example (4.3).
    params = {
        "productKey": SUB_KEY,
        "deviceName": "meter-7",
        "clientId": "a1SubProd01&meter-7",
        "timestamp": 1600000000000,
        "signMethod": "hmacSha1",
        "sign": "F2116462B83984E4D366646C5BF565194DF518A5",
        "cleanSession": "true",
    }
    [answer] = await ask(client, "login", params)
    assert answer == (SESSION + "login_reply", b'{"id":"5","code":200,"message":"success","data":' + NAMED + b"}")
    assert world.gateway.downlink.online(7)
    assert world.devices.log[-1] == "meter-7 connected from 127.0.0.1"
    [answer] = await ask(client, "logout", {"productKey": SUB_KEY, "deviceName": "meter-7"})
    assert answer == (SESSION + "logout_reply", b'{"id":"5","code":200,"message":"success","data":' + NAMED + b"}")
    assert not world.gateway.downlink.online(7)
    assert world.devices.log[-1] == "meter-7 disconnected"


async def test_batches_as_the_sdks_send_them(world: World) -> None:
    client = await Client.connected(world, "hub-1")
    items = [signed(device) for device in (METER, OTHER_METER)]
    for item in items:
        del item["signMethod"]
    [answer] = await ask(client, "batch_login", {"signMethod": "HMACSHA1", "deviceList": items})
    both = b'{"id":"5","code":200,"message":"success","data":[' + NAMED + b"," + NAMED.replace(b"7", b"8") + b"]}"
    assert answer == (SESSION + "batch_login_reply", both)
    assert world.gateway.reading()["mqtt_sub_devices"] == 2
    names = [{"productKey": SUB_KEY, "deviceName": name} for name in ("meter-7", "meter-8")]
    [answer] = await ask(client, "batch_logout", names)
    assert answer == (SESSION + "batch_logout_reply", both)
    assert world.gateway.reading()["mqtt_sub_devices"] == 0


@pytest.mark.parametrize(
    ("params", "expected", "offender"),
    [
        (signed(STRANGER), 6401, STRANGER.name),
        (signed(deviceName="meter-0"), 6100, "meter-0"),
        (signed(sign="00"), 6287, METER.name),
        (signed(timestamp="1600000000001"), 6287, METER.name),
        (signed(extra="signed as well"), 6287, METER.name),
        (signed(signMethod="crc32"), 460, METER.name),
        (signed(sign=""), 460, None),
        (signed(clientId=None), 460, None),
        (signed(clientId={"a": 1}), 460, None),
        ([], 460, None),
        ({}, 460, None),
    ],
)
async def test_refused_logins(world: World, params: Any, expected: int, offender: str | None) -> None:
    client = await Client.connected(world, "hub-1")
    [(_, answer)] = await ask(client, "login", params)
    content = json.loads(answer)
    data = {} if offender is None else {"productKey": SUB_KEY, "deviceName": offender}
    assert (content["code"], content["data"], content["id"]) == (expected, data, "5")
    assert world.gateway.reading()["mqtt_sub_devices"] == 0


async def test_a_batch_with_one_wrong_device_logs_nobody_in(world: World) -> None:
    client = await Client.connected(world, "hub-1")
    [(_, answer)] = await ask(client, "batch_login", {"deviceList": [signed(), signed(STRANGER)]})
    assert json.loads(answer)["data"] == [{"productKey": SUB_KEY, "deviceName": "meter-9"}]
    assert not world.gateway.downlink.online(7)
    assert await code(client, "batch_logout", [{"productKey": SUB_KEY, "deviceName": "meter-7"}]) == 520


async def test_a_disabled_sub_device_is_refused(world: World) -> None:
    world.devices.devices[SUB_KEY, "meter-7"].enabled = False
    client = await Client.connected(world, "hub-1")
    assert await code(client, "login", signed()) == 522


@pytest.mark.parametrize("payload", [b"", b"x", b'{"id":"1","params":3}', b'{"id":"1"}'])
async def test_requests_that_cannot_be_read(world: World, payload: bytes) -> None:
    client = await Client.connected(world, "hub-1")
    for action in ("login", "batch_login", "logout", "batch_logout"):
        client.send(Publish(SESSION + action, payload))
        reply = await client.expect(Publish)
        assert reply.topic == f"{SESSION}{action}_reply"
        assert json.loads(reply.payload)["code"] == 460


async def test_no_answer_for_a_gateway_that_wants_none(world: World) -> None:
    client = await Client.connected(world, "hub-1")
    message = json.dumps({"id": "1", "sys": {"ack": 0}, "params": signed()}).encode()
    client.send(Publish(SESSION + "login", message))
    await until(lambda: world.gateway.downlink.online(7))
    assert await client.drain() == []


async def test_nobody_logs_in_for_another_gateway_or_as_a_plain_device(world: World) -> None:
    client = await Client.connected(world, "hub-2")
    client.send(Publish(SESSION + "login", request(signed())))
    assert [topic for topic, _ in heard(await client.drain())] == [f"/ext/error/{PRODUCT_KEY}/hub-2"]
    assert await code(client, "login", signed(), gateway=OTHER_GATEWAY) == 6401
    device = await Client.connected(world, "sensor-01")
    assert await code(device, "login", signed(), gateway="sensor-01") == 6401


async def test_limits_of_batches_and_of_sub_devices_online(start: StartWorld) -> None:
    world = await start(sub_devices_per_login=1, sub_devices_online=1)
    populate(world)
    client = await logged_in(world)
    assert await code(client, "batch_login", {"deviceList": [signed(), signed(OTHER_METER)]}) == 460
    assert await code(client, "login", signed(OTHER_METER)) == 428
    assert await code(client, "login", signed()) == 200


async def test_limits_of_pace(start: StartWorld) -> None:
    world = await start(sub_device_logins_per_minute=2, sub_device_logins_per_second=3)
    populate(world)
    client = await Client.connected(world, "hub-1")
    assert [await code(client, "login", signed()) for _ in range(3)] == [200, 200, 429]
    assert await code(client, "login", signed(OTHER_METER)) == 429
    world.clock.advance(1)
    assert await code(client, "login", signed(OTHER_METER)) == 200


async def test_sub_devices_go_with_the_connection_of_their_gateway(world: World) -> None:
    client = await logged_in(world, METER, OTHER_METER)
    client.abort()
    await until(lambda: not world.gateway.downlink.online(8))
    assert sorted(world.devices.log[-3:]) == ["hub-1 disconnected", "meter-7 disconnected", "meter-8 disconnected"]
    client = await Client.connected(world, "hub-1")
    client.send(Publish(sub_topic("thing/event/property/post"), b'{"id":"1","params":{}}'))
    assert [topic for topic, _ in heard(await client.drain())] == [ERROR]


async def test_a_new_connection_of_the_gateway_has_to_log_them_in_again(world: World) -> None:
    first = await logged_in(world)
    second = await Client.connected(world, "hub-1")
    assert await first.closed() == []
    assert not world.gateway.downlink.online(7)
    assert await code(second, "login", signed()) == 200
    assert world.gateway.downlink.online(7)


async def test_a_sub_device_that_logs_in_again_stays_online(world: World) -> None:
    for clean in ("true", "false", "false"):
        client = await logged_in(world, cleanSession=clean)
        world.devices.log.clear()
        assert await code(client, "login", signed(cleanSession=clean)) == 200
        assert world.devices.log in ([], ["meter-7 connected from 127.0.0.1", "meter-7 disconnected"])
        assert world.gateway.downlink.online(7)


async def test_a_sub_device_of_two_gateways_is_where_it_logged_in_last(world: World) -> None:
    world.topology.subs[12] = {7}
    first = await logged_in(world)
    second = await logged_in(world, gateway=OTHER_GATEWAY)
    message = b'{"id":"0","code":427,"message":"device connect in elsewhere","data":' + NAMED + b"}"
    assert heard(await first.drain()) == [(ERROR, message)]
    post = Publish(sub_topic("thing/event/property/post"), b'{"id":"1","params":{}}')
    first.send(post)
    assert [topic for topic, _ in heard(await first.drain())] == [ERROR]
    second.send(post)
    assert [topic for topic, _ in heard(await second.drain())] == [post.topic + "_reply"]


async def test_a_sub_device_that_connects_itself_leaves_its_gateway_and_the_other_way_round(world: World) -> None:
    hub = await logged_in(world)
    direct = await Client.open(world)
    fields = {"clientId": "sn0001", "deviceName": "meter-7", "productKey": SUB_KEY}
    password = (signature(SUB_SECRET, "hmacsha256", fields) or "").encode()
    direct.send(connect_packet(username=f"meter-7&{SUB_KEY}", password=password))
    assert (await direct.expect(Connack)).code == 0
    assert [json.loads(payload)["code"] for _, payload in heard(await hub.drain())] == [427]
    assert world.gateway.downlink.online(7)
    assert await code(hub, "login", signed()) == 200
    assert await direct.closed() == []
    assert world.gateway.downlink.online(7)


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (DeviceDeleted(7, SUB_KEY, "meter-7"), b'{"id":"0","code":521,"message":"device deleted","data":%b}'),
        (DeviceDisabled(7, SUB_KEY, "meter-7", 0), b'{"id":"0","code":522,"message":"device forbidden","data":%b}'),
        (ProductDeleted(2, SUB_KEY), b'{"id":"0","code":521,"message":"device deleted","data":%b}'),
    ],
)
async def test_forced_logouts(world: World, event: Any, expected: bytes) -> None:
    client = await logged_in(world)
    world.bus.publish(event)
    assert heard(await client.drain()) == [(ERROR, expected % NAMED)]
    assert not world.gateway.downlink.online(7)


@pytest.mark.parametrize(
    ("deleted", "by_gateway", "expected"), [(False, False, [6401]), (True, False, [521]), (False, True, [])]
)
async def test_a_lost_relationship_ends_the_login(
    world: World, *, deleted: bool, by_gateway: bool, expected: list[int]
) -> None:
    client = await logged_in(world, METER, OTHER_METER)
    world.gateway.logins.detached(12, [7], deleted=False, by_gateway=False)
    world.gateway.logins.detached(11, [7], deleted=deleted, by_gateway=by_gateway)
    assert [json.loads(payload)["code"] for _, payload in heard(await client.drain())] == expected
    assert not world.gateway.downlink.online(7)
    assert world.gateway.downlink.online(8)


async def test_a_relationship_that_is_lost_during_the_login_lets_nobody_in(world: World) -> None:
    client = await Client.connected(world, "hub-1")
    world.topology.gate.clear()
    client.send(Publish(SESSION + "login", request(signed())))
    await until(lambda: world.topology.reading)
    world.topology.subs[11].discard(7)
    world.gateway.logins.detached(11, [7], deleted=False, by_gateway=False)
    world.topology.gate.set()
    assert json.loads((await client.expect(Publish)).payload)["code"] == 6401
    assert not world.gateway.downlink.online(7)


async def test_a_gateway_that_leaves_during_the_login_logs_nobody_in(world: World) -> None:
    client = await Client.connected(world, "hub-1")
    world.topology.gate.clear()
    client.send(Publish(SESSION + "login", request(signed())))
    await until(lambda: world.topology.reading)
    client.abort()
    await until(lambda: not world.gateway.downlink.online(11))
    world.topology.gate.set()
    other = await Client.connected(world, "hub-2")
    await other.drain()
    assert not world.gateway.downlink.online(7)


async def test_a_reset_gateway_takes_its_sub_devices_offline(world: World) -> None:
    client = await logged_in(world)
    world.bus.publish(DeviceReset(11, PRODUCT_KEY, "hub-1", 0))
    assert await client.closed() == []
    assert not world.gateway.downlink.online(7)
