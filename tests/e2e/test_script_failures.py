"""Scripts that loop, eat memory, backtrack for ever or crash on a running node: what it costs, and who learns of it."""

import asyncio
import json
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from alibabacloud_iot20180120 import models
from alibabacloud_iot20180120.client import Client

from tests.common.cli import run_on
from tests.common.node import NodeProcess, running_node
from tests.e2e.conftest import sdk_client
from tests.e2e.operations.calls import identity, new_product, ok, refusal, register
from tests.e2e.raw import RawDevice, connected
from tests.e2e.test_main_job import eventually
from tests.e2e.test_scripts import PROPERTIES, message
from tests.scripts import examples
from thingplane.mqtt.packets import Publish
from thingplane.scripts.outcome import TOO_LARGE, TOO_LONG

LOOP, BOMB, REGEX, CRASH = b"\x11", b"\x12", b"\x13", b"\x14"
PYTHON = (
    examples.PYTHON
    + """

import ctypes, re
parse, write = raw_data_to_protocol, protocol_to_raw_data


def raw_data_to_protocol(bytes):
    hog = []
    while bytes[0] == 0x11: pass
    while bytes[0] == 0x12: hog.append('x' * 2 ** 20)
    if bytes[0] == 0x13: re.match('(a+)+$', 'a' * 40 + 'b')
    if bytes[0] == 0x14: ctypes.string_at(0)
    return parse(bytes)


def protocol_to_raw_data(message):
    while message.get('params', {}).get('temp') == 666: pass
    return write(message)
"""
)
JAVASCRIPT = (
    examples.JAVASCRIPT.replace("function rawDataToProtocol", "function parse")
    + """
function rawDataToProtocol(bytes) {
    var hog = [];
    while (bytes[0] == 0x11);
    while (bytes[0] == 0x12) hog.push(new Uint8Array(1 << 20));
    if (bytes[0] == 0x13) /(a+)+$/.test('a'.repeat(40) + 'b');
    return parse(bytes);
}
"""
)
REASONS = {
    "Python_27": {LOOP: TOO_LONG, BOMB: TOO_LARGE, REGEX: TOO_LONG, CRASH: "SIGSEGV"},
    "JavaScript": {LOOP: TOO_LONG, BOMB: TOO_LARGE, REGEX: TOO_LONG},
}


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeProcess]:
    with running_node(tmp_path_factory.mktemp("scripts") / "data") as node:
        yield node


@pytest.fixture
def cloud(node: NodeProcess) -> Client:
    return sdk_client(node)


def product(cloud: Client, source: str, language: str) -> str:
    key = new_product(cloud, data_format=0)
    text = json.dumps({"productKey": key, "properties": PROPERTIES})
    ok(cloud.create_thing_model(models.CreateThingModelRequest(product_key=key, thing_model_json=text)))
    ok(cloud.publish_thing_model(models.PublishThingModelRequest(product_key=key)))
    request = models.CreateThingScriptRequest(product_key=key, script_content=source, script_type=language)
    ok(cloud.create_thing_script(request))
    return key


async def post(device: RawDevice, thing: str) -> None:
    """Post what the script understands, and wait for the reply."""
    device.send(Publish(f"{thing}/up_raw", examples.POST, qos=1, packet_id=1))
    reply = await message(device)
    assert (reply.topic, reply.payload) == (f"{thing}/up_raw_reply", examples.POST_REPLY)


def noted(node: NodeProcess, key: str, name: str) -> list[dict[str, Any]]:
    """Return what the platform has written into the log of a device."""
    return list(run_on(node, "device", "logs", key, name, "--source", "platform"))


def is_ready(node: NodeProcess) -> bool:
    host, port = node.address("api")
    with urllib.request.urlopen(f"http://{host}:{port}/readyz", timeout=10) as answer:
        return bool(answer.status == 200)


@pytest.mark.parametrize(("language", "source"), [("Python_27", PYTHON), ("JavaScript", JAVASCRIPT)])
async def test_each_failure_costs_one_message_and_is_in_the_log_of_its_device(
    node: NodeProcess, cloud: Client, language: str, source: str
) -> None:
    key = await asyncio.to_thread(product, cloud, source, language)
    other_key = await asyncio.to_thread(product, cloud, examples.JAVASCRIPT, "JavaScript")
    names = [(key, "lamp"), (key, "peer"), (other_key, "other")]
    bad, peer, other = [identity(await asyncio.to_thread(register, cloud, *name)) for name in names]
    things = [f"/sys/{product_key}/{name}/thing/model" for product_key, name in names]
    address, pid = node.address("mqtt"), node.pid
    async with (
        connected(address, bad) as (one, _),
        connected(address, peer) as (two, _),
        connected(address, other) as (three, _),
    ):
        for payload in REASONS[language]:
            one.send(Publish(f"{things[0]}/up_raw", payload, qos=1, packet_id=1))
            await post(three, things[2])  # another product's script is not held up
            await post(one, things[0])  # the next message of the same device, with nothing in between
            await post(two, things[1])  # another device with the same script
    expected = [(payload.hex(), reason) for payload, reason in REASONS[language].items()]
    eventually(lambda: len(noted(node, key, "lamp")), len(expected))
    for entry, (sent, reason) in zip(noted(node, key, "lamp"), expected, strict=True):
        assert (entry["Level"], entry["Module"], entry["Code"]) == ("ERROR", "script", "26002")
        assert reason in entry["Content"]
        assert f"{things[0]}/up_raw, bytes 0x{sent}" in entry["Content"]
    assert noted(node, key, "peer") == noted(node, other_key, "other") == []
    assert is_ready(node)
    assert node.pid == pid
    assert node.running()


async def test_a_script_that_loops_on_a_request_fails_the_call_and_is_in_the_log(
    node: NodeProcess, cloud: Client
) -> None:
    key = await asyncio.to_thread(product, cloud, PYTHON, "Python_27")
    who = identity(await asyncio.to_thread(register, cloud, key, "lamp"))
    async with connected(node.address("mqtt"), who) as (device, _):
        for temp, code in ((666, "iot.device.SetDevicePropertyFailed"), (333, None)):
            items = json.dumps({"temp": temp, "sw": 1})
            request = models.SetDevicePropertyRequest(product_key=key, device_name="lamp", items=items)
            answer = await asyncio.to_thread(cloud.set_device_property, request)
            if code is None:
                ok(answer)
            else:
                assert refusal(answer) == code
                assert TOO_LONG in answer.body.error_message
        assert (await message(device)).payload[5:] == examples.SET[5:]
    eventually(lambda: [entry["Code"] for entry in noted(node, key, "lamp")], ["26002"])


async def test_a_custom_message_whose_script_loops_is_dropped_and_in_the_log(node: NodeProcess, cloud: Client) -> None:
    source = "function transformPayload(topic, bytes) { while (bytes[0]); return { topic: topic }; }"
    key = await asyncio.to_thread(product, cloud, source, "JavaScript")
    sender, receiver = [identity(await asyncio.to_thread(register, cloud, key, name)) for name in ("lamp", "receiver")]
    topics = [f"/{key}/lamp/user/update", f"/{key}/receiver/user/get"]
    address = node.address("mqtt")
    async with connected(address, sender) as (one, _), connected(address, receiver) as (two, _):
        route = models.CreateTopicRouteTableRequest(src_topic=topics[0], dst_topic=topics[1:])
        ok(await asyncio.to_thread(cloud.create_topic_route_table, route))
        assert await two.subscribe(topics[1]) == [1]
        for payload in (b"\x01", b"\x00"):
            one.send(Publish(f"{topics[0]}?_sn=default", payload, qos=1, packet_id=1))
        assert json.loads((await message(two)).payload) == {"topic": topics[0]}
    eventually(lambda: [entry["Code"] for entry in noted(node, key, "lamp")], ["26002"])
