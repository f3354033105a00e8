"""Calls of every operation on updates, and what a device says in between."""

import asyncio
import http.client
import json
from urllib.parse import urlsplit

from tests.e2e.operations.calls import unique
from tests.e2e.operations.scenario import Answer, Scenario
from tests.e2e.raw import RawDevice, connected
from tests.ota.forms import form
from thingplane.mqtt.packets import Puback, Publish


class UpdateScenario(Scenario):
    """Packages, batches and their tasks. Nothing is pushed, so that no state changes by itself."""

    async def run(self) -> None:
        self._key = await self._product(0)
        self._device_under_way = await self._device(self._key, "every-1")
        await self._modules()
        firmware = await self._package()
        async with connected(self._address, self._device_under_way) as (client, _):
            await self._report(client, "inform", version="1.0")
            await self._verification(client, firmware)
            await self._report(client, "inform", version="1.0")
            await self._static(client, firmware)
        await self._dynamic(firmware)
        await self._call("DeleteOTAFirmware", FirmwareId=firmware)
        await self._call("DeleteProduct", ProductKey=await self._product(0))
        self.called -= {"CreateProduct", "RegisterDevice", "DeleteProduct"}

    async def _report(self, client: RawDevice, what: str, **params: object) -> None:
        identity = self._device_under_way
        topic = f"/ota/device/{what}/{identity.product_key}/{identity.device_name}"
        client.send(Publish(topic, json.dumps({"id": "1", "params": params}).encode(), 1, packet_id=1))
        await client.expect(Puback)

    async def _modules(self) -> None:
        module = {"ProductKey": self._key, "ModuleName": "radio"}
        await self._call("CreateOTAModule", **module, AliasName="Radio", Desc="talks")
        await self._call("UpdateOTAModule", **module, Desc="talks and listens")
        listed = await self._call("ListOTAModuleByProduct", ProductKey=self._key)
        assert listed.text("Data/Desc") == "talks and listens"
        await self._call("DeleteOTAModule", **module)

    async def _package(self) -> str:
        ticket = await self._call("GenerateOTAUploadURL", FileSuffix="bin")
        await asyncio.to_thread(_post, ticket, "OSSAccessKeyId", b"firmware")
        created = await self._call(
            "CreateOTAFirmware",
            ProductKey=self._key,
            FirmwareName=unique("fw"),
            DestVersion="2.0",
            FirmwareUrl=ticket.text("Data/FirmwareUrl"),
            SignMethod="SHA256",
        )
        firmware = created.text("Data/FirmwareId")
        listed = await self._call("ListOTAFirmware", CurrentPage=1, PageSize=10, ProductKey=self._key)
        assert listed.text("FirmwareInfo/SimpleFirmwareInfo/FirmwareId") == firmware
        queried = await self._call("QueryOTAFirmware", FirmwareId=firmware)
        assert queried.text("FirmwareInfo/FirmwareSize") == "8"
        return firmware

    async def _task(self, job: str) -> tuple[str, str]:
        """Return id and state of a batch's only task."""
        listed = await self._call("ListOTATaskByJob", JobId=job, CurrentPage=1, PageSize=10)
        task = "Data/SimpleOTATaskInfo/"
        return listed.text(task + "TaskId"), listed.text(task + "TaskStatus")

    async def _verification(self, client: RawDevice, firmware: str) -> None:
        created = await self._call(
            "CreateOTAVerifyJob",
            FirmwareId=firmware,
            ProductKey=self._key,
            TargetDeviceName=[self._device_under_way.device_name],
            Tag=[{"Key": "line", "Value": "7"}],
            NeedConfirm=True,
            NeedPush=False,
        )
        job = created.text("Data/JobId")
        task, state = await self._task(job)
        assert state == "CONFIRM"
        await self._call("ConfirmOTATask", TaskId=[task])
        await self._report(client, "inform", version="2.0")
        assert await self._task(job) == (task, "SUCCEEDED")

    async def _static(self, client: RawDevice, firmware: str) -> None:
        names = await self._call("GenerateDeviceNameListURL")
        await asyncio.to_thread(_post, names, "AccessKeyId", self._device_under_way.device_name.encode())
        package = {"FirmwareId": firmware, "ProductKey": self._key}
        created = await self._call(
            "CreateOTAStaticUpgradeJob",
            **package,
            TargetSelection="SPECIFIC",
            DnListFileUrl=names.text("Data/FileUrl"),
            NeedPush=False,
        )
        job = created.text("Data/JobId")
        device = {"ProductKey": self._key, "DeviceName": self._device_under_way.device_name}
        unfinished = await self._call("ListOTAUnfinishedTaskByDevice", **device, TaskStatus="QUEUED")
        task = unfinished.text("Data/SimpleOTATaskInfo/TaskId")
        await self._report(client, "progress", step="-2", desc="no network")
        assert await self._task(job) == (task, "FAILED")
        await self._call("ReupgradeOTATask", JobId=job, TaskId=[task])
        assert (await self._call("QueryOTAJob", JobId=job)).text("Data/JobStatus") == "IN_PROGRESS"
        pages = {"CurrentPage": 1, "PageSize": 10, "FirmwareId": firmware}
        for action, of in (("ListOTAJobByFirmware", {}), ("ListOTAJobByDevice", device)):
            listed = await self._call(action, **pages, **of)
            assert listed.text("Data/SimpleOTAJobInfo/JobId") == job
        await self._call("CancelOTATaskByDevice", **package, DeviceName=[device["DeviceName"]], JobId=job)
        assert await self._task(job) == (task, "CANCELED")

    async def _dynamic(self, firmware: str) -> None:
        package = {"FirmwareId": firmware, "ProductKey": self._key}
        created = await self._call("CreateOTADynamicUpgradeJob", **package, SrcVersion=["1.0"], NeedPush=False)
        job = {"JobId": created.text("Data/JobId")}
        assert (await self._task(job["JobId"]))[1] == "QUEUED"
        await self._call("CancelOTAStrategyByJob", **job)
        await self._call("CancelOTATaskByJob", **job, CancelQueuedTask=True)
        assert (await self._task(job["JobId"]))[1] == "CANCELED"


def _post(ticket: Answer, access_key_name: str, content: bytes) -> None:
    """Upload a file with the fields that an answer has."""
    fields = {
        "key": ticket.text("Data/Key"),
        "policy": ticket.text("Data/Policy"),
        "OSSAccessKeyId": ticket.text(f"Data/{access_key_name}"),
        "signature": ticket.text("Data/Signature"),
        "success_action_status": "200",
    }
    content_type, body = form(fields, content)
    host = urlsplit(ticket.text("Data/Host"))
    connection = http.client.HTTPConnection(host.hostname or "", host.port, timeout=30)
    connection.request("POST", host.path, body, {"Content-Type": content_type})
    assert connection.getresponse().status == 200
    connection.close()
