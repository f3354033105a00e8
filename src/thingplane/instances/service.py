"""The instances of the platform: changed through here, resolved from memory for every call."""

import re
import secrets
import string
from dataclasses import dataclass
from typing import Final

from sqlalchemy import delete, insert, select
from sqlalchemy.exc import IntegrityError

from thingplane.clock import Clock
from thingplane.cloud.context import Instance
from thingplane.cloud.errors import INSTANCE_NOT_FOUND
from thingplane.instances.tables import instances
from thingplane.storage.database import Database, metadata
from thingplane.storage.polling import Poller
from thingplane.storage.revisions import Revision

DEFAULT_INSTANCE: Final = Instance(1, "iot-default")
"""The instance of calls without IotInstanceId."""
_INSTANCE_ID = re.compile("iot-[A-Za-z0-9-]{1,60}")
_LOWER_ALPHANUMERIC = string.ascii_lowercase + string.digits


class InstanceError(Exception):
    """A change that cannot be made; the text says why in one line."""


@dataclass(frozen=True, slots=True)
class InstanceInfo:
    """An instance as lists show it."""

    instance: Instance
    description: str
    created_at: int
    """Epoch milliseconds."""


class InstanceDirectory:
    """All instances of a node (``thingplane.cloud.credentials.Instances``)."""

    def __init__(self, database: Database, clock: Clock, *, poll_interval_s: float = 2.0) -> None:
        """Make a directory that knows the default instance; ``start`` or ``refresh`` adds the others.

        Args:
            database: where instances are kept.
            clock: what the time is.
            poll_interval_s: seconds after which changes by other processes are noticed.
        """
        self._database = database
        self._clock = clock
        self._revision = Revision(database, "instances")
        self._by_name: dict[str | None, Instance] = {None: DEFAULT_INSTANCE}
        self._by_name[DEFAULT_INSTANCE.instance_id] = DEFAULT_INSTANCE
        self._poller = Poller("instances", self._revision, self.load, poll_interval_s)

    async def start(self) -> None:
        """Load the instances, and from now on notice what other processes change."""
        await self._poller.start()

    async def stop(self) -> None:
        """Stop noticing changes."""
        await self._poller.stop()

    async def refresh(self) -> None:
        """Load the instances if anything was changed since they were loaded."""
        await self._poller.refresh()

    def resolve(self, instance_id: str | None) -> Instance:
        """Return the instance with this IotInstanceId, the default one for None.

        Raises:
            BusinessError: iot.system.InstanceNotFound.
        """
        instance = self._by_name.get(instance_id)
        if instance is None:
            raise INSTANCE_NOT_FOUND(f"No instance has the IotInstanceId {instance_id}.")
        return instance

    async def load(self) -> None:
        """Read all instances."""
        found = [DEFAULT_INSTANCE, *(info.instance for info in await self.list())]
        self._by_name = {None: DEFAULT_INSTANCE, **{instance.instance_id: instance for instance in found}}

    async def list(self) -> list[InstanceInfo]:
        """Return all instances but the default one, oldest first."""
        async with self._database.read() as connection:
            rows = await connection.execute(select(instances).order_by(instances.c.id))
            return [InstanceInfo(_instance(row.id, row.name), row.description, row.created_at) for row in rows]

    async def create(self, instance_id: str | None = None, description: str = "") -> Instance:
        """Create an instance.

        Args:
            instance_id: its IotInstanceId, ``iot-`` and letters, digits or hyphens; None: a random one.
            description: up to 100 characters.

        Raises:
            InstanceError: the id is malformed or taken, or the description is too long.
        """
        name = instance_id or "iot-" + "".join(secrets.choice(_LOWER_ALPHANUMERIC) for _ in range(10))
        if not _INSTANCE_ID.fullmatch(name):
            raise InstanceError("an instance id is 'iot-' and up to 60 letters, digits or hyphens")
        if len(description) > 100:
            raise InstanceError("a description has up to 100 characters")
        if name == DEFAULT_INSTANCE.instance_id:
            raise InstanceError(f"instance {name} exists already")
        statement = insert(instances).values(name=name, description=description, created_at=self._clock.now_ms())
        try:
            async with self._database.write() as connection:
                key = (await connection.execute(statement.returning(instances.c.id))).scalar_one()
                await self._revision.increase(connection)
        except IntegrityError as error:
            raise InstanceError(f"instance {name} exists already") from error
        await self.refresh()
        return _instance(key, name)

    async def delete(self, instance_id: str) -> None:
        """Delete an empty instance.

        Raises:
            InstanceError: there is no such instance, it is the default one, or something still belongs to it.
        """
        if instance_id == DEFAULT_INSTANCE.instance_id:
            raise InstanceError("the default instance cannot be deleted")
        async with self._database.write() as connection:
            query = select(instances.c.id).where(instances.c.name == instance_id)
            key = (await connection.execute(query)).scalar()
            if key is None:
                raise InstanceError(f"no instance {instance_id}")
            number = _instance(key, instance_id).id
            for table in metadata.sorted_tables:
                if "instance_id" not in table.c:
                    continue
                if table.info.get("bookkeeping"):
                    await connection.execute(delete(table).where(table.c.instance_id == number))
                    continue
                owned = select(table.c.instance_id).where(table.c.instance_id == number).limit(1)
                if (await connection.execute(owned)).first() is not None:
                    raise InstanceError(f"instance {instance_id} is not empty: it has {table.name}")
            await connection.execute(delete(instances).where(instances.c.id == key))
            await self._revision.increase(connection)
        await self.refresh()


def _instance(key: int, name: str) -> Instance:
    return Instance(DEFAULT_INSTANCE.id + key, name)
