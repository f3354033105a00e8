"""Every kind of message that leaves the platform, from a device to a consumer (rules reference, chapter 3)."""

import asyncio
import hmac
import json
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Final, NamedTuple

import pytest

from tests.clients.node import NodeClients
from tests.common.cli import run_on
from tests.common.node import NodeProcess, running_node
from tests.e2e.conftest import cloud_client
from tests.e2e.fleet import MODEL
from tests.e2e.inbox import Inbox, inbox
from tests.e2e.operations.calls import unique
from tests.e2e.raw import RawDevice, connected
from tests.e2e.test_main_job import eventually
from tests.e2e.test_scripts import PROPERTIES as RAW_PROPERTIES
from tests.ota.forms import form
from tests.scripts import examples
from thingplane.alink import signature
from thingplane.cloud.client import CloudClient
from thingplane.mqtt.packets import Puback, Publish
from thingplane.simulator.wire import Identity

FLAGS: Final = (
    "DeviceStatusChange",
    "DeviceData",
    "ThingHistory",
    "DeviceLifeCycle",
    "DeviceTopoLifeCycle",
    "FoundDeviceList",
    "OtaEvent",
    "OtaVersion",
    "OtaJob",
    "DeviceTag",
)
AT: Final = int(time.time() * 1000) - 60_000
"""When devices say that something happened, in epoch ms."""


DONE: Final = ("IN_PROGRESS", "COMPLETED")
CANCELLED: Final = ("PLANNED", "CANCELED")


class Like:
    """Equals whatever fits."""

    def __init__(self, text: str, fits: Callable[[Any], bool]) -> None:
        self._text = text
        self._fits = fits

    def __eq__(self, other: object) -> bool:
        return self._fits(other)

    def __hash__(self) -> int:
        return id(self)

    def __repr__(self) -> str:
        return self._text


VOLTS: Final = {
    "identifier": "Volts",
    "name": "Volts",
    "required": False,
    "rwFlag": "READ_ONLY",
    "dataType": "INT",
    "dataSpecs": {"dataType": "INT", "min": "0", "max": "9", "step": "1"},
}

NOW: Final = Like("NOW", lambda value: type(value) is int and abs(value - time.time() * 1000) < 30_000)
TEXT: Final = Like("TEXT", lambda value: type(value) is str and value != "")
LOCAL: Final = Like("LOCAL", lambda value: _is_time(value, "%Y-%m-%d %H:%M:%S.%f", timezone(timedelta(hours=8))))
UTC_TIME: Final = Like("UTC", lambda value: _is_time(value, "%Y-%m-%dT%H:%M:%S.%fZ", UTC))


def _is_time(text: str, pattern: str, zone: timezone) -> bool:
    assert len(text.rstrip("Z")) == len("2024-03-01 18:00:01.500"), text
    return abs(datetime.strptime(text, pattern).replace(tzinfo=zone).timestamp() - time.time()) < 30


class Thing(NamedTuple):
    """A registered device."""

    identity: Identity
    iot_id: str

    @property
    def key(self) -> str:
        return self.identity.product_key

    @property
    def name(self) -> str:
        return self.identity.device_name

    @property
    def names(self) -> dict[str, str]:
        return {**self.named, "iotId": self.iot_id}

    @property
    def named(self) -> dict[str, str]:
        return {"productKey": self.key, "deviceName": self.name}

    @property
    def api(self) -> dict[str, str]:
        return {"ProductKey": self.key, "DeviceName": self.name}


class World:
    """A node with products of every kind, all subscribed by one group."""

    def __init__(self, node: NodeProcess, cloud: CloudClient, group_id: str) -> None:
        self.node = node
        self.cloud = cloud
        self.group_id = group_id
        self.weak, self.strong, self.unchecked = (self._modelled(level) for level in (1, 1, 2))
        self.gateways = self.product(NodeType=1)
        self.raw = self._raw()
        self.inbox: Inbox

    def call(self, action: str, **parameters: Any) -> dict[str, Any]:
        answer = self.cloud.call(action, parameters)
        assert answer["Success"], f"{action}: {answer}"
        return answer

    def product(self, **options: Any) -> str:
        given = {"ProductName": unique("kinds"), "NodeType": 0, "DataFormat": 1, "AliyunCommodityCode": "iothub_senior"}
        key = str(self.call("CreateProduct", **{**given, **options})["ProductKey"])
        flags = {f"{flag}Flag": "true" for flag in FLAGS}
        self.call("CreateSubscribeRelation", ProductKey=key, Type="AMQP", ConsumerGroupIds=[self.group_id], **flags)
        return key

    def _modelled(self, level: int) -> str:
        key = self.product(ValidateType=level)
        self._model(key, MODEL)
        return key

    def _model(self, key: str, model: Mapping[str, Any]) -> None:
        text = json.dumps({"productKey": key, **model})
        self.call("CreateThingModel", ProductKey=key, ThingModelJson=text)
        self.call("PublishThingModel", ProductKey=key)

    def _raw(self) -> str:
        key = self.product(DataFormat=0)
        self._model(key, {"properties": RAW_PROPERTIES})
        self.call("CreateThingScript", ProductKey=key, ScriptContent=examples.JAVASCRIPT, ScriptType="JavaScript")
        return key

    def register(self, key: str) -> Thing:
        data = self.call("RegisterDevice", ProductKey=key, DeviceName=unique("dev"))["Data"]
        return Thing(Identity(key, data["DeviceName"], data["DeviceSecret"]), data["IotId"])

    def connected(self, thing: Thing) -> Any:
        return connected(self.node.address("mqtt"), thing.identity)

    def bodies(self, topic: str, count: int = 1) -> list[Any]:
        """Return the bodies of all messages on a topic as soon as there are so many."""
        return [message.json() for message in self.inbox.until(topic, count)]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, node_clients: NodeClients) -> Iterator[World]:
    with running_node(tmp_path_factory.mktemp("kinds") / "data") as node:
        cloud = cloud_client(node)
        group_id = cloud.call("CreateConsumerGroup", {"GroupName": unique("kinds")})["GroupId"]
        world = World(node, cloud, group_id)
        check_fully(world)
        with inbox(node, node_clients, group_id) as world.inbox:
            yield world


def check_fully(world: World) -> None:
    """Give one product the check of earlier editions, which no operation sets any more."""
    run_on(world.node, "product", "check", world.strong, "full")
    eventually(lambda: world.call("QueryProduct", ProductKey=world.strong)["Data"]["ValidateType"], 0)


async def publish(device: RawDevice, topic: str, payload: bytes) -> None:
    """Publish and wait for the acknowledgement; replies before it are skipped."""
    device.send(Publish(topic, payload, qos=1, packet_id=1))
    while not isinstance(await device.receive(), Puback):
        pass


async def request(device: RawDevice) -> tuple[str, dict[str, Any]]:
    """Return topic and content of the next message that is not a reply."""
    while True:
        packet = await device.receive()
        if isinstance(packet, Publish):
            if packet.qos:
                device.send(Puback(packet.packet_id))
            if not packet.topic.endswith("_reply"):
                return packet.topic, json.loads(packet.payload)


def post(path: str, params: object) -> tuple[str, bytes]:
    content = {"id": "7", "version": "1.0", "params": params, "method": f"thing/{path}".replace("/", ".")}
    return f"thing/{path}", json.dumps(content).encode()


def report(thing: Thing, **fields: Any) -> dict[str, Any]:
    common = {"deviceType": "CustomCategory", "requestId": "7", "gmtCreate": NOW, "checkFailedData": {}}
    return {**thing.names, **common, **fields}


def properties(items: object, failed: object = ()) -> Callable[[Thing], dict[str, Any]]:
    return lambda thing: report(thing, items=items, checkFailedData=dict(failed))  # type: ignore[call-overload]


def event(value: object, at: object = NOW, failed: object = ()) -> Callable[[Thing], dict[str, Any]]:
    named = {"identifier": "Alarm", "name": "Alarm", "type": "alert"}
    return lambda thing: report(thing, **named, value=value, time=at, checkFailedData=dict(failed))  # type: ignore[call-overload]


def batch(payload: object, failed: object = ()) -> Callable[[Thing], dict[str, Any]]:
    return lambda thing: report(thing, payload=payload, checkFailedData=dict(failed))  # type: ignore[call-overload]


Expected = tuple[str, Callable[[Thing], dict[str, Any]]]


class Case(NamedTuple):
    """What a device of a product says, and what a consumer gets, in any order."""

    level: str
    said: tuple[str, bytes]
    expected: Sequence[Expected]


PROPERTY: Final = "thing/event/property/post"
MIXED: Final = {"Temp": 21.5, "Switch": {"value": 1, "time": AT}, "Label": 5, "Strange": {"a": 1}}
LABEL: Final = {"value": 5, "time": NOW, "code": 6310, "message": TEXT}
STRANGE: Final = {"value": {"a": 1}, "time": NOW, "code": 5092, "message": "property not found"}
GOOD: Final = {"Temp": {"value": 21.5, "time": NOW}, "Switch": {"value": 1, "time": AT}}
ALL: Final = {**GOOD, "Label": {"value": 5, "time": NOW}, "Strange": {"value": {"a": 1}, "time": NOW}}
SAMPLES: Final = {
    "properties": {"Temp": [{"value": 1.5, "time": AT}, {"value": 2.5, "time": AT + 1}], "Label": [{"value": 5}]},
    "events": {"Alarm": [{"value": {"Reason": 3}, "time": AT}]},
}
PAST: Final = [
    {
        "identity": "WHO",
        "properties": [{"Temp": {"value": 3.5, "time": AT}}],
        "events": [{"Alarm": {"value": {"Reason": 4}, "time": AT}}],
    }
]

CASES: Final[dict[str, Case]] = {
    "properties, weak check": Case(
        "weak",
        post("event/property/post", MIXED),
        [(PROPERTY, properties(GOOD, {"Label": LABEL, "Strange": STRANGE}))],
    ),
    "properties, strong check": Case("strong", post("event/property/post", MIXED), [(PROPERTY, properties(GOOD))]),
    "properties, no check": Case("unchecked", post("event/property/post", MIXED), [(PROPERTY, properties(ALL))]),
    "event": Case("weak", post("event/Alarm/post", {"Reason": 3}), [("thing/event/Alarm/post", event({"Reason": 3}))]),
    "event with a time": Case(
        "strong",
        post("event/Alarm/post", {"value": {"Reason": 3}, "time": AT}),
        [("thing/event/Alarm/post", event({"Reason": 3}, AT))],
    ),
    "event, weak check": Case(
        "weak",
        post("event/Alarm/post", {"Reason": "x"}),
        [
            (
                "thing/event/Alarm/post",
                event({}, NOW, {"value": {"Reason": "x"}, "code": 6306, "message": TEXT}),
            )
        ],
    ),
    "event, strong check": Case("strong", post("event/Alarm/post", {"Reason": "x"}), []),
    "event, no check": Case(
        "unchecked", post("event/Alarm/post", {"Reason": "x"}), [("thing/event/Alarm/post", event({"Reason": "x"}))]
    ),
    "batch": Case(
        "weak",
        post("event/property/batch/post", SAMPLES),
        [
            (
                "thing/property/batch/post",
                batch({"Temp": [{"value": 1.5, "time": AT}, {"value": 2.5, "time": AT + 1}]}, {"Label": LABEL}),
            ),
            ("thing/event/batch/post", batch({"Alarm": [{"value": {"Reason": 3}, "time": AT}]})),
        ],
    ),
    "history": Case(
        "weak",
        post("event/property/history/post", PAST),
        [
            ("thing/event/property/history/post", properties({"Temp": {"value": 3.5, "time": AT}})),
            ("thing/event/Alarm/history/post", event({"Reason": 4}, AT)),
        ],
    ),
}


@pytest.mark.parametrize("name", CASES)
async def test_reports(world: World, name: str) -> None:
    case = CASES[name]
    thing = await asyncio.to_thread(world.register, getattr(world, case.level))
    (path, payload), prefix = case.said, f"/{thing.key}/{thing.name}"
    payload = payload.replace(b'"WHO"', json.dumps(thing.named).encode())
    async with world.connected(thing) as (device, _):
        await publish(device, f"/sys{prefix}/{path}", payload)
        await publish(device, f"{prefix}/user/update", b"that is all")
        await asyncio.to_thread(world.inbox.until, f"{prefix}/user/update")
    found = {
        message.topic: message.json()
        for message in world.inbox.received
        if message.topic.startswith(f"{prefix}/thing/") and not message.topic.endswith("/thing/lifecycle")
    }
    assert found == {f"{prefix}/{path}": expected(thing) for path, expected in case.expected}


async def test_custom_messages_are_bytes(world: World) -> None:
    thing = await asyncio.to_thread(world.register, world.weak)
    topic = f"/{thing.key}/{thing.name}/user/update"
    async with world.connected(thing) as (device, _):
        for payload in (b"\x00\xff{", b"", b"caf\xc3\xa9"):
            await publish(device, topic, payload)
    received = await asyncio.to_thread(world.inbox.until, topic, 3)
    assert [message.body for message in received] == [b"\x00\xff{", b"", b"caf\xc3\xa9"]
    assert len({message.message_id for message in received}) == 3


async def test_what_a_script_makes(world: World) -> None:
    thing = await asyncio.to_thread(world.register, world.raw)
    prefix = f"/{thing.key}/{thing.name}"
    async with world.connected(thing) as (device, _):
        await publish(device, f"{prefix}/user/update?_sn=default", examples.POST)
        await publish(device, f"/sys{prefix}/thing/model/up_raw", examples.POST)
    (parsed,) = await asyncio.to_thread(world.bodies, f"{prefix}/user/update")
    assert parsed == {"topic": f"{prefix}/user/update", "temp": -123, "sw": 1}
    (posted,) = await asyncio.to_thread(world.bodies, f"{prefix}/{PROPERTY}")
    items = {"temp": {"value": -123, "time": NOW}, "sw": {"value": 1, "time": NOW}}
    assert posted == {**report(thing, items=items), "requestId": "77"}


async def test_states(world: World) -> None:
    thing = await asyncio.to_thread(world.register, world.weak)
    topic = f"/as/mqtt/status/{thing.key}/{thing.name}"
    common = {**thing.names, "time": LOCAL, "utcTime": UTC_TIME, "lastTime": LOCAL, "utcLastTime": UTC_TIME}
    online = {**common, "status": "online", "clientIp": "127.0.0.1"}
    offline = {**online, "status": "offline"}
    async with world.connected(thing) as (device, _):
        await asyncio.to_thread(world.inbox.until, topic)
        await device.leave()
    await asyncio.to_thread(world.inbox.until, topic, 2)
    async with world.connected(thing):
        await asyncio.to_thread(world.inbox.until, topic, 3)
        async with world.connected(thing):
            await asyncio.to_thread(world.inbox.until, topic, 5)
            await asyncio.to_thread(world.call, "DisableThing", **thing.api)
            found = await asyncio.to_thread(world.bodies, topic, 6)
    left, elsewhere, disabled = ({**offline, "offlineReasonCode": code} for code in (400, 427, 522))
    assert [found[at] for at in (0, 1, 2, 5)] == [online, left, online, disabled]
    # A device that connects once more comes and goes in either order.
    assert sorted(found[3:5], key=str) == sorted([online, elsewhere], key=str)


def test_lives(world: World) -> None:
    thing = world.register(world.weak)
    for action in ("DisableThing", "EnableThing", "DeleteDevice"):
        world.call(action, **thing.api)
    found = world.bodies(f"/{thing.key}/{thing.name}/thing/lifecycle", 4)
    common = {**thing.names, "messageCreateTime": NOW}
    created = {**common, "action": "create", "deviceSecret": thing.identity.device_secret}
    assert found == [created, *({**common, "action": action} for action in ("disable", "enable", "delete"))]


async def test_tags(world: World) -> None:
    thing = await asyncio.to_thread(world.register, world.weak)
    async with world.connected(thing) as (device, _):
        path, payload = post("deviceinfo/update", [{"attrKey": "floor", "attrValue": "3"}])
        await publish(device, f"/sys/{thing.key}/{thing.name}/{path}", payload)
    await asyncio.to_thread(world.call, "SaveDeviceProp", **thing.api, Props='{"room":"101"}')
    await asyncio.to_thread(world.call, "DeleteDeviceProp", **thing.api, PropKey="room")
    found = await asyncio.to_thread(world.bodies, f"/{thing.key}/{thing.name}/thing/deviceinfo/update", 3)
    pairs = [("floor", "3"), ("room", "101"), ("room", "")]
    assert found == [
        {**thing.names, "value": [{"attrKey": key, "attrValue": value}], "messageCreateTime": NOW}
        for key, value in pairs
    ]


async def test_replies(world: World) -> None:
    thing = await asyncio.to_thread(world.register, world.weak)
    prefix, setting = f"/sys/{thing.key}/{thing.name}/thing/service", {"Items": '{"Label":"a"}'}
    refused = {"ProductKey": thing.key, "DeviceName.1": thing.name, **setting}
    await asyncio.to_thread(world.call, "SetDevicesProperty", **refused)
    async with world.connected(thing) as (device, _):
        calls = [
            (("SetDeviceProperty", setting), "property/set", {"code": 200, "data": {}}),
            (("InvokeThingService", _restart()), "Restart", {"code": 200, "data": {"Count": 3}}),
            (("InvokeThingService", _restart()), "Restart", {"code": 100_001, "data": {}, "message": "no"}),
            (("InvokeThingService", _restart()), "Restart", {"code": 200, "data": {"Count": "x"}}),
        ]
        ids = []
        for (action, parameters), path, answer in calls:
            called = asyncio.to_thread(world.call, action, **thing.api, **parameters)
            answered, (topic, content) = await asyncio.gather(called, request(device))
            assert topic == f"{prefix}/{path}"
            ids.append(int(answered["Data"]["MessageId"]))
            await publish(device, f"{topic}_reply", json.dumps({"id": content["id"], **answer}).encode())
    found = await asyncio.to_thread(world.bodies, f"/{thing.key}/{thing.name}/thing/downlink/reply/message", 5)
    common = {**thing.names, "gmtCreate": NOW, "code": 200, "message": "", "checkFailedData": {}, "data": {}}
    failed = {"value": {"Count": "x"}, "code": 6306, "message": TEXT}
    restart = {**common, "topic": f"{prefix}/Restart"}
    assert found[1:] == [
        {**common, "requestId": ids[0], "topic": f"{prefix}/property/set"},
        {**restart, "requestId": ids[1], "data": {"Count": 3}},
        {**restart, "requestId": ids[2], "code": 100_001, "message": "no"},
        {**restart, "requestId": ids[3], "checkFailedData": failed},
    ]
    assert (found[0]["code"], found[0]["topic"]) == (9200, f"{prefix}/property/set")


def _restart() -> dict[str, str]:
    return {"Identifier": "Restart", "Args": '{"Delay":1}'}


async def test_gateways(world: World) -> None:
    gateway = await asyncio.to_thread(world.register, world.gateways)
    sub = await asyncio.to_thread(world.register, world.weak)
    prefix = f"/{gateway.key}/{gateway.name}"
    signed = signature(sub.identity.device_secret, "hmacSha256", sub.named)
    named = {"GwProductKey": gateway.key, "GwDeviceName": gateway.name}
    item = {"ProductKey": sub.key, "DeviceName": sub.name, "SignMethod": "hmacSha256", "Sign": signed}
    async with world.connected(gateway) as (device, _):
        path, payload = post("list/found", [sub.named])
        await publish(device, f"/sys{prefix}/{path}", payload)
        await asyncio.to_thread(world.call, "BatchAddThingTopo", **named, TopoAddItem=[item])
        login = {"clientId": "sub", "timestamp": "1", "signMethod": "hmacSha256", "cleanSession": "true"}
        content = f"clientIdsubdeviceName{sub.name}productKey{sub.key}timestamp1"
        sign = hmac.digest(sub.identity.device_secret.encode(), content.encode(), "sha256").hex()
        params = {**sub.named, **login, "sign": sign}
        await publish(device, f"/ext/session{prefix}/combine/login", json.dumps({"id": "1", "params": params}).encode())
        part = {"properties": {"Temp": 20.5}, "events": {"Alarm": {"value": {"Reason": 3}, "time": AT}}}
        path, payload = post("event/property/pack/post", {"subDevices": [{"identity": sub.named, **part}]})
        await publish(device, f"/sys{prefix}/{path}", payload)
        for action in ("DisableThing", "EnableThing"):
            await asyncio.to_thread(world.call, action, **sub.api)
        await asyncio.to_thread(world.call, "RemoveThingTopo", **sub.api)
        changes = await asyncio.to_thread(world.bodies, f"{prefix}/thing/topo/lifecycle", 4)
    own = {"gwIotId": gateway.iot_id, "gwProductKey": gateway.key, "gwDeviceName": gateway.name, "devices": [sub.names]}
    assert await asyncio.to_thread(world.bodies, f"{prefix}/thing/list/found") == [own]
    actions = ("create", "disable", "enable", "delete")
    assert changes == [{**own, "action": action, "messageCreateTime": NOW} for action in actions]
    # What a gateway packs up is the sub-device's own.
    (posted,) = await asyncio.to_thread(world.bodies, f"/{sub.key}/{sub.name}/{PROPERTY}")
    assert posted == properties({"Temp": {"value": 20.5, "time": NOW}})(sub)
    (happened,) = await asyncio.to_thread(world.bodies, f"/{sub.key}/{sub.name}/thing/event/Alarm/post")
    assert happened == event({"Reason": 3}, AT)(sub)
    states = await asyncio.to_thread(world.bodies, f"/as/mqtt/status/{sub.key}/{sub.name}")
    assert states[0]["status"] == "online"


async def test_features_of_other_modules_are_named_with_their_module(world: World) -> None:
    text = json.dumps({"properties": [VOLTS], "events": [{**MODEL["events"][0], "outputdata": []}]})
    block = {"FunctionBlockId": "power", "FunctionBlockName": "power"}
    key = world.product(ValidateType=1)
    await asyncio.to_thread(world.call, "CreateThingModel", ProductKey=key, ThingModelJson=text, **block)
    await asyncio.to_thread(world.call, "PublishThingModel", ProductKey=key)
    thing = await asyncio.to_thread(world.register, key)
    prefix = f"/{thing.key}/{thing.name}"
    async with world.connected(thing) as (device, _):
        for path, payload in (post("event/property/post", {"power:Volts": 5}), post("event/power:Alarm/post", {})):
            await publish(device, f"/sys{prefix}/{path}", payload)
    (posted,) = await asyncio.to_thread(world.bodies, f"{prefix}/{PROPERTY}")
    assert posted == properties({"power:Volts": {"value": 5, "time": NOW}})(thing)
    (happened,) = await asyncio.to_thread(world.bodies, f"{prefix}/thing/event/power:Alarm/post")
    assert happened == {**event({})(thing), "identifier": "power:Alarm"}


async def test_updates(world: World) -> None:
    thing = await asyncio.to_thread(world.register, world.weak)
    prefix = f"/{thing.key}/{thing.name}"
    ticket = (await asyncio.to_thread(world.call, "GenerateOTAUploadURL", FileSuffix="bin"))["Data"]
    await asyncio.to_thread(_upload, ticket, b"firmware")
    package = {"FirmwareName": unique("fw"), "FirmwareUrl": ticket["FirmwareUrl"], "DestVersion": "2.0"}
    made = await asyncio.to_thread(
        world.call, "CreateOTAFirmware", ProductKey=thing.key, **package, NeedToVerify="false"
    )
    firmware_id = made["Data"]["FirmwareId"]
    async with world.connected(thing) as (device, _):

        async def inform(version: str) -> None:
            await publish(
                device, f"/ota/device/inform{prefix}", b'{"id":"1","params":{"version":"%b"}}' % version.encode()
            )

        for version in ("1.0", "1.0"):
            await inform(version)
        planned = await asyncio.to_thread(_planned_and_cancelled, world, thing, firmware_id)
        job = {"FirmwareId": firmware_id, "ProductKey": thing.key, "TargetSelection": "SPECIFIC"}
        answer = await asyncio.to_thread(world.call, "CreateOTAStaticUpgradeJob", **job, TargetDeviceName=[thing.name])
        job_id = answer["Data"]["JobId"]
        topic, _ = await request(device)
        assert topic == f"/ota/device/upgrade{prefix}"
        await publish(device, f"/ota/device/progress{prefix}", b'{"id":"2","params":{"step":"50","desc":"half"}}')
        await inform("2.0")
        (status,) = await asyncio.to_thread(world.bodies, f"{prefix}/ota/upgrade")
        jobs = await asyncio.to_thread(world.bodies, f"/{thing.key}/{firmware_id}/{job_id}/ota/job/status", 2)
    tasks = await asyncio.to_thread(world.call, "ListOTATaskByJob", JobId=job_id, PageSize=10, CurrentPage=1)
    (task,) = tasks["Data"]["SimpleOTATaskInfo"]
    assert status == {
        **thing.names,
        "status": "SUCCEEDED",
        "messageCreateTime": NOW,
        "srcVersion": "1.0",
        "destVersion": "2.0",
        "desc": Like("any text", lambda value: type(value) is str),
        "jobId": job_id,
        "taskId": task["TaskId"],
        "moduleName": "default",
    }
    versions = await asyncio.to_thread(world.bodies, f"{prefix}/ota/version/post", 2)
    assert versions == [
        {**thing.names, "moduleName": "default", "moduleVersion": version, "messageCreateTime": NOW}
        for version in ("1.0", "2.0")
    ]
    common = {"productKey": thing.key, "moduleName": "default", "packageId": firmware_id, "jobId": job_id}
    assert planned == [{**common, "jobId": TEXT, "status": state, "messageCreateTime": NOW} for state in CANCELLED]
    assert jobs == [{**common, "status": state, "messageCreateTime": NOW} for state in DONE]


def _planned_and_cancelled(world: World, thing: Thing, firmware_id: str) -> list[Any]:
    """Return what is told of an update that is cancelled before its time."""
    job = {"FirmwareId": firmware_id, "ProductKey": thing.key, "TargetSelection": "ALL"}
    at = int(time.time() * 1000) + 3_600_000
    job_id = world.call("CreateOTAStaticUpgradeJob", **job, ScheduleTime=at)["Data"]["JobId"]
    world.call("CancelOTATaskByJob", JobId=job_id, CancelScheduledTask=True)
    return world.bodies(f"/{thing.key}/{firmware_id}/{job_id}/ota/job/status", 2)


def _upload(ticket: Mapping[str, str], content: bytes) -> None:
    fields = {
        "key": ticket["Key"],
        "policy": ticket["Policy"],
        "OSSAccessKeyId": ticket["OSSAccessKeyId"],
        "signature": ticket["Signature"],
        "success_action_status": "200",
    }
    content_type, body = form(fields, content)
    upload = urllib.request.Request(ticket["Host"], body, {"Content-Type": content_type})
    with urllib.request.urlopen(upload, timeout=20) as answer:
        assert answer.status == 200
