"""Messages to subscribers, written down in the transactions that give cause for them: a crash loses none.

The log of forwarded messages is another database. A message is in the outbox until it is in the log; a crash in between
forwards it again at the next start, with the same message id.
"""

import asyncio
from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final

import msgspec
import structlog
from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from thingplane.clock import Clock
from thingplane.devices.service import devices
from thingplane.forwarding.message import Kind, Source
from thingplane.forwarding.service import Forwarder
from thingplane.ota import notices
from thingplane.ota.job import Job
from thingplane.ota.ledger import Written, is_worth_telling
from thingplane.ota.notices import Notice
from thingplane.ota.package import Package
from thingplane.ota.rows import Batches
from thingplane.ota.tables import ota_outbox
from thingplane.products.service import ProductService
from thingplane.storage.database import Database

RETRY_DELAY_S: Final = 1.0
_AT_ONCE: Final = 500

_log = structlog.get_logger(__name__)


class Outbox:
    """Writes messages down, forwards them, and forgets them when the log has them. What nobody wants is not built."""

    def __init__(
        self, database: Database, clock: Clock, forwarder: Forwarder, products: ProductService, batches: Batches
    ) -> None:
        """Wire.

        Args:
            database: keeps what is not forwarded yet.
            clock: tells when messages were made.
            forwarder: takes them.
            products: the service of products.
            batches: the jobs with their packages.
        """
        self._database = database
        self._clock = clock
        self._forwarder = forwarder
        self._products = products
        self._batches = batches
        self._sent: list[Notice] = []
        self._worker: asyncio.Task[None] | None = None

    # Inside transactions.

    async def note(self, connection: AsyncConnection, written: Written) -> None:
        """Write down what is to be told of ends of tasks and of batches, and add it to ``written``."""
        if not self._forwarder.has_subscribers:
            return
        ended = [task for task in written.ended if is_worth_telling(task)]
        made: list[Notice] = []
        if ended or written.jobs:
            ids = {task.job_id for task in ended} | {job.id for job in written.jobs}
            batches = await self._batches.get(connection, ids)
            sources = await self._sources(connection, {task.device_id for task in ended})
            made += [
                notices.task_ended(source, task, batches[task.job_id], self._clock.now_ms())
                for task in ended
                if (source := sources.get(task.device_id)) is not None
                and task.job_id in batches
                and self._wanted(Kind.OTA_STATUS, source, notices.end_topic(source))
            ]
            for job in written.jobs:
                if job.id in batches:
                    made += await self._of_job(job, batches[job.id].package)
        await self._write(connection, written, made)

    async def note_job(self, connection: AsyncConnection, written: Written, job: Job, package: Package) -> None:
        """Write down what is to be told of a new batch."""
        await self._write(connection, written, await self._of_job(job, package))

    async def note_versions(
        self, connection: AsyncConnection, written: Written, changes: Sequence[tuple[int, str, str | None]]
    ) -> None:
        """Write down what is to be told of devices that run another version.

        Args:
            connection: of the transaction.
            written: gets it.
            changes: key of the device, module and version.
        """
        if not changes or not self._forwarder.has_subscribers:
            return
        sources = await self._sources(connection, {device_id for device_id, _, _ in changes})
        now = self._clock.now_ms()
        made = [
            notices.version_changed(source, module, version, now)
            for device_id, module, version in changes
            if (source := sources.get(device_id)) is not None
            and self._wanted(Kind.OTA_VERSION, source, notices.version_topic(source))
        ]
        await self._write(connection, written, made)

    async def _of_job(self, job: Job, package: Package) -> list[Notice]:
        product = await self._products.by_id(job.product_id)
        if product is None:
            return []
        if not self._forwarder.wanted(Kind.OTA_JOB, product.id, notices.job_topic(product, package, job)):
            return []
        return [notices.job_changed(product, package, job, self._clock.now_ms())]

    def _wanted(self, kind: Kind, source: Source, topic: str) -> bool:
        return self._forwarder.wanted(kind, source.product_id, topic)

    async def _sources(self, connection: AsyncConnection, device_ids: Collection[int]) -> dict[int, Source]:
        found: dict[int, Source] = {}
        names = ("id", "instance_id", "product_id", "product_key", "name", "iot_id")
        query = select(*(devices.c[name] for name in names))
        wanted = sorted(device_ids)
        for start in range(0, len(wanted), _AT_ONCE):
            for row in await connection.execute(query.where(devices.c.id.in_(wanted[start : start + _AT_ONCE]))):
                product = await self._products.find_id(row.product_id)
                category = "" if product is None else product.device_type
                found[row.id] = Source(
                    row.instance_id, row.product_id, row.product_key, row.id, row.name, row.iot_id, category
                )
        return found

    @staticmethod
    async def _write(connection: AsyncConnection, written: Written, made: Sequence[Notice]) -> None:
        if made:
            await connection.execute(insert(ota_outbox), [_row(notice) for notice in made])
            written.notices += made

    # Afterwards.

    def send(self, written: Written) -> None:
        """Forward what a transaction has noted that is committed now."""
        if not written.notices:
            return
        self._forward(written.notices)
        self._sent += written.notices
        if self._worker is None:
            self._worker = asyncio.get_running_loop().create_task(self._work(), name="OTA messages")

    async def replay(self) -> None:
        """Forward what an earlier process has left; subscribers have to be known by now."""
        query = select(ota_outbox).order_by(ota_outbox.c.message_id)
        async with self._database.read() as connection:
            left = [_notice(row) for row in await connection.execute(query)]
        self.send(Written(notices=left))

    async def close(self) -> None:
        """Forget what the log has; what it has not is forwarded after the next start."""
        if self._worker is not None:
            self._worker.cancel()
            await asyncio.wait([self._worker])
            self._worker = None
        if self._sent:
            try:
                await self._settle(self._sent)
            except Exception as error:  # noqa: BLE001 - logged; the other parts have to be closed
                _log.warning("subscribers are told of updates after the next start", error=repr(error))

    def _forward(self, some: Iterable[Notice]) -> None:
        for notice in some:
            self._forwarder.forward(
                notice.kind,
                notice.source,
                notice.topic,
                notice.body,
                message_id=notice.message_id,
                generated=notice.generated,
            )

    async def _work(self) -> None:
        try:
            while self._sent:
                some = self._sent[:]
                try:
                    await self._settle(some)
                except Exception as error:  # noqa: BLE001 - logged, and tried again
                    _log.warning("subscribers are not told of updates, trying again", error=repr(error))
                    await asyncio.sleep(RETRY_DELAY_S)
                    self._forward(some)
                else:
                    del self._sent[: len(some)]
        finally:
            self._worker = None

    async def _settle(self, some: Sequence[Notice]) -> None:
        await self._forwarder.durable()
        for start in range(0, len(some), _AT_ONCE):
            gone = [notice.message_id for notice in some[start : start + _AT_ONCE]]
            async with self._database.write() as connection:
                await connection.execute(delete(ota_outbox).where(ota_outbox.c.message_id.in_(gone)))


def _row(notice: Notice) -> dict[str, Any]:
    return {
        "message_id": notice.message_id,
        "kind": int(notice.kind),
        "source": msgspec.json.encode(notice.source).decode(),
        "topic": notice.topic,
        "body": notice.body.decode(),
        "generated": notice.generated,
    }


def _notice(row: Any) -> Notice:
    source = msgspec.json.decode(row.source, type=Source)
    return Notice(row.message_id, Kind(row.kind), source, row.topic, row.body.encode(), row.generated)
