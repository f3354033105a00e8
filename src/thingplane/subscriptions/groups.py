"""Consumer groups: making, finding, renaming and deleting them."""

import secrets
import string
from collections.abc import Mapping
from typing import Any, Final

from msgspec.structs import replace
from sqlalchemy import Row, bindparam, delete, insert, select, update

from thingplane.clock import Clock
from thingplane.forwarding.service import Forwarder
from thingplane.storage.database import Database
from thingplane.subscriptions import errors
from thingplane.subscriptions.group import DEFAULT_GROUP_ID, DEFAULT_GROUP_NAME, ConsumerGroup, SubscriptionLimits
from thingplane.subscriptions.tables import consumer_groups

_ALPHANUMERIC: Final = string.ascii_letters + string.digits


class ConsumerGroups:
    """The groups of all instances, in memory and in the database.

    Changes are made one at a time: callers hold the service's lock.
    """

    def __init__(self, database: Database, clock: Clock, forwarder: Forwarder, limits: SubscriptionLimits) -> None:
        """Start with nothing in memory; ``load`` fills it."""
        self._database = database
        self._clock = clock
        self._forwarder = forwarder
        self._limits = limits
        self._by_id: dict[int, ConsumerGroup] = {}
        self._by_name: dict[tuple[int, str], ConsumerGroup] = {}

    async def load(self) -> None:
        """Read all groups."""
        async with self._database.read() as connection:
            rows = (await connection.execute(select(consumer_groups))).all()
        for row in rows:
            await self._enroll(row)

    def all(self) -> list[ConsumerGroup]:
        """Return the groups of all instances, as far as anybody has asked for their default groups."""
        return list(self._by_id.values())

    def by_id(self, key: int) -> ConsumerGroup | None:
        """Return the group with this key."""
        return self._by_id.get(key)

    def find(self, instance_id: int, group_id: str) -> ConsumerGroup | None:
        """Return the group if it is in memory: all groups are, but default groups that nobody has asked for yet."""
        return self._by_name.get((instance_id, group_id))

    async def get(self, instance_id: int, group_id: str) -> ConsumerGroup:
        """Return the instance's group; its default group is made when it is asked for first.

        Raises:
            BusinessError: iot.consumer.group.ConsumerGroupNotExist.
        """
        group = self.find(instance_id, group_id)
        if group is not None:
            return group
        if group_id != DEFAULT_GROUP_ID:
            raise errors.CONSUMER_GROUP_NOT_EXIST()
        return await self._insert(None, instance_id, DEFAULT_GROUP_ID, DEFAULT_GROUP_NAME)

    def of_instance(self, instance_id: int) -> list[ConsumerGroup]:
        """Return the instance's groups, newest first, the default group last."""
        mine = [group for group in self._by_id.values() if group.instance_id == instance_id]
        return sorted(mine, key=lambda group: (group.is_default, -group.id))

    async def create(self, instance_id: int, name: str) -> ConsumerGroup:
        """Create a group.

        Raises:
            BusinessError: iot.consumer.group.ConsumerGroupNameExisted, iot.consumer.group.ConsumerGroupExceedLimit.
        """
        self._check_name(instance_id, name)
        if sum(not group.is_default for group in self.of_instance(instance_id)) >= self._limits.groups:
            raise errors.CONSUMER_GROUP_EXCEED_LIMIT(f"An instance has at most {self._limits.groups} consumer groups.")
        # As the vendor's: some 20 characters by chance, then a tail that is always the same.
        group_id = "".join(secrets.choice(_ALPHANUMERIC) for _ in range(20)) + "000100"
        return await self._insert(instance_id, None, group_id, name)

    async def rename(self, group: ConsumerGroup, name: str) -> None:
        """Change a group's name.

        Raises:
            BusinessError: iot.consumer.group.ChangeDefaultConsumerGroupNotAllowed,
                iot.consumer.group.ConsumerGroupNameExisted.
        """
        if group.is_default:
            raise errors.CHANGE_DEFAULT_CONSUMER_GROUP_NOT_ALLOWED()
        if name != group.name:
            self._check_name(group.instance_id, name)
        async with self._database.write() as connection:
            await connection.execute(update(consumer_groups).where(consumer_groups.c.id == group.id).values(name=name))
        self._keep(replace(group, name=name))

    async def delete(self, group: ConsumerGroup) -> None:
        """Delete a group that is part of no subscription, with what waits for it.

        Raises:
            BusinessError: iot.consumer.group.ChangeDefaultConsumerGroupNotAllowed.
        """
        if group.is_default:
            raise errors.CHANGE_DEFAULT_CONSUMER_GROUP_NOT_ALLOWED("The default consumer group cannot be deleted.")
        async with self._database.write() as connection:
            await connection.execute(delete(consumer_groups).where(consumer_groups.c.id == group.id))
        del self._by_id[group.id]
        del self._by_name[group.instance_id, group.group_id]
        await self._forwarder.remove(group.subscriber)

    async def save_consumed(self, times: Mapping[int, int]) -> None:
        """Write when groups, by their keys, consumed last."""
        change = update(consumer_groups).where(consumer_groups.c.id == bindparam("key"))
        async with self._database.write() as connection:
            await connection.execute(
                change.values(consumed_at=bindparam("at")), [{"key": key, "at": at} for key, at in times.items()]
            )

    def _check_name(self, instance_id: int, name: str) -> None:
        if any(group.name == name and not group.is_default for group in self.of_instance(instance_id)):
            raise errors.CONSUMER_GROUP_NAME_EXISTED()

    async def _insert(self, instance_id: int | None, default_of: int | None, group_id: str, name: str) -> ConsumerGroup:
        values = {
            "instance_id": instance_id,
            "default_of": default_of,
            "group_id": group_id,
            "name": name,
            "created_at": self._clock.now_ms(),
        }
        async with self._database.write() as connection:
            row = (await connection.execute(insert(consumer_groups).values(values).returning(consumer_groups))).one()
        return await self._enroll(row)

    async def _enroll(self, row: Row[Any]) -> ConsumerGroup:
        subscriber: int | None = row.subscriber_id
        if subscriber is None:
            subscriber = await self._forwarder.enroll("group", str(row.id))
            known = update(consumer_groups).where(consumer_groups.c.id == row.id).values(subscriber_id=subscriber)
            async with self._database.write() as connection:
                await connection.execute(known)
        return self._keep(
            ConsumerGroup(
                id=row.id,
                instance_id=row.default_of if row.instance_id is None else row.instance_id,
                group_id=row.group_id,
                name=row.name,
                created_at=row.created_at,
                subscriber=subscriber,
                consumed_at=row.consumed_at,
            )
        )

    def _keep(self, group: ConsumerGroup) -> ConsumerGroup:
        self._by_id[group.id] = group
        self._by_name[group.instance_id, group.group_id] = group
        return group
