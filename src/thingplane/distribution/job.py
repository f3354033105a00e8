"""A distribution task as it is now."""

from enum import IntEnum
from typing import Any, Final, Literal, TypeAlias

import msgspec
from sqlalchemy import Row

Kind: TypeAlias = Literal["product", "device"]

SUCCESS: Final = "200"
"""Code of what was distributed."""


class Status(IntEnum):
    """How far a task is, numbered as documented."""

    INITIALIZING = 0
    RUNNING = 1
    FINISHED = 2
    """All is done that could be; the result file says what."""
    INTERRUPTED = 3
    """It could not go on; the result file says why."""


UNFINISHED: Final = (Status.INITIALIZING, Status.RUNNING)


class Job(msgspec.Struct, frozen=True):
    """A task."""

    id: int
    job_id: str
    """The JobId."""
    kind: Kind
    product_key: str
    source: str
    """IotInstanceId of the instance that it distributes from."""
    target: str
    """IotInstanceId of the instance that it distributes to."""
    strategy: int
    status: int
    total: int
    """Devices."""
    names: str | None
    """JSON list of DeviceNames, until it has finished."""
    blob: str | None
    """Its result file, once it has finished."""
    created_at: int
    """Epoch milliseconds."""


class Result(msgspec.Struct, frozen=True, rename="pascal", omit_defaults=True):
    """An entry of a result file."""

    product_key: str
    target_instance_id: str
    code: str
    """200, or the code of what went wrong."""
    message: str
    device_name: str | None = None
    """None where it is about the product."""


_decode_names = msgspec.json.Decoder(list[str]).decode


def to_job(row: Row[Any]) -> Job:
    """Return the task of a whole row."""
    return Job(**row._mapping)  # noqa: SLF001 - the documented way to a row's columns


def names_of(job: Job) -> list[str]:
    """Return the names of the devices that an unfinished task distributes."""
    return _decode_names(job.names) if job.names else []
