"""Topic categories: making, changing and deleting them, and what they permit."""

from typing import Any, Literal, TypeAlias

import msgspec
from sqlalchemy import delete, func, insert, literal, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from thingplane.bus import Bus
from thingplane.products.service import Product, ProductDeleted, ProductService
from thingplane.storage.database import Database
from thingplane.topics import errors
from thingplane.topics.naming import category_name
from thingplane.topics.permissions import TopicPermissions
from thingplane.topics.tables import topic_categories

__all__ = ["TopicCategory", "TopicPermissions", "TopicService", "TopicsChanged"]

TopicOperation: TypeAlias = Literal["PUB", "SUB", "ALL"]

MAX_CATEGORIES = 50
"""Topic categories of a product, the default ones included (guide: limits)."""
DEFAULT_CATEGORIES: tuple[tuple[str, TopicOperation], ...] = (
    ("user/update", "PUB"),
    ("user/update/error", "PUB"),
    ("user/get", "SUB"),
)
"""What every new product gets (guide 4.12.3, samples)."""


class TopicCategory(msgspec.Struct, frozen=True, kw_only=True):
    """A topic category of a product."""

    id: int
    product_id: int
    name: str
    """What follows ``/{productKey}/${deviceName}/``, for example ``user/update``."""
    operation: TopicOperation
    """What devices may do: PUB publish, SUB subscribe, ALL both."""
    description: str | None
    codec: str | None
    """Kept and returned, without effect: only the SDK knows this parameter, the guide does not."""
    enable_proxy_subscribe: bool | None
    """Kept and returned, without effect, like ``codec``."""


class TopicsChanged(msgspec.Struct, frozen=True):
    """Topic categories of a product were added, changed or deleted."""

    product_id: int


class TopicService:
    """The topic categories of all products, with a cache of what they permit."""

    def __init__(
        self, database: Database, bus: Bus, products: ProductService, *, max_categories: int = MAX_CATEGORIES
    ) -> None:
        """Start with an empty cache, and give new products their default categories.

        Args:
            database: where categories are kept.
            bus: carries ``TopicsChanged``, and brings that of other nodes.
            products: gets hooks for creation and deletion.
            max_categories: most categories a product may have.
        """
        self._database = database
        self._bus = bus
        self._products = products
        self._max_categories = max_categories
        self._permissions: dict[int, TopicPermissions] = {}
        self._invalidations = 0
        products.on_create.append(_create_defaults)
        products.on_delete.append(_delete_all)
        products.on_copy.append(_copy_all)
        bus.subscribe(TopicsChanged, self._forget)
        bus.subscribe(ProductDeleted, self._forget)

    def _forget(self, event: TopicsChanged | ProductDeleted) -> None:
        self._invalidations += 1
        self._permissions.pop(event.product_id, None)

    def cached(self, product_id: int) -> TopicPermissions | None:
        """Return the product's permissions if they are in memory."""
        return self._permissions.get(product_id)

    async def permissions(self, product_id: int) -> TopicPermissions:
        """Return the product's permissions; a product that does not exist permits nothing."""
        permissions = self._permissions.get(product_id)
        if permissions is not None:
            return permissions
        invalidations = self._invalidations
        categories = await self.list(product_id)
        permissions = TopicPermissions(
            publish=[category.name for category in categories if category.operation != "SUB"],
            subscribe=[category.name for category in categories if category.operation != "PUB"],
        )
        # Only products that exist are kept (they have categories, mostly), and nothing that was read before a change.
        if categories and invalidations == self._invalidations:
            self._permissions[product_id] = permissions
        return permissions

    async def list(self, product_id: int) -> list[TopicCategory]:
        """Return the product's categories, oldest first."""
        query = select(topic_categories).where(topic_categories.c.product_id == product_id)
        async with self._database.read() as connection:
            rows = (await connection.execute(query.order_by(topic_categories.c.id))).all()
        return [TopicCategory(**row._mapping) for row in rows]  # noqa: SLF001 - the documented way to a row's columns

    async def create(
        self,
        product: Product,
        short_name: str,
        operation: TopicOperation,
        *,
        description: str | None = None,
        codec: str | None = None,
        enable_proxy_subscribe: bool | None = None,
    ) -> TopicCategory:
        """Add a category.

        Raises:
            BusinessError: iot.messagebroker.InvalidFormattedTopicName, iot.messagebroker.TopicAlreadyFound,
                iot.messagebroker.TopicTemplateCountExceedMax, iot.prod.NotExistedProduct.
        """
        values: dict[str, Any] = {
            "product_id": product.id,
            "name": category_name(product.product_key, short_name, operation),
            "operation": operation,
            "description": description,
            "codec": codec,
            "enable_proxy_subscribe": enable_proxy_subscribe,
        }
        async with self._database.write() as connection:
            await self._products.locked(connection, product.id)
            await _refuse_taken_name(connection, product.id, values["name"])
            count = (
                select(func.count()).select_from(topic_categories).where(topic_categories.c.product_id == product.id)
            )
            if (await connection.execute(count)).scalar_one() >= self._max_categories:
                raise errors.TOPIC_TEMPLATE_COUNT_EXCEED_MAX()
            result = await connection.execute(insert(topic_categories).values(values).returning(topic_categories.c.id))
            category = TopicCategory(id=result.scalar_one(), **values)
        self._bus.publish(TopicsChanged(product.id))
        return category

    async def update(
        self,
        instance_id: int,
        topic_id: int,
        short_name: str,
        operation: TopicOperation,
        *,
        description: str | None = None,
        codec: str | None = None,
        enable_proxy_subscribe: bool | None = None,
    ) -> None:
        """Change a category; what is None stays as it is.

        Raises:
            BusinessError: iot.messagebroker.TopicTemplateIsNotFound, iot.messagebroker.InvalidFormattedTopicName,
                iot.messagebroker.TopicAlreadyFound.
        """
        optional = {"description": description, "codec": codec, "enable_proxy_subscribe": enable_proxy_subscribe}
        async with self._database.write() as connection:
            product = await self._owner(connection, instance_id, topic_id)
            name = category_name(product.product_key, short_name, operation)
            await _refuse_taken_name(connection, product.id, name, besides=topic_id)
            values = {key: value for key, value in optional.items() if value is not None}
            await connection.execute(
                update(topic_categories)
                .where(topic_categories.c.id == topic_id)
                .values(name=name, operation=operation, **values)
            )
        self._bus.publish(TopicsChanged(product.id))

    async def delete(self, instance_id: int, topic_id: int) -> None:
        """Delete a category.

        Raises:
            BusinessError: iot.messagebroker.TopicTemplateIsNotFound.
        """
        async with self._database.write() as connection:
            product = await self._owner(connection, instance_id, topic_id)
            await connection.execute(delete(topic_categories).where(topic_categories.c.id == topic_id))
        self._bus.publish(TopicsChanged(product.id))

    async def _owner(self, connection: AsyncConnection, instance_id: int, topic_id: int) -> Product:
        """Return the product that has the category, locked, when it is one of the instance."""
        query = select(topic_categories.c.product_id).where(topic_categories.c.id == topic_id)
        product_id = (await connection.execute(query)).scalar_one_or_none()
        if product_id is None:
            raise errors.TOPIC_TEMPLATE_IS_NOT_FOUND()
        product = await self._products.locked(connection, product_id)
        # A deletion that held the lock before has taken the category away meanwhile.
        if product.instance_id != instance_id or (await connection.execute(query)).first() is None:
            raise errors.TOPIC_TEMPLATE_IS_NOT_FOUND()
        return product


async def _create_defaults(connection: AsyncConnection, product: Product) -> None:
    rows = [{"product_id": product.id, "name": name, "operation": operation} for name, operation in DEFAULT_CATEGORIES]
    await connection.execute(insert(topic_categories), rows)


async def _copy_all(connection: AsyncConnection, original: Product, copy: Product) -> None:
    """Give a product that was distributed the categories of its original, once: from then on they are its own."""
    of = topic_categories.c.product_id
    if (await connection.execute(select(topic_categories.c.id).where(of == copy.id).limit(1))).first() is not None:
        return
    columns = [column for column in topic_categories.c if column.name not in {"id", "product_id"}]
    rows = select(literal(copy.id), *columns).where(of == original.id).order_by(topic_categories.c.id)
    names = ["product_id", *(column.name for column in columns)]
    await connection.execute(insert(topic_categories).from_select(names, rows))


async def _delete_all(connection: AsyncConnection, product_id: int) -> None:
    await connection.execute(delete(topic_categories).where(topic_categories.c.product_id == product_id))


async def _refuse_taken_name(connection: AsyncConnection, product_id: int, name: str, besides: int = 0) -> None:
    query = select(topic_categories.c.id).where(
        topic_categories.c.product_id == product_id,
        topic_categories.c.name == name,
        topic_categories.c.id != besides,
    )
    if (await connection.execute(query)).first() is not None:
        raise errors.TOPIC_ALREADY_FOUND()
