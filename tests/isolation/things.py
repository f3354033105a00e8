"""One of everything that an instance may hold, by the parameters that name it."""

import asyncio
import json
import random
import re
import string
from typing import Any, Final

import msgspec

from tests.isolation.platform import RunningPlatform
from thingplane.alink import signature
from thingplane.alink.frames import write_frame

MODEL: Final[dict[str, Any]] = {
    "properties": [
        {
            "identifier": "Temp",
            "name": "Temperature",
            "required": False,
            "rwFlag": "READ_WRITE",
            "dataType": "INT",
            "dataSpecs": {"dataType": "INT", "min": "0", "max": "100", "step": "1"},
        }
    ],
    "services": [
        {
            "identifier": "Restart",
            "name": "Restart",
            "callType": "ASYNC",
            "inputParams": [
                {
                    "identifier": "Delay",
                    "name": "Delay",
                    "dataType": "INT",
                    "dataSpecs": {"dataType": "INT", "min": "0", "max": "60", "step": "1"},
                    "direction": "PARAM_INPUT",
                    "paraOrder": 0,
                }
            ],
            "outputParams": [],
        }
    ],
}
SCRIPT: Final = "function protocolToRawData(json) { return []; } function rawDataToProtocol(bytes) { return {}; }"
PATIENCE_S: Final = 20


class Things(msgspec.Struct, kw_only=True):
    """Names and ids of what is there; of things that are nowhere, when it was made by ``nothing_like``."""

    product: str
    raw_product: str
    bare_product: str
    gateway_product: str
    device: str
    iot_id: str
    device_secret: str
    free_device: str
    free_iot_id: str
    free_secret: str
    sub_device: str
    sub_iot_id: str
    gateway: str
    gateway_iot_id: str
    group: str
    super_group: str
    topic_id: str
    rule: int
    action: int
    consumer_group: str
    other_consumer_group: str
    firmware: str
    firmware_url: str
    firmware_sign: str
    job: str
    dynamic_job: str
    task: str
    module: str
    file: str
    apply: int
    tag: str


def nothing_like(things: Things) -> Things:
    """Return names and ids of the same form that belong to nothing."""
    dice = random.Random(7)

    def other(value: Any) -> Any:
        if isinstance(value, int):
            return value + 987_654
        if value.isdecimal():
            return str(int(value) + 987_654)
        start = value.rfind("/") + 1 if value.startswith("http") else 0
        # Prefixes such as "a1" and digits stay what they are.
        kept = max(start, 2)
        text = value[kept:].removesuffix(".bin")
        changed = re.sub(r"[a-f]", lambda _: dice.choice("abcdef"), text)
        changed = re.sub(r"[g-z]", lambda _: dice.choice(string.ascii_lowercase[6:]), changed)
        changed = re.sub(r"[A-Z]", lambda _: dice.choice(string.ascii_uppercase), changed)
        changed = re.sub(r"[1-9]", lambda _: dice.choice("123456789"), changed)
        return value[:kept] + changed + (".bin" if value.endswith(".bin") else "")

    return Things(**{name: other(getattr(things, name)) for name in things.__struct_fields__})


class Populating:
    """Makes things in an instance."""

    def __init__(self, running: RunningPlatform, instance_id: str, mark: str) -> None:
        self._running = running
        self._instance_id = instance_id
        self._mark = mark

    async def ok(self, action: str, **parameters: Any) -> dict[str, Any]:
        return await self._running.ok(action, IotInstanceId=self._instance_id, **parameters)

    async def things(self) -> Things:
        mark = self._mark
        product, raw, bare, gateways = [await self._product(*kind) for kind in KINDS]
        made = {name: await self._device(product, f"{name}-{mark}") for name in ("device", "free", "sub")}
        gateway = await self._device(gateways, f"gateway-{mark}")
        await self.ok("CreateThingModel", ProductKey=product, ThingModelJson=json.dumps(MODEL))
        await self.ok("PublishThingModel", ProductKey=product)
        await self.ok("CreateThingScript", ProductKey=raw, ScriptContent=SCRIPT, ScriptType="JavaScript")
        await self._topology(product, made["sub"], gateways, gateway)
        for named in ((product, made["device"]), (gateways, gateway)):
            await self._was_there(named[0], named[1]["DeviceName"])
        super_group = await self._group("super")
        group = await self._group("group", SuperGroupId=super_group)
        names = {"ProductKey": product, "DeviceName": made["device"]["DeviceName"]}
        await self.ok("BatchAddDeviceGroupRelations", GroupId=group, Device=[names])
        await self.ok("SetDeviceGroupTags", GroupId=group, TagString=json.dumps([{"tagKey": "tag", "tagValue": mark}]))
        await self.ok("SaveDeviceProp", **names, Props=json.dumps({"tag": mark}))
        await self.ok("CreateProductTags", ProductKey=product, ProductTag=[{"TagKey": "tag", "TagValue": mark}])
        topic = await self.ok("CreateProductTopic", ProductKey=product, TopicShortName="submit", Operation="ALL")
        consumer_group, other_group = await self._consumer_group("one"), await self._consumer_group("two")
        relation = {"ProductKey": product, "Type": "AMQP", "ConsumerGroupIds": [consumer_group]}
        await self.ok("CreateSubscribeRelation", **relation, DeviceDataFlag=True)
        rule = await self._rule(product, consumer_group)
        await self.ok("SetDeviceDesiredProperty", **names, Items='{"Temp":5}', Versions='{"Temp":0}')
        return Things(
            product=product,
            raw_product=raw,
            bare_product=bare,
            gateway_product=gateways,
            device=made["device"]["DeviceName"],
            iot_id=made["device"]["IotId"],
            device_secret=made["device"]["DeviceSecret"],
            free_device=made["free"]["DeviceName"],
            free_iot_id=made["free"]["IotId"],
            free_secret=made["free"]["DeviceSecret"],
            sub_device=made["sub"]["DeviceName"],
            sub_iot_id=made["sub"]["IotId"],
            gateway=gateway["DeviceName"],
            gateway_iot_id=gateway["IotId"],
            group=group,
            super_group=super_group,
            topic_id=str(topic["TopicId"]),
            **rule,
            consumer_group=consumer_group,
            other_consumer_group=other_group,
            **await self._ota(product, made["device"]["DeviceName"]),
            file=await self._file(product, made["device"]["DeviceName"]),
            apply=await self._application(product),
            tag=mark,
        )

    async def _product(self, name: str, node_type: int, data_format: int) -> str:
        created = await self.ok(
            "CreateProduct",
            NodeType=node_type,
            DataFormat=data_format,
            ProductName=f"{name}_{self._mark}",
            AliyunCommodityCode="iothub_senior",
        )
        return str(created["ProductKey"])

    async def _device(self, product: str, name: str) -> dict[str, Any]:
        data: dict[str, Any] = (await self.ok("RegisterDevice", ProductKey=product, DeviceName=name))["Data"]
        return data

    async def _topology(self, product: str, sub: dict[str, Any], gateways: str, gateway: dict[str, Any]) -> None:
        names = {"ProductKey": product, "DeviceName": sub["DeviceName"]}
        await self.ok(
            "BatchAddThingTopo",
            GwProductKey=gateways,
            GwDeviceName=gateway["DeviceName"],
            TopoAddItem=[{**names, **signed(product, sub["DeviceName"], sub["DeviceSecret"])}],
        )

    async def _group(self, name: str, **more: Any) -> str:
        created = await self.ok("CreateDeviceGroup", GroupName=f"{name}_{self._mark}", **more)
        return str(created["Data"]["GroupId"])

    async def _consumer_group(self, name: str) -> str:
        return str((await self.ok("CreateConsumerGroup", GroupName=f"{name}_{self._mark}"))["GroupId"])

    async def _rule(self, product: str, consumer_group: str) -> dict[str, Any]:
        created = await self.ok(
            "CreateRule",
            Name=f"rule_{self._mark}",
            ProductKey=product,
            ShortTopic="+/user/#",
            TopicType=1,
            Select="*",
        )
        action = await self.ok(
            "CreateRuleAction",
            RuleId=created["RuleId"],
            Type="AMQP",
            Configuration=json.dumps({"groupId": consumer_group}),
        )
        return {"rule": int(created["RuleId"]), "action": int(action["ActionId"])}

    async def _ota(self, product: str, name: str) -> dict[str, Any]:
        module = f"mcu_{self._mark}"
        await self.ok("CreateOTAModule", ProductKey=product, ModuleName=module)
        url, sign = await self._running.upload(self._instance_id, f"firmware of {self._mark}".encode())
        created = await self.ok(
            "CreateOTAFirmware",
            ProductKey=product,
            FirmwareName=f"firmware-{self._mark}",
            DestVersion="2.0",
            FirmwareUrl=url,
            NeedToVerify=False,
        )
        firmware = str(created["Data"]["FirmwareId"])
        given = {"FirmwareId": firmware, "ProductKey": product}
        version = {"id": "1", "params": {"version": "1.0"}}
        await self._publish(product, name, f"/ota/device/inform/{product}/{name}", msgspec.json.encode(version))
        job = await self.ok(
            "CreateOTAStaticUpgradeJob",
            **given,
            TargetSelection="SPECIFIC",
            TargetDeviceName=[name],
            NeedPush=False,
        )
        job_id = str(job["Data"]["JobId"])
        task = await self._task(job_id)
        # A second package: two batches for one version and the same devices exclude each other.
        url, _ = await self._running.upload(self._instance_id, f"another of {self._mark}".encode())
        second = await self.ok(
            "CreateOTAFirmware",
            ProductKey=product,
            FirmwareName=f"second-{self._mark}",
            DestVersion="3.0",
            FirmwareUrl=url,
            NeedToVerify=False,
        )
        dynamic = await self.ok(
            "CreateOTADynamicUpgradeJob",
            FirmwareId=second["Data"]["FirmwareId"],
            ProductKey=product,
            SrcVersion=["0.1"],
        )
        unused, sign = await self._running.upload(self._instance_id, f"unused of {self._mark}".encode())
        return {
            "firmware": firmware,
            "firmware_url": unused,
            "firmware_sign": sign,
            "job": job_id,
            "dynamic_job": str(dynamic["Data"]["JobId"]),
            "task": task,
            "module": module,
        }

    async def _task(self, job: str) -> str:
        """Return a task of a batch once it is made."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                listed = await self.ok("ListOTATaskByJob", JobId=job)
                tasks = listed["Data"]["SimpleOTATaskInfo"]
                if tasks:
                    return str(tasks[0]["TaskId"])
                await asyncio.sleep(0.02)

    async def _file(self, product: str, name: str) -> str:
        """Have the device upload a file and return its id."""
        prefix = f"/sys/{product}/{name}/thing/file/upload/mqtt/"
        begin = {"id": "1", "params": {"fileName": "a.log", "fileSize": 5}}
        [(_, answer)] = await self._publish(product, name, prefix + "init", msgspec.json.encode(begin))
        upload_id = msgspec.json.decode(answer)["data"]["uploadId"]
        block = {"id": "2", "params": {"uploadId": upload_id, "offset": 0, "bSize": 5}}
        await self._publish(product, name, prefix + "send", write_frame(msgspec.json.encode(block), b"hello"))
        listed = await self.ok("QueryDeviceFileList", ProductKey=product, DeviceName=name)
        return str(listed["Data"]["FileSummary"][0]["FileId"])

    async def _was_there(self, product: str, name: str) -> None:
        """Have a device come and go."""
        devices = self._running.platform.devices
        device = await devices.find(product, name)
        assert device is not None
        devices.connected(device, "192.0.2.1")
        devices.disconnected(device)
        await devices.flush()

    async def _publish(self, product: str, name: str, topic: str, payload: bytes) -> list[tuple[str, bytes]]:
        """Publish as a device and return its replies."""
        platform = self._running.platform
        device = await platform.devices.find(product, name)
        assert device is not None
        outcome = await platform.gateway.entrance.publish(device, topic, payload)
        assert outcome.code == 0
        return list(outcome.replies)

    async def _application(self, product: str) -> int:
        names = [f"new-{number}-{self._mark}" for number in range(2)]
        checked = await self.ok("BatchCheckDeviceNames", ProductKey=product, DeviceName=names)
        application = {"ProductKey": product, "ApplyId": checked["Data"]["ApplyId"]}
        async with asyncio.timeout(PATIENCE_S):
            while True:
                state = (await self.ok("QueryBatchRegisterDeviceStatus", **application))["Data"]["Status"]
                if state != "CHECK":
                    break
                await asyncio.sleep(0.02)
        return int(application["ApplyId"])


KINDS: Final = (("lamp", 0, 1), ("raw_lamp", 0, 0), ("bare_lamp", 0, 0), ("gateway", 1, 1))
"""Name, node type and data format of an instance's products: two are of devices with a format of their own."""


def signed(product: str, name: str, secret: str) -> dict[str, str]:
    """Return what proves that a gateway may have a sub-device."""
    fields = {"productKey": product, "deviceName": name}
    return {"SignMethod": "hmacSha1", "Sign": signature(secret, "hmacSha1", fields) or ""}
