"""The subscriptions of products: making, changing and deleting them; who gets what follows from them."""

from collections.abc import Iterable, Sequence
from typing import Any

import structlog
from msgspec.structs import replace
from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from thingplane.cloud import BusinessError
from thingplane.forwarding.message import Kind
from thingplane.forwarding.service import Forwarder
from thingplane.products.errors import NOT_EXISTED_PRODUCT
from thingplane.products.service import Product
from thingplane.storage.database import Database
from thingplane.subscriptions import errors
from thingplane.subscriptions.group import ConsumerGroup, SubscriptionLimits
from thingplane.subscriptions.groups import ConsumerGroups
from thingplane.subscriptions.mns import MnsQueues
from thingplane.subscriptions.subscription import KINDS, Flags, Subscription, SubscriptionType, Wanted, effective
from thingplane.subscriptions.tables import product_subscription_groups, product_subscriptions

_log = structlog.get_logger(__name__)


class Subscriptions:
    """The subscriptions of all products, in memory and in the database; a router of forwarded messages.

    Changes are made one at a time: callers hold the service's lock.
    """

    def __init__(
        self,
        database: Database,
        forwarder: Forwarder,
        groups: ConsumerGroups,
        queues: MnsQueues,
        limits: SubscriptionLimits,
    ) -> None:
        """Start with nothing in memory; ``load`` fills it."""
        self._database = database
        self._forwarder = forwarder
        self._groups = groups
        self._queues = queues
        self._limits = limits
        self._by_product: dict[int, dict[SubscriptionType, Subscription]] = {}
        self._routes: dict[int, dict[Kind, tuple[int, ...]]] = {}
        forwarder.add_router(self)

    def subscribers(self, kind: Kind, product_id: int, topic: str) -> Iterable[int]:  # noqa: ARG002 - as a Router
        """Return who messages of a kind and product are due to."""
        routes = self._routes.get(product_id)
        return () if routes is None else routes.get(kind, ())

    async def load(self) -> None:
        """Read all subscriptions, after the groups, and begin to send to queues."""
        async with self._database.read() as connection:
            rows = (await connection.execute(select(product_subscriptions))).all()
            members: dict[int, list[int]] = {}
            for member in await connection.execute(
                select(product_subscription_groups).order_by(product_subscription_groups.c.group_id)
            ):
                members.setdefault(member.subscription_id, []).append(member.group_id)
        for row in rows:
            columns = dict(row._mapping)  # noqa: SLF001 - the documented way to a row's columns
            columns["flags"] = Flags(columns["flags"])
            subscriber = columns.pop("subscriber_id")
            await self._use(Subscription(**columns, groups=tuple(members.get(row.id, ())), subscriber=subscriber))

    def find(self, product_id: int, type_: SubscriptionType) -> Subscription | None:
        """Return the product's subscription of this type."""
        return self._by_product.get(product_id, {}).get(type_)

    def get(self, product_id: int, type_: SubscriptionType) -> Subscription:
        """Return the product's subscription of this type.

        Raises:
            BusinessError: iot.consumer.group.SubscribeNotExist.
        """
        subscription = self.find(product_id, type_)
        if subscription is None:
            raise errors.SUBSCRIBE_NOT_EXIST(f"The product has no {type_} subscription.")
        return subscription

    def uses(self, group: ConsumerGroup) -> int:
        """Return the number of products that a group subscribes to."""
        return sum(
            group.id in subscription.groups
            for by_type in self._by_product.values()
            for subscription in by_type.values()
        )

    async def create(self, product: Product, type_: SubscriptionType, wanted: Wanted) -> None:
        """Subscribe to a product.

        Raises:
            BusinessError: iot.consumer.group.InvalidSubscribeType when there is one of this type already,
                iot.consumer.group.CallbackTypeEmpty, iot.consumer.group.InvalidConsumerGroup,
                iot.consumer.group.ConsumerGroupNotExist, iot.consumer.group.ConsumerGroupExceedsLimit,
                iot.consumer.group.ProductKeyExceedsLimit, iot.consumer.group.MnsCheckFailed,
                iot.prod.NotExistedProduct. Nothing was changed.
        """
        if self.find(product.id, type_) is not None:
            raise errors.INVALID_SUBSCRIBE_TYPE(f"The product has an {type_} subscription already: update that.")
        values, groups = await self._checked(product, type_, wanted, ())
        try:
            async with self._database.write() as connection:
                statement = insert(product_subscriptions).values(product_id=product.id, type=type_, **values)
                key: int = (await connection.execute(statement.returning(product_subscriptions.c.id))).scalar_one()
                await self._set_groups(connection, key, groups)
        except IntegrityError as error:
            raise NOT_EXISTED_PRODUCT() from error
        await self._use(
            Subscription(id=key, product_id=product.id, type=type_, groups=groups, subscriber=None, **values)
        )

    async def change(self, product: Product, type_: SubscriptionType, wanted: Wanted) -> None:
        """Replace flags and targets of a subscription.

        Raises:
            BusinessError: iot.consumer.group.SubscribeNotExist; others as ``create``. Nothing was changed.
        """
        old = self.get(product.id, type_)
        values, groups = await self._checked(product, type_, wanted, old.groups)
        async with self._database.write() as connection:
            statement = update(product_subscriptions).where(product_subscriptions.c.id == old.id).values(values)
            if not (await connection.execute(statement)).rowcount:
                raise NOT_EXISTED_PRODUCT()
            await self._set_groups(connection, old.id, groups)
        await self._use(replace(old, groups=groups, **values))

    async def delete(self, product_id: int, type_: SubscriptionType) -> None:
        """End a subscription; what waits for a group stays waiting, what waits for a queue does not.

        Raises:
            BusinessError: iot.consumer.group.SubscribeNotExist.
        """
        old = self.get(product_id, type_)
        async with self._database.write() as connection:
            await connection.execute(delete(product_subscriptions).where(product_subscriptions.c.id == old.id))
        await self._forget(old)

    async def add_group(self, product: Product, group: ConsumerGroup) -> None:
        """Add a group to the AMQP subscription; one that is there already stays.

        Raises:
            BusinessError: iot.consumer.group.SubscribeNotExist, iot.consumer.group.ConsumerGroupExceedsLimit,
                iot.consumer.group.ProductKeyExceedsLimit.
        """
        old = self.get(product.id, "AMQP")
        if group.id not in old.groups:
            self._check_limits([group], old.groups, [*old.groups, group.id])
            await self._regroup(old, (*old.groups, group.id))

    async def remove_group(self, product: Product, group: ConsumerGroup) -> None:
        """Take a group out of the AMQP subscription.

        Raises:
            BusinessError: iot.consumer.group.SubscribeNotExist, also when the group is not part of it;
                iot.consumer.group.InvalidConsumerGroup when it is the only one.
        """
        old = self.get(product.id, "AMQP")
        if group.id not in old.groups:
            raise errors.SUBSCRIBE_NOT_EXIST("The consumer group is not part of the product's subscription.")
        if len(old.groups) == 1:
            raise errors.INVALID_CONSUMER_GROUP("The only consumer group of a subscription cannot be removed.")
        await self._regroup(old, tuple(key for key in old.groups if key != group.id))

    async def product_deleted(self, product_id: int) -> None:
        """Forget the subscriptions of a product that is gone, and with it their rows."""
        for subscription in list(self._by_product.get(product_id, {}).values()):
            await self._forget(subscription)

    async def _checked(
        self, product: Product, type_: SubscriptionType, wanted: Wanted, old: Sequence[int]
    ) -> tuple[dict[str, Any], tuple[int, ...]]:
        flags = effective(wanted.flags, type_, product.node_type)
        if not flags:
            raise errors.CALLBACK_TYPE_EMPTY()
        keys: tuple[int, ...] = ()
        if type_ == "AMQP":
            if not wanted.groups:
                raise errors.INVALID_CONSUMER_GROUP()
            groups = [await self._groups.get(product.instance_id, group_id) for group_id in wanted.groups]
            keys = tuple(dict.fromkeys(group.id for group in groups))
            self._check_limits(groups, old, keys)
        else:
            if wanted.mns_configuration is None:
                raise errors.MNS_CHECK_FAILED("An MNS subscription needs MnsConfiguration.")
            self._queues.check(wanted.mns_configuration)
        return {
            "flags": flags,
            "subscribe_flags": wanted.subscribe_flags,
            "mns_configuration": wanted.mns_configuration if type_ == "MNS" else None,
        }, keys

    def _check_limits(self, groups: Iterable[ConsumerGroup], old: Sequence[int], new: Sequence[int]) -> None:
        if len(new) > self._limits.groups_per_product:
            raise errors.CONSUMER_GROUP_EXCEEDS_LIMIT(
                f"A product has at most {self._limits.groups_per_product} consumer groups."
            )
        for group in groups:
            if group.id not in old and self.uses(group) >= self._limits.products_per_group:
                raise errors.PRODUCT_KEY_EXCEEDS_LIMIT(
                    f"A consumer group subscribes to at most {self._limits.products_per_group} products."
                )

    async def _regroup(self, old: Subscription, groups: tuple[int, ...]) -> None:
        async with self._database.write() as connection:
            await self._set_groups(connection, old.id, groups)
        await self._use(replace(old, groups=groups))

    async def _set_groups(self, connection: AsyncConnection, key: int, groups: Sequence[int]) -> None:
        table = product_subscription_groups
        await connection.execute(delete(table).where(table.c.subscription_id == key))
        if groups:
            await connection.execute(
                insert(table), [{"subscription_id": key, "group_id": group_id} for group_id in groups]
            )

    async def _use(self, subscription: Subscription) -> None:
        """Let a subscription have its effect."""
        if subscription.type == "MNS":
            subscription = await self._with_queue(subscription)
        self._by_product.setdefault(subscription.product_id, {})[subscription.type] = subscription
        self._route(subscription.product_id)

    async def _with_queue(self, subscription: Subscription) -> Subscription:
        subscriber = subscription.subscriber
        if subscriber is None:
            subscriber = await self._forwarder.enroll("group", f"mns:{subscription.id}")
            table = product_subscriptions
            async with self._database.write() as connection:
                await connection.execute(
                    update(table).where(table.c.id == subscription.id).values(subscriber_id=subscriber)
                )
        try:
            await self._queues.open(subscriber, subscription.mns_configuration or "")
        except BusinessError as error:
            # It was checked when it was made: an endpoint has gone from the settings since. Messages wait in the log.
            _log.error("messages for an MNS queue are not sent", product=subscription.product_id, reason=error.message)
        return replace(subscription, subscriber=subscriber)

    async def _forget(self, subscription: Subscription) -> None:
        self._by_product[subscription.product_id].pop(subscription.type, None)
        self._route(subscription.product_id)
        if subscription.subscriber is not None:
            await self._queues.close(subscription.subscriber)
            await self._forwarder.remove(subscription.subscriber)

    def _route(self, product_id: int) -> None:
        routes: dict[Kind, tuple[int, ...]] = {}
        for subscription in self._by_product.get(product_id, {}).values():
            found = [group.subscriber for key in subscription.groups if (group := self._groups.by_id(key))]
            if subscription.subscriber is not None:
                found.append(subscription.subscriber)
            for kind, flag in KINDS.items():
                if flag in subscription.flags:
                    routes[kind] = (*routes.get(kind, ()), *found)
        if routes:
            self._routes[product_id] = routes
        else:
            self._routes.pop(product_id, None)
            self._by_product.pop(product_id, None)
        self._forwarder.routes_changed()
