"""What subscribers and rules are told of updates (rules reference, 3.9)."""

import msgspec

from thingplane import ids
from thingplane.forwarding import bodies
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


def end_topic(source: Source) -> str:
    """Return the topic of the end of a device's task."""
    return f"/{source.product_key}/{source.device_name}/ota/upgrade"


def task_ended(source: Source, task: Task, batch: Batch, now: int) -> Notice:
    """Tell of a task that succeeded or failed."""
    job_id = batch.job.job_id
    versions = (task.source or "", batch.package.version)
    task_id = task_uid(job_id, task.id)
    body = bodies.ota_status(source, task.state.name, now, *versions, task.reason, job_id, task_id, task.module)
    return Notice(ids.message_id(), Kind.OTA_STATUS, source, end_topic(source), body, now)


def version_topic(source: Source) -> str:
    """Return the topic of another version of a device."""
    return f"/{source.product_key}/{source.device_name}/ota/version/post"


def version_changed(source: Source, module: str, version: str | None, now: int) -> Notice:
    """Tell of a device that runs another version than before."""
    body = bodies.ota_version(source, module, version, now)
    return Notice(ids.message_id(), Kind.OTA_VERSION, source, version_topic(source), body, now)


def job_topic(product: Product, package: Package, job: Job) -> str:
    """Return the topic of a batch's status."""
    return f"/{product.product_key}/{package.firmware_id}/{job.job_id}/ota/job/status"


def job_changed(product: Product, package: Package, job: Job, now: int) -> Notice:
    """Tell of a batch whose status is another one."""
    source = Source(product.instance_id, product.id, product.product_key, 0, "", "", product.device_type)
    body = bodies.ota_job(product.product_key, job.module, package.firmware_id, job.job_id, job.status, now)
    return Notice(ids.message_id(), Kind.OTA_JOB, source, job_topic(product, package, job), body, now)
