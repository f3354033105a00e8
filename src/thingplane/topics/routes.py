"""Routes between custom topics: what one device publishes goes to topics of others (guide 4.12.5 to 4.12.8)."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import msgspec
from sqlalchemy import ColumnElement, delete, exists, insert, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from thingplane.bus import Bus
from thingplane.devices.errors import NOT_EXISTED_DEVICE
from thingplane.devices.service import Device, DeviceService, devices
from thingplane.messaging.errors import INACTIVE_DEVICE
from thingplane.products.service import ProductService
from thingplane.storage.database import Database
from thingplane.topics import errors
from thingplane.topics.naming import split_topic
from thingplane.topics.route_cache import Route, RouteCache, TopicRoutesChanged
from thingplane.topics.service import TopicService
from thingplane.topics.tables import topic_routes

__all__ = ["Route", "TopicRouteService", "TopicRoutesChanged"]

MAX_DESTINATIONS: Final = 100
"""Destinations of a source topic (guide 4.12.5)."""

_DEVICE_NAME: Final = "${deviceName}"


class _Source(msgspec.Struct, frozen=True):
    device: Device
    topic: str


class TopicRouteService:
    """The routes of all instances, all of them in memory; they go with the devices at either end."""

    def __init__(
        self,
        database: Database,
        bus: Bus,
        products: ProductService,
        devices: DeviceService,
        topics: TopicService,
        *,
        max_destinations: int = MAX_DESTINATIONS,
    ) -> None:
        """Wire the service; ``start`` fills its memory.

        Args:
            database: where routes are kept.
            bus: carries ``TopicRoutesChanged``, and brings that of other nodes.
            products: the service of products.
            devices: the service of devices.
            topics: what custom topics permit.
            max_destinations: most destinations of a source topic.
        """
        self._database = database
        self._bus = bus
        self._products = products
        self._devices = devices
        self._topics = topics
        self._max_destinations = max_destinations
        self._cache = RouteCache(database, bus)
        self.on_change = self._cache.on_change
        """Called when ``routes`` answers differently than before."""
        devices.moves.on_move.append(_leave)
        self.on_create: list[Callable[[str], Awaitable[object]]] = []
        """Awaited with the ProductKey of the source before routes are added."""

    async def start(self) -> None:
        """Read all routes."""
        await self._cache.load()

    async def close(self) -> None:
        """Return when nothing is being read any more."""
        await self._cache.close()

    def routes(self, topic: str) -> Sequence[Route]:
        """Return where messages on a topic also go; from memory, for every message."""
        return self._cache.routes(topic)

    def product_keys(self) -> set[str]:
        """Return the ProductKeys of all sources."""
        return {source.split("/", 2)[1] for source in self._cache.sources()}

    async def destinations(self, instance_id: int, topic: str) -> list[str]:
        """Return the destinations of a source topic, oldest first.

        Raises:
            BusinessError: iot.messagebroker.InvalidFormattedTopicName, iot.prod.NotExistedProduct.
        """
        await self._own(instance_id, topic)
        query = select(topic_routes.c.destination).where(topic_routes.c.source == topic, _of(instance_id))
        async with self._database.read() as connection:
            return list((await connection.execute(query.order_by(topic_routes.c.id))).scalars())

    async def sources(self, instance_id: int, topic: str) -> list[str]:
        """Return the source topics of a destination, oldest route first.

        Raises:
            BusinessError: as ``destinations``.
        """
        await self._own(instance_id, topic)
        query = select(topic_routes.c.source).where(topic_routes.c.destination == topic, _of(instance_id))
        async with self._database.read() as connection:
            return list((await connection.execute(query.order_by(topic_routes.c.id))).scalars())

    async def create(self, instance_id: int, source: str, destinations: Sequence[str]) -> list[str]:
        """Add routes; those that exist already stay.

        Args:
            instance_id: of the source and of all destinations.
            source: topic that its device may publish to.
            destinations: topics that their devices may subscribe to. ``${deviceName}`` stands for the DeviceName of the
                source.

        Returns:
            Destinations that no route can lead to: malformed, without a device, or not permitted to be subscribed to.

        Raises:
            BusinessError: iot.messagebroker.InvalidFormattedSrcTopicName,
                iot.messagebroker.NotMatchedProductKeyWithSrcTopicOwner, iot.device.NotExistedDevice,
                iot.device.InactiveDevice, iot.messagebroker.TopicTemplateIsNotFound,
                iot.messagebroker.CreateTopicRouteFailed when the source must not be published to,
                iot.messagebroker.DestTopicNameArraySizeIsLarge. No route was added.
        """
        from_ = await self._publishing(instance_id, source)
        good: dict[str, int] = {}
        failed: list[str] = []
        for destination in dict.fromkeys(destinations):
            topic = destination.replace(_DEVICE_NAME, from_.device.name)
            device = await self._subscribing(instance_id, topic)
            if device is None or topic == source:
                failed.append(destination)
            else:
                good[topic] = device.id
        if good:
            for hook in self.on_create:
                await hook(from_.device.product_key)
        async with self._database.write() as connection:
            # Changes of one product's routes run one after the other: the limit holds exactly.
            await self._products.locked(connection, from_.device.product_id)
            existing = set(await self._devices.keep(connection, [from_.device.id, *good.values()]))
            if from_.device.id not in existing:
                raise NOT_EXISTED_DEVICE()
            await self._insert(
                connection, from_, {topic: device_id for topic, device_id in good.items() if device_id in existing}
            )
        failed += [topic for topic, device_id in good.items() if device_id not in existing]
        await self._changed(source)
        return failed

    async def delete(self, instance_id: int, source: str, destinations: Sequence[str]) -> list[str]:
        """Remove routes, and return the destinations to which there was none.

        Raises:
            BusinessError: iot.messagebroker.InvalidFormattedSrcTopicName,
                iot.messagebroker.NotMatchedProductKeyWithSrcTopicOwner.
        """
        _, name, _ = await self._own_source(instance_id, source)
        topics = {given: given.replace(_DEVICE_NAME, name) for given in destinations}
        leaving = delete(topic_routes).where(
            topic_routes.c.source == source,
            topic_routes.c.destination.in_(list(topics.values())),
            _of(instance_id),
        )
        async with self._database.write() as connection:
            removed = set((await connection.execute(leaving.returning(topic_routes.c.destination))).scalars())
        await self._changed(source)
        return [given for given, topic in topics.items() if topic not in removed]

    async def _insert(self, connection: AsyncConnection, source: _Source, topics: dict[str, int]) -> None:
        query = select(topic_routes.c.destination).where(topic_routes.c.source == source.topic)
        known = set((await connection.execute(query)).scalars())
        rows = [
            {
                "source": source.topic,
                "destination": topic,
                "source_device_id": source.device.id,
                "device_id": device_id,
            }
            for topic, device_id in topics.items()
            if topic not in known
        ]
        if rows and len(known) + len(rows) > self._max_destinations:
            raise errors.DEST_TOPIC_NAME_ARRAY_SIZE_IS_LARGE(
                f"A source topic has at most {self._max_destinations} destinations."
            )
        if rows:
            await connection.execute(insert(topic_routes), rows)

    async def _changed(self, source: str) -> None:
        self._bus.publish(TopicRoutesChanged(source))
        # What is published after the answer goes where the answer says.
        await self._cache.settled()

    async def _own(self, instance_id: int, topic: str) -> None:
        parts = split_topic(topic)
        if parts is None:
            raise errors.INVALID_FORMATTED_TOPIC_NAME(
                "A custom topic is /{ProductKey}/{DeviceName}/user/… without wildcards."
            )
        await self._products.get(instance_id, parts[0])

    async def _own_source(self, instance_id: int, source: str) -> tuple[str, str, str]:
        parts = split_topic(source)
        if parts is None or _DEVICE_NAME in source:
            raise errors.INVALID_FORMATTED_SRC_TOPIC_NAME()
        if await self._products.find(parts[0], instance_id) is None:
            raise errors.NOT_MATCHED_PRODUCT_KEY_WITH_SRC_TOPIC_OWNER()
        return parts

    async def _publishing(self, instance_id: int, source: str) -> _Source:
        product_key, name, rest = await self._own_source(instance_id, source)
        device = await self._devices.resolve(instance_id, product_key=product_key, name=name)
        if device.activated_at is None:
            raise INACTIVE_DEVICE("The device of the source topic has never connected.")
        permissions = await self._topics.permissions(device.product_id)
        if not permissions.may_publish(rest):
            if permissions.may_subscribe(rest):
                raise errors.CREATE_TOPIC_ROUTE_FAILED("The source topic's category does not permit to publish.")
            raise errors.TOPIC_TEMPLATE_IS_NOT_FOUND(f"The product has no topic category for {rest}.")
        return _Source(device, source)

    async def _subscribing(self, instance_id: int, topic: str) -> Device | None:
        parts = split_topic(topic)
        if parts is None:
            return None
        product_key, name, rest = parts
        device = await self._devices.find(product_key, name)
        if device is None or device.instance_id != instance_id:
            return None
        permissions = await self._topics.permissions(device.product_id)
        return device if permissions.may_subscribe(rest) else None


def _of(instance_id: int) -> ColumnElement[bool]:
    """Return the condition that a route is one between devices of an instance.

    The ProductKey in a topic does not tell: a product that was distributed has the same in several instances.
    """
    own = (devices.c.id == topic_routes.c.source_device_id, devices.c.instance_id == instance_id)
    return exists(select(devices.c.id).where(*own))


async def _leave(connection: AsyncConnection, device_ids: Sequence[int], _source: int, _target: int) -> None:
    """Remove the routes of devices that go to another instance: the other ends stay behind."""
    own = or_(topic_routes.c.source_device_id.in_(device_ids), topic_routes.c.device_id.in_(device_ids))
    await connection.execute(delete(topic_routes).where(own))
