"""OTA with everything around it: services on a database, devices that are told, subscribers that are told."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from tests.common.clock import FakeClock
from tests.common.downlink import RecordingDownlink
from tests.common.forwarding import AllTo
from tests.common.sdk_api import SdkApi
from tests.common.uplinks import Messages
from tests.ota.forms import form
from thingplane.bus import LocalBus
from thingplane.cloud.client import SignedRequest
from thingplane.devices.service import Device, DeviceConnected, DeviceService
from thingplane.forwarding.service import Forwarder
from thingplane.ota.ota import OtaService
from thingplane.products.service import Product, ProductService

INSTANCE = 1
TARGET = "2.0"


class World:
    """What the tests of this folder need, with short ways to it."""

    def __init__(  # noqa: PLR0917 - each is of a type of its own
        self,
        clock: FakeClock,
        bus: LocalBus,
        products: ProductService,
        devices: DeviceService,
        ota: OtaService,
        downlink: RecordingDownlink,
        forwarder: Forwarder,
        product: Product,
        api: SdkApi,
        messages: Messages,
    ) -> None:
        self.clock = clock
        self.bus = bus
        self.products = products
        self.devices = devices
        self.ota = ota
        self.downlink = downlink
        self.forwarder = forwarder
        self.product = product
        self.api = api
        self.messages = messages
        self._forwarded = 0

    @property
    def url(self) -> str:
        """Where the node's HTTP port is."""
        return f"http://{self.api.address}"

    # Back ends.

    async def call(self, action: str, **parameters: Any) -> dict[str, Any]:
        """Call an operation that has to succeed."""
        answer = await self.api.call(action, **parameters)
        assert answer["Success"], f"{action}: {answer}"
        return answer

    async def refused(self, action: str, **parameters: Any) -> str:
        """Call an operation that has to fail, and return its code."""
        answer = await self.api.call(action, **parameters)
        assert answer["Success"] is False, answer
        return str(answer["Code"])

    async def upload(self, content: bytes = b"firmware", suffix: str = "bin") -> str:
        """Upload a file and return its URL."""
        ticket = (await self.call("GenerateOTAUploadURL", FileSuffix=suffix))["Data"]
        status, _, body = await self.post(ticket, content)
        assert status == 200, body
        return str(ticket["FirmwareUrl"])

    async def upload_names(self, names: Iterable[str]) -> str:
        """Upload a list of devices and return its URL."""
        ticket = (await self.call("GenerateDeviceNameListURL"))["Data"]
        status, _, body = await self.post(ticket, "\n".join(names).encode())
        assert status == 200, body
        return str(ticket["FileUrl"])

    async def post(self, ticket: dict[str, Any], content: bytes, **fields: str | None) -> tuple[int, Any, bytes]:
        """Post an upload form; ``fields`` are others than the ticket's, None for none."""
        given = {
            "key": ticket["Key"],
            "policy": ticket["Policy"],
            "OSSAccessKeyId": ticket.get("OSSAccessKeyId") or ticket.get("AccessKeyId"),
            "signature": ticket["Signature"],
            "success_action_status": "200",
            **fields,
        }
        content_type, body = form({name: value for name, value in given.items() if value is not None}, content)
        request = SignedRequest("POST", "/objects", {"content-type": content_type}, body)
        return await self.api.send(request)

    async def package(self, version: str = TARGET, *, content: bytes | None = None, **parameters: Any) -> str:
        """Make a package that needs no verification unless said otherwise; return its FirmwareId."""
        url = await self.upload(version.encode() if content is None else content)
        name = f"package-{len(self.api.answers)}"
        given = {
            "ProductKey": self.product.product_key,
            "FirmwareName": name,
            "DestVersion": version,
            "FirmwareUrl": url,
            "NeedToVerify": "false",
            **parameters,
        }
        return str((await self.call("CreateOTAFirmware", **given))["Data"]["FirmwareId"])

    async def job(self, firmware_id: str, kind: str = "Static", **parameters: Any) -> str:
        """Make a batch, for all devices unless said otherwise; return its JobId."""
        action = "CreateOTAVerifyJob" if kind == "Verify" else f"CreateOTA{kind}UpgradeJob"
        given: dict[str, Any] = {"FirmwareId": firmware_id, "ProductKey": self.product.product_key}
        if kind == "Static":
            given["TargetSelection"] = "ALL"
        return str((await self.call(action, **{**given, **parameters}))["Data"]["JobId"])

    async def tasks(self, job_id: str, **parameters: Any) -> dict[str, dict[str, Any]]:
        """Return the tasks of a batch by the names of their devices (the latest of each)."""
        answer = await self.call("ListOTATaskByJob", JobId=job_id, PageSize=100, **parameters)
        return {task["DeviceName"]: task for task in answer["Data"]["SimpleOTATaskInfo"]}

    async def states(self, job_id: str) -> dict[str, str]:
        """Return the states of a batch's tasks by the names of their devices; counts have to agree with them."""
        tasks = await self.tasks(job_id)
        states = {name: str(task["TaskStatus"]) for name, task in tasks.items()}
        answer = await self.call("ListOTATaskByJob", JobId=job_id, PageSize=100)
        listed = [task["TaskStatus"] for task in answer["Data"]["SimpleOTATaskInfo"]]
        for state in ("CONFIRM", "QUEUED", "NOTIFIED", "IN_PROGRESS", "SUCCEEDED", "FAILED", "CANCELED"):
            total = (await self.call("ListOTATaskByJob", JobId=job_id, PageSize=1, TaskStatus=state))["Total"]
            assert total == listed.count(state), (state, total, listed)
        return states

    async def status(self, job_id: str) -> str:
        """Return the status of a batch."""
        return str((await self.call("QueryOTAJob", JobId=job_id))["Data"]["JobStatus"])

    # Time.

    async def tick(self, seconds: float = 1.0) -> None:
        """Let time pass, and what is due happen."""
        self.clock.advance(seconds)
        await self.ota.scheduler.tick()

    # Devices.

    async def fleet(self, count: int, version: str | None = "1.0", prefix: str = "lamp") -> list[Device]:
        """Register devices that have reported a version."""
        made = [await self.devices.register(self.product, f"{prefix}-{number}") for number in range(1, count + 1)]
        for device in made:
            if version is not None:
                await self.inform(device, version)
        return made

    def connect(self, device: Device) -> None:
        """Tell that a device has come online."""
        self.downlink.unreachable.discard(device.id)
        self.bus.publish(DeviceConnected(device.id, device.product_key, device.name))

    async def inform(self, device: Device, version: str, module: str | None = None) -> None:
        """Report a version."""
        params = {"version": version, **({} if module is None else {"module": module})}
        payload = msgspec.json.encode({"id": "1", "params": params})
        assert await self.messages.publish("/ota/device/inform", payload, device) == []

    async def progress(self, device: Device, step: float | str, desc: str = "", module: str | None = None) -> None:
        """Report progress."""
        params = {"step": step, "desc": desc, **({} if module is None else {"module": module})}
        payload = msgspec.json.encode({"id": "1", "params": params})
        assert await self.messages.publish("/ota/device/progress", payload, device) == []

    async def get(self, device: Device, module: str | None = None) -> dict[str, Any]:
        """Ask what is to be installed, and return the data of the answer."""
        params = {} if module is None else {"module": module}
        payload = msgspec.json.encode({"id": "7", "version": "1.0", "params": params})
        ((topic, answer),) = await self.messages.publish("thing/ota/firmware/get", payload, device)
        assert topic == f"/sys/{device.product_key}/{device.name}/thing/ota/firmware/get_reply"
        decoded = json.loads(answer)
        assert (decoded["code"], decoded["id"]) == (200, "7")
        data: dict[str, Any] = decoded["data"]
        return data

    def pushes(self, device: Device) -> list[dict[str, Any]]:
        """Return what a device was pushed so far."""
        topic = f"/ota/device/upgrade/{device.product_key}/{device.name}"
        return [json.loads(message.payload)["data"] for message in self.downlink.sent if message.topic == topic]

    def pushed(self, devices: Sequence[Device]) -> list[int]:
        """Return how often devices were told of an update."""
        return [len(self.pushes(device)) for device in devices]

    # Subscribers.

    async def listen(self) -> int:
        """Have everything forwarded to a subscriber from now on."""
        subscriber = await self.forwarder.enroll("group", "test")
        self.forwarder.add_router(AllTo([subscriber]))
        self.forwarder.routes_changed()
        return subscriber

    async def told(self, subscriber: int) -> list[tuple[str, dict[str, Any]]]:
        """Return topics and bodies of what a subscriber was told so far."""
        await self.forwarder.durable()
        return [(message.topic, json.loads(message.body)) for message in await self.forwarder.read(subscriber, -1, 100)]
