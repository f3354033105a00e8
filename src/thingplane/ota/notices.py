"""What subscribers and rules are told of updates (rules reference, 3.9)."""

from collections.abc import Mapping
from typing import Any

import msgspec

from thingplane import ids
from thingplane.forwarding.message import Kind, Source
from thingplane.ota.job import Job
from thingplane.ota.package import Package
from thingplane.ota.rows import Batch
from thingplane.ota.task import Task
from thingplane.ota.uids import task_uid
from thingplane.products.service import Product


class Notice(msgspec.Struct, frozen=True):
    """One message to be forwarded."""

    message_id: int
    """The same when it is forwarded again after a crash."""
    kind: Kind
    source: Source
    topic: str
    body: bytes
    generated: int
    """Epoch milliseconds."""


def _notice(kind: Kind, source: Source, topic: str, now: int, body: Mapping[str, Any]) -> Notice:
    encoded = msgspec.json.encode({**body, "messageCreateTime": now})
    return Notice(ids.message_id(), kind, source, topic, encoded, now)


def end_topic(source: Source) -> str:
    """Return the topic of the end of a device's task."""
    return f"/{source.product_key}/{source.device_name}/ota/upgrade"


def task_ended(source: Source, task: Task, batch: Batch, now: int) -> Notice:
    """Tell of a task that succeeded or failed."""
    body = {
        "iotId": source.iot_id,
        "productKey": source.product_key,
        "deviceName": source.device_name,
        "moduleName": task.module,
        "status": task.state.name,
        "srcVersion": task.source or "",
        "destVersion": batch.package.version,
        "desc": task.reason,
        "jobId": batch.job.job_id,
        "taskId": task_uid(batch.job.job_id, task.id),
    }
    return _notice(Kind.OTA_STATUS, source, end_topic(source), now, body)


def version_topic(source: Source) -> str:
    """Return the topic of another version of a device."""
    return f"/{source.product_key}/{source.device_name}/ota/version/post"


def version_changed(source: Source, module: str, version: str | None, now: int) -> Notice:
    """Tell of a device that runs another version than before."""
    body = {
        "iotId": source.iot_id,
        "deviceName": source.device_name,
        "productKey": source.product_key,
        "moduleName": module,
        "moduleVersion": version,
    }
    return _notice(Kind.OTA_VERSION, source, version_topic(source), now, body)


def job_topic(product: Product, package: Package, job: Job) -> str:
    """Return the topic of a batch's status."""
    return f"/{product.product_key}/{package.firmware_id}/{job.job_id}/ota/job/status"


def job_changed(product: Product, package: Package, job: Job, now: int) -> Notice:
    """Tell of a batch whose status is another one."""
    source = Source(product.instance_id, product.id, product.product_key, 0, "", "", product.device_type)
    body = {
        "productKey": product.product_key,
        "moduleName": job.module,
        "packageId": package.firmware_id,
        "jobId": job.job_id,
        "status": job.status,
    }
    return _notice(Kind.OTA_JOB, source, job_topic(product, package, job), now, body)
