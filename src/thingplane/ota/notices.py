"""What subscribers and rules are told of updates (rules reference, 3.9)."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from thingplane.clock import Clock
from thingplane.devices.service import Device, DeviceService
from thingplane.forwarding.message import Kind, Source
from thingplane.forwarding.service import Forwarder
from thingplane.ota.job import Job
from thingplane.ota.ledger import is_worth_telling
from thingplane.ota.reports import VersionChange
from thingplane.ota.rows import Batch
from thingplane.ota.task import Task
from thingplane.ota.uids import task_uid
from thingplane.products.service import ProductService


class Notices:
    """Makes the forwarded messages of OTA; what nobody wants is not even built."""

    def __init__(self, forwarder: Forwarder, clock: Clock, devices: DeviceService, products: ProductService) -> None:
        """Wire.

        Args:
            forwarder: takes the messages.
            clock: tells when they were made.
            devices: names devices.
            products: names products.
        """
        self._forwarder = forwarder
        self._clock = clock
        self._devices = devices
        self._products = products

    async def ended(self, tasks: Iterable[Task], batches: Mapping[int, Batch]) -> None:
        """Tell of tasks that succeeded or failed."""
        for task in tasks:
            batch = batches.get(task.job_id)
            if batch is None or not is_worth_telling(task):
                continue
            device = await self._devices.by_id(task.device_id)
            if device is None:
                continue
            topic = f"/{device.product_key}/{device.name}/ota/upgrade"
            if self._forwarder.wanted(Kind.OTA_STATUS, device.product_id, topic):
                body = {
                    "iotId": device.iot_id,
                    "productKey": device.product_key,
                    "deviceName": device.name,
                    "moduleName": task.module,
                    "status": task.state.name,
                    "messageCreateTime": self._clock.now_ms(),
                    "srcVersion": task.source or "",
                    "destVersion": batch.package.version,
                    "desc": task.reason,
                    "jobId": batch.job.job_id,
                    "taskId": task_uid(batch.job.job_id, task.id),
                }
                await self._forward(Kind.OTA_STATUS, device, topic, body)

    async def versions(self, changes: Sequence[VersionChange]) -> None:
        """Tell of devices that run another version than before."""
        for change in changes:
            device = await self._devices.by_id(change.report.device_id)
            if device is None:
                continue
            topic = f"/{device.product_key}/{device.name}/ota/version/post"
            if self._forwarder.wanted(Kind.OTA_VERSION, device.product_id, topic):
                body = {
                    "iotId": device.iot_id,
                    "deviceName": device.name,
                    "productKey": device.product_key,
                    "moduleName": change.report.module,
                    "moduleVersion": change.report.version,
                    "messageCreateTime": self._clock.now_ms(),
                }
                await self._forward(Kind.OTA_VERSION, device, topic, body)

    async def jobs(self, jobs: Iterable[Job], batches: Mapping[int, Batch]) -> None:
        """Tell of batches whose status is another one."""
        for job in jobs:
            batch = batches.get(job.id)
            product = await self._products.by_id(job.product_id)
            if batch is None or product is None:
                continue
            topic = f"/{product.product_key}/{batch.package.firmware_id}/{job.job_id}/ota/job/status"
            if self._forwarder.wanted(Kind.OTA_JOB, product.id, topic):
                body = {
                    "productKey": product.product_key,
                    "moduleName": job.module,
                    "packageId": batch.package.firmware_id,
                    "jobId": job.job_id,
                    "status": job.status,
                    "messageCreateTime": self._clock.now_ms(),
                }
                source = Source(product.instance_id, product.id, product.product_key, 0, "", "", product.device_type)
                self._forwarder.forward(Kind.OTA_JOB, source, topic, msgspec.json.encode(body))

    async def _forward(self, kind: Kind, device: Device, topic: str, body: Mapping[str, Any]) -> None:
        product = await self._products.find(device.product_key)
        source = Source(
            device.instance_id,
            device.product_id,
            device.product_key,
            device.id,
            device.name,
            device.iot_id,
            "" if product is None else product.device_type,
        )
        self._forwarder.forward(kind, source, topic, msgspec.json.encode(body))
