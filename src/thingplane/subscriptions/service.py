"""Server-side subscription as other parts of the platform use it."""

import asyncio
from collections import deque
from typing import Final

import structlog
from sqlalchemy.exc import SQLAlchemyError

from thingplane.bus import Background, Bus
from thingplane.clock import Clock
from thingplane.cloud import BusinessError
from thingplane.cloud.credentials import Instances, KeyRing
from thingplane.forwarding.service import Forwarder
from thingplane.products.service import Product, ProductDeleted, ProductService
from thingplane.storage.database import Database
from thingplane.subscriptions import errors
from thingplane.subscriptions.credentials import UserName, is_password, parse
from thingplane.subscriptions.delivery.engine import GroupDelivery
from thingplane.subscriptions.delivery.pace import Pace
from thingplane.subscriptions.delivery.parties import Consumer, Delivery, Membership
from thingplane.subscriptions.delivery.status import Consumption, GroupStatus
from thingplane.subscriptions.group import DEFAULT_GROUP_ID, ConsumerGroup, SubscriptionLimits
from thingplane.subscriptions.groups import ConsumerGroups
from thingplane.subscriptions.metrics import reading
from thingplane.subscriptions.mns import MnsQueues
from thingplane.subscriptions.relations import Subscriptions
from thingplane.subscriptions.signing_in import GroupFull, GroupRef, Login, SignInRefused, TooManyConnects
from thingplane.subscriptions.subscription import Flags, Subscription, SubscriptionType, Wanted

__all__ = [
    "Consumer",
    "ConsumerGroup",
    "Delivery",
    "Flags",
    "GroupFull",
    "GroupRef",
    "GroupStatus",
    "Login",
    "Membership",
    "MnsQueues",
    "Pace",
    "SignInRefused",
    "Subscription",
    "SubscriptionLimits",
    "SubscriptionService",
    "SubscriptionType",
    "TooManyConnects",
    "Wanted",
]

ACTION: Final = "iot:sub"
"""What an access policy has to allow a sub-user whose key signs in (vendor help: AMQP server-side subscription)."""
TICK_S: Final = 1.0
SAVE_S: Final = 10.0
"""Seconds between two writes of when groups consumed last."""

_log = structlog.get_logger(__name__)
_LIMITS: Final = SubscriptionLimits()
_PACE: Final = Pace()


class SubscriptionService:
    """Consumer groups, subscriptions of products, and delivery."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        bus: Bus,
        *,
        products: ProductService,
        forwarder: Forwarder,
        keys: KeyRing,
        instances: Instances,
        queues: MnsQueues,
        limits: SubscriptionLimits = _LIMITS,
        pace: Pace = _PACE,
        region: str = "cn-shanghai",
    ) -> None:
        """Wire the service; ``start`` has to be awaited before it is used.

        Args:
            database: where groups and subscriptions are kept.
            clock: tells creation times, deadlines and rates.
            bus: tells of products that are deleted.
            products: the service of products.
            forwarder: the log of messages, started before this.
            keys: the access keys that clients sign in with.
            instances: the instances that user names name.
            queues: sends to the queues of MNS subscriptions.
            limits: how many there may be of what.
            pace: figures of delivery.
            region: as resources in access policies name it.
        """
        self._clock = clock
        self._products = products
        self._forwarder = forwarder
        self._keys = keys
        self._instances = instances
        self._queues = queues
        self._limits = limits
        self._pace = pace
        self._region = region
        self._groups = ConsumerGroups(database, clock, forwarder, limits)
        self._subscriptions = Subscriptions(database, forwarder, self._groups, queues, limits)
        self._deliveries: dict[int, GroupDelivery] = {}
        """By key of the group."""
        self._past = Consumption()
        """Of groups that are gone: totals never fall."""
        self._connects: dict[int, deque[float]] = {}
        self._saved: dict[int, int | None] = {}
        """When groups consumed last, as the database has it."""
        self._save_at = 0.0
        self._changing = asyncio.Lock()
        self._ticking: asyncio.Task[None] | None = None
        self._background = Background("consumer groups")
        bus.subscribe(ProductDeleted, self._product_deleted)

    async def start(self) -> None:
        """Load groups and subscriptions, and deliver from now on."""
        await self._groups.load()
        await self._subscriptions.load()
        self._ticking = asyncio.get_running_loop().create_task(self._tick_forever(), name="consumer groups")

    async def close(self) -> None:
        """Stop to deliver, and hand all acknowledgements to the log."""
        if self._ticking is not None:
            self._ticking.cancel()
            await asyncio.wait([self._ticking])
        await self._queues.stop()
        for delivery in self._deliveries.values():
            await delivery.close()
        await self._save()
        await self._background.settled()

    # Clients.

    async def sign_in(self, user_name: str, password: str) -> Login:
        """Check what a client signs in with.

        Args:
            user_name: ``clientId|key=value,…|`` with authMode, signMethod, timestamp, authId, iotInstanceId and
                consumerGroupId.
            password: Base64 of the HMAC of ``authId={AccessKeyId}&timestamp={timestamp}`` by the key's secret.

        Raises:
            SignInRefused: either is wrong, or the key may not subscribe.
        """
        user = parse(user_name)
        key = self._keys.find_key(user.access_key_id)
        # Unknown keys take as long as wrong passwords.
        if not is_password(user, "" if key is None else key.secret, password) or key is None:
            raise SignInRefused(f"wrong password, or no access key {user.access_key_id}")
        try:
            group = await self.group(self._instances.resolve(user.iot_instance_id).id, user.group_id)
        except BusinessError as error:
            raise SignInRefused(f"{error.message} ({user.group_id})") from error
        self._check_key(user.access_key_id, group)
        return _login(user, group)

    def join(self, login: Login, consumer: Consumer, address: str) -> Membership:
        """Let a client take part in the delivery to its group, from within this call on.

        Args:
            login: as ``sign_in`` returned it.
            consumer: the client's connection.
            address: ``ip:port`` of the client, as status queries show it.

        Raises:
            SignInRefused: group or key are gone since.
            GroupFull: the group has as many clients as it may have.
            TooManyConnects: clients of the group connected too often within a minute.
        """
        group = self._groups.by_id(login.group.id)
        if group is None:
            raise SignInRefused(f"the consumer group {login.group.group_id} was deleted")
        self._check_key(login.access_key_id, group)
        self._count_connect(group)
        delivery = self._delivery(group)
        if self._limits.clients_per_group and len(delivery.members) >= self._limits.clients_per_group:
            raise GroupFull(f"the consumer group {group.group_id} has {len(delivery.members)} clients")
        return delivery.join(consumer, client_id=login.client_id, access_key_id=login.access_key_id, address=address)

    async def acknowledged(self) -> None:
        """Return when everything that clients accepted so far is durable, so that it never comes again.

        Raises:
            Exception: what made that fail. It is tried again.
        """
        for delivery in self._deliveries.values():
            delivery.flush()
        await self._forwarder.acknowledged()

    def check_clients(self) -> None:
        """Close the connections whose key was disabled or deleted, or may not subscribe any more."""
        for key, delivery in self._deliveries.items():
            group = self._groups.by_id(key)
            for member in list(delivery.members) if group is not None else ():
                try:
                    self._check_key(member.access_key_id, group)  # type: ignore[arg-type] # checked above
                except SignInRefused as refusal:
                    member.leave()
                    member.consumer.drop(str(refusal))

    # Groups.

    async def group(self, instance_id: int, group_id: str) -> ConsumerGroup:
        """Return the instance's consumer group; ``subscriber`` is what ``Forwarder.forward`` takes.

        Raises:
            BusinessError: iot.consumer.group.ConsumerGroupNotExist.
        """
        group = self._groups.find(instance_id, group_id)
        if group is not None:
            return group
        async with self._changing:
            return await self._groups.get(instance_id, group_id)

    async def groups(self, instance_id: int) -> list[ConsumerGroup]:
        """Return the instance's groups, newest first, the default group last."""
        await self.group(instance_id, DEFAULT_GROUP_ID)
        return self._groups.of_instance(instance_id)

    async def create_group(self, instance_id: int, name: str) -> ConsumerGroup:
        """Create a group.

        Raises:
            BusinessError: iot.consumer.group.ConsumerGroupNameExisted, iot.consumer.group.ConsumerGroupExceedLimit.
        """
        async with self._changing:
            return await self._groups.create(instance_id, name)

    async def rename_group(self, instance_id: int, group_id: str, name: str) -> None:
        """Change a group's name.

        Raises:
            BusinessError: iot.consumer.group.ConsumerGroupNotExist, iot.consumer.group.ConsumerGroupNameExisted,
                iot.consumer.group.ChangeDefaultConsumerGroupNotAllowed.
        """
        async with self._changing:
            await self._groups.rename(await self._groups.get(instance_id, group_id), name)

    async def delete_group(self, instance_id: int, group_id: str) -> None:
        """Delete a group that is part of no subscription, with what waits for it; its clients are disconnected.

        Raises:
            BusinessError: iot.consumer.group.ConsumerGroupNotExist, iot.consumer.group.DeleteConsumerGroupFailed,
                iot.consumer.group.ChangeDefaultConsumerGroupNotAllowed.
        """
        async with self._changing:
            group = await self._groups.get(instance_id, group_id)
            uses = self._subscriptions.uses(group)
            if uses:
                raise errors.DELETE_CONSUMER_GROUP_FAILED(
                    f"The consumer group is part of the subscriptions of {uses} products. Take it out of them first."
                )
            await self._groups.delete(group)
            self._connects.pop(group.id, None)
            self._saved.pop(group.id, None)
            delivery = self._deliveries.pop(group.id, None)
            if delivery is not None:
                self._past.add(delivery.consumption)
                delivery.drop("the consumer group was deleted")
                await delivery.close()

    async def status(self, instance_id: int, group_id: str) -> GroupStatus:
        """Return what waits for a group, what it consumes, and its clients.

        Raises:
            BusinessError: iot.consumer.group.ConsumerGroupNotExist.
        """
        return self._delivery(await self.group(instance_id, group_id)).status()

    async def reset(self, instance_id: int, group_id: str) -> None:
        """Let go of everything that waits for a group, durably.

        Raises:
            BusinessError: iot.consumer.group.ConsumerGroupNotExist.
        """
        group = await self.group(instance_id, group_id)
        await self._forwarder.reset(group.subscriber)
        self._delivery(group).forget()

    # Subscriptions of products.

    async def subscribe(self, product: Product, type_: SubscriptionType, wanted: Wanted) -> None:
        """Subscribe to a product (see ``Subscriptions.create``)."""
        async with self._changing:
            await self._subscriptions.create(product, type_, wanted)

    async def resubscribe(self, product: Product, type_: SubscriptionType, wanted: Wanted) -> None:
        """Replace flags and targets of a subscription (see ``Subscriptions.change``)."""
        async with self._changing:
            await self._subscriptions.change(product, type_, wanted)

    def subscription(self, product: Product, type_: SubscriptionType) -> tuple[Subscription, list[str]]:
        """Return the product's subscription of this type, and its GroupIds.

        Raises:
            BusinessError: iot.consumer.group.SubscribeNotExist.
        """
        subscription = self._subscriptions.get(product.id, type_)
        groups = [self._groups.by_id(key) for key in subscription.groups]
        return subscription, [group.group_id for group in groups if group is not None]

    async def unsubscribe(self, product: Product, type_: SubscriptionType) -> None:
        """End a subscription (see ``Subscriptions.delete``)."""
        async with self._changing:
            await self._subscriptions.delete(product.id, type_)

    async def add_group(self, product: Product, group_id: str) -> None:
        """Add a group to the product's AMQP subscription (see ``Subscriptions.add_group``).

        Raises:
            BusinessError: iot.consumer.group.ConsumerGroupNotExist, too.
        """
        async with self._changing:
            await self._subscriptions.add_group(product, await self._groups.get(product.instance_id, group_id))

    async def remove_group(self, product: Product, group_id: str) -> None:
        """Take a group out of the product's AMQP subscription (see ``Subscriptions.remove_group``).

        Raises:
            BusinessError: iot.consumer.group.ConsumerGroupNotExist, too.
        """
        async with self._changing:
            await self._subscriptions.remove_group(product, await self._groups.get(product.instance_id, group_id))

    def reading(self) -> dict[str, float]:
        """Return the values of the metrics."""
        return reading(self._groups.all(), self._deliveries, self._past, self._forwarder, self._queues.counters)

    def _delivery(self, group: ConsumerGroup) -> GroupDelivery:
        delivery = self._deliveries.get(group.id)
        if delivery is None:
            delivery = GroupDelivery(group.subscriber, self._forwarder, self._clock, self._pace, group.consumed_at)
            self._deliveries[group.id] = delivery
            self._saved[group.id] = group.consumed_at
        return delivery

    def _check_key(self, access_key_id: str, group: ConsumerGroup) -> None:
        key = self._keys.find_key(access_key_id)
        if key is None or not key.enabled:
            raise SignInRefused(f"the access key {access_key_id} was disabled or deleted")
        resource = f"acs:iot:{self._region}:{key.caller.account_id}:consumergroup/{group.group_id}"
        if key.policy is not None and not key.policy.allows(ACTION, resource):
            raise SignInRefused(f"the access policy of {key.caller.user} does not allow {ACTION} on {resource}")

    def _count_connect(self, group: ConsumerGroup) -> None:
        if not self._limits.connects_per_minute:
            return
        now = self._clock.monotonic()
        connects = self._connects.setdefault(group.id, deque(maxlen=self._limits.connects_per_minute))
        if len(connects) == connects.maxlen and connects[0] > now - 60:
            raise TooManyConnects(f"clients of {group.group_id} connected {len(connects)} times within a minute")
        connects.append(now)

    async def _tick_forever(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            try:
                await self._tick()
            except Exception:  # noqa: BLE001 - logged with its traceback; deadlines of all groups hang on this loop
                _log.exception("looking after the consumer groups failed, going on")

    async def _tick(self) -> None:
        for delivery in list(self._deliveries.values()):
            if delivery.members:
                delivery.tick()
        self.check_clients()
        now = self._clock.monotonic()
        if now >= self._save_at:
            self._save_at = now + SAVE_S
            await self._save()

    async def _save(self) -> None:
        """Write when groups consumed last, as far as it has changed."""
        times = {
            key: delivery.consumption.last_at
            for key, delivery in self._deliveries.items()
            if delivery.consumption.last_at is not None and delivery.consumption.last_at != self._saved.get(key)
        }
        if not times:
            return
        try:
            await self._groups.save_consumed(times)
        except (SQLAlchemyError, OSError) as error:
            _log.warning("when consumer groups consumed last could not be written, trying again", error=str(error))
        else:
            self._saved.update(times)

    def _product_deleted(self, event: ProductDeleted) -> None:
        self._background.run(self._forget_product(event.product_id))

    async def _forget_product(self, product_id: int) -> None:
        try:
            async with self._changing:
                await self._subscriptions.product_deleted(product_id)
        except Exception:  # noqa: BLE001 - logged with its traceback; messages of the product don't come any more
            _log.exception("what waited for a deleted product could not be removed", product=product_id)


def _login(user: UserName, group: ConsumerGroup) -> Login:
    ref = GroupRef(id=group.id, instance_id=group.instance_id, group_id=group.group_id)
    return Login(client_id=user.client_id, group=ref, access_key_id=user.access_key_id, base64=user.base64)
