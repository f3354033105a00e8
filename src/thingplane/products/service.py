"""Products: making, finding, changing and deleting them."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeAlias

import msgspec
from sqlalchemy import Select, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from thingplane import ids
from thingplane.bus import Bus
from thingplane.clock import Clock
from thingplane.products import errors
from thingplane.products.cache import ProductCache
from thingplane.products.copies import Copy, ProductCopies
from thingplane.products.product import (
    NewProduct,
    Product,
    ProductChanged,
    ProductDeleted,
    ProductsChanged,
    ProductStatus,
)
from thingplane.products.rows import first, locked, paged, to_product
from thingplane.products.tables import product_tags, products
from thingplane.products.tags import MAX_TAGS, ProductTags
from thingplane.storage.database import Database
from thingplane.storage.polling import Poller
from thingplane.storage.revisions import Revision

__all__ = ["Copy", "NewProduct", "Product", "ProductChanged", "ProductDeleted", "ProductService", "ProductsChanged"]

OnCreate: TypeAlias = Callable[[AsyncConnection, Product], Awaitable[None]]
OnDelete: TypeAlias = Callable[[AsyncConnection, int], Awaitable[None]]
OnCopy: TypeAlias = Callable[[AsyncConnection, Product, Product], Awaitable[None]]
CategoryName: TypeAlias = Callable[[str], str | None]
CountDevices: TypeAlias = Callable[[AsyncConnection, Sequence[int]], Awaitable[dict[int, int]]]

MAX_PRODUCTS = 1000
"""Products of an instance (guide: limits)."""


async def _no_devices(_connection: AsyncConnection, _product_ids: Sequence[int]) -> dict[int, int]:
    return {}


def _no_category(_key: str) -> None:
    return None


class ProductService:
    """The products of all instances, with a cache of those in use.

    A product may have copies in other instances, with the same ProductKey: its devices belong to the product of their
    instance. Whoever knows the instance, or the product's id, has to say so; without it the original is meant.

    ``on_create`` and ``on_delete`` are where other slices add and remove what hangs on a product: their functions run
    inside the transaction that creates or deletes it, and one that raises rolls everything back. ``on_copy`` is where
    they bring a copy, the last argument, up to date with its original, likewise. ``count_devices`` is
    set by whoever keeps devices: from product ids to numbers of devices, where products without devices may be absent.
    ``category_name`` is set by whoever keeps standard categories: from the key of a category to its name, None when
    there is none.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        bus: Bus,
        *,
        max_products: int = MAX_PRODUCTS,
        max_tags: int = MAX_TAGS,
        poll_interval_s: float = 2.0,
    ) -> None:
        """Start with an empty cache.

        Args:
            database: where products are kept.
            clock: tells creation times.
            bus: carries ``ProductChanged`` and ``ProductDeleted``, brings those of other nodes, and carries
                ``ProductsChanged``.
            max_products: most products an instance may hold.
            max_tags: most tags of a product.
            poll_interval_s: seconds after which changes by other processes are noticed.
        """
        self._database = database
        self._clock = clock
        self._bus = bus
        self._max_products = max_products
        self._cache = ProductCache()
        self._invalidations = 0
        self.on_create: list[OnCreate] = []
        self.on_delete: list[OnDelete] = []
        self.on_copy: list[OnCopy] = []
        self.count_devices: CountDevices = _no_devices
        self.category_name: CategoryName = _no_category
        self.tags = ProductTags(database, max_tags=max_tags)
        self.copies = ProductCopies(database)
        self._revision = Revision(database, "products")
        self._poller = Poller("products", self._revision, self._forget_all, poll_interval_s)
        bus.subscribe(ProductChanged, self._forget)
        bus.subscribe(ProductDeleted, self._forget)

    async def start(self) -> None:
        """Notice from now on what other processes change."""
        await self._poller.start()

    async def close(self) -> None:
        """Notice nothing any more."""
        await self._poller.stop()

    async def refresh(self) -> None:
        """Notice now."""
        await self._poller.refresh()

    async def _forget_all(self) -> None:
        self._invalidations += 1
        self._cache.clear()
        self._bus.publish(ProductsChanged())

    def _forget(self, event: ProductChanged | ProductDeleted) -> None:
        self._invalidations += 1
        self._cache.drop(event.product_id)

    def cached(self, product_key: str) -> Product | None:
        """Return the original product if it is in memory; None says nothing about its existence."""
        return self._cache.find(product_key, None)

    def cached_id(self, product_id: int) -> Product | None:
        """Return the product with this id if it is in memory; None says nothing about its existence."""
        return self._cache.by_id(product_id)

    async def find(self, product_key: str, instance_id: int | None = None) -> Product | None:
        """Return a product by its key, or None.

        Args:
            product_key: its key.
            instance_id: the instance that it is in; None: the original, whichever instance it is in.
        """
        product = self._cache.find(product_key, instance_id)
        if product is not None:
            return product
        if "\0" in product_key:  # PostgreSQL would refuse the query
            return None
        place = products.c.source_id.is_(None) if instance_id is None else products.c.instance_id == instance_id
        return await self._read(select(products).where(products.c.product_key == product_key, place))

    async def find_id(self, product_id: int) -> Product | None:
        """Return the product with this id in any instance, or None."""
        return self._cache.by_id(product_id) or await self._read(select(products).where(products.c.id == product_id))

    async def _read(self, query: Select[Any]) -> Product | None:
        invalidations = self._invalidations
        async with self._database.read() as connection:
            product = await first(connection, query)
        # What was read before a change must not enter the cache after it.
        if product is not None and invalidations == self._invalidations:
            self._cache.keep(product)
        return product

    async def get(self, instance_id: int, product_key: str) -> Product:
        """Return the instance's product with this key.

        Raises:
            BusinessError: iot.prod.NullProductKey, iot.prod.NotExistedProduct.
        """
        if not product_key:
            raise errors.NULL_PRODUCT_KEY()
        product = await self.find(product_key, instance_id)
        if product is None:
            raise errors.NOT_EXISTED_PRODUCT()
        return product

    async def by_id(self, product_id: int) -> Product | None:
        """Return the product with this id in any instance, or None; not cached."""
        async with self._database.read() as connection:
            return await first(connection, select(products).where(products.c.id == product_id))

    async def locked(self, connection: AsyncConnection, product_id: int) -> Product:
        """Return the product inside a write transaction that changes what hangs on it.

        Such transactions of one product run one after the other, and none after its deletion.

        Raises:
            BusinessError: iot.prod.NotExistedProduct.
        """
        return await locked(connection, product_id)

    async def create(
        self, instance_id: int, new: NewProduct, *, product_key: str | None = None, product_secret: str | None = None
    ) -> Product:
        """Create a product and what other slices give every new product.

        Args:
            instance_id: key of the instance.
            new: what its creator decides.
            product_key: of a product that devices know already; must be free. None: a new one.
            product_secret: goes with it.

        Raises:
            BusinessError: iot.prod.AlreadyExistedProductName, iot.prod.ProductCountExceedMax.
        """
        values: dict[str, Any] = {
            **msgspec.structs.asdict(new),
            "instance_id": instance_id,
            "product_key": product_key or ids.product_key(),
            "product_secret": product_secret or ids.product_secret(),
            "status": "DEVELOPMENT_STATUS",
            "dynamic_register": False,
            "filter_by_timestamp": False,
            "filter_by_value": False,
            "created_at": self._clock.now_ms(),
        }
        try:
            async with self._database.write() as connection:
                await self._check_room(connection, instance_id, new.name)
                result = await connection.execute(insert(products).values(values).returning(products.c.id))
                product = Product(id=result.scalar_one(), **values)
                for hook in self.on_create:
                    await hook(connection, product)
        except IntegrityError:
            await self._refuse_taken_name(instance_id, new.name)
            raise
        self._bus.publish(ProductChanged(product.id, product.product_key))
        return product

    async def copy(self, product: Product, instance_id: int) -> Product:
        """Make an original product known in another instance, or bring its copy there up to date.

        The copy has the same key and secret. Its name and description are its own once it is made.

        Args:
            product: the original.
            instance_id: key of the other instance.

        Raises:
            BusinessError: iot.prod.NotExistedProduct when it is gone; iot.prod.AlreadyExistedProductName,
                iot.prod.ProductCountExceedMax.
        """
        try:
            async with self._database.write() as connection:
                original = await locked(connection, product.id)
                copy = await self._copy(connection, original, instance_id)
                for hook in self.on_copy:
                    await hook(connection, original, copy)
        except IntegrityError:
            await self._refuse_taken_name(instance_id, product.name)
            raise
        self._bus.publish(ProductChanged(copy.id, copy.product_key))
        return copy

    async def _copy(self, connection: AsyncConnection, original: Product, instance_id: int) -> Product:
        there = (products.c.source_id == original.id, products.c.instance_id == instance_id)
        present = await first(connection, select(products).where(*there))
        if present is not None:
            changing = {"validate_type": original.validate_type, "status": original.status}
            await connection.execute(update(products).where(*there).values(changing))
            return msgspec.structs.replace(present, **changing)
        await self._check_room(connection, instance_id, original.name)
        values = {
            **{name: value for name, value in msgspec.structs.asdict(original).items() if name != "id"},
            "instance_id": instance_id,
            "dynamic_register": False,
            "source_id": original.id,
            "created_at": self._clock.now_ms(),
        }
        result = await connection.execute(insert(products).values(values).returning(products.c.id))
        return Product(id=result.scalar_one(), **values)

    async def _check_room(self, connection: AsyncConnection, instance_id: int, name: str) -> None:
        mine = products.c.instance_id == instance_id
        # Creations in one instance queue up at its oldest product; without that, several at once could pass the limit.
        oldest = select(products.c.id).where(mine).order_by(products.c.id).limit(1)
        await connection.execute(oldest.with_for_update(key_share=True))
        if (await connection.execute(select(products.c.id).where(mine, products.c.name == name))).first() is not None:
            raise errors.ALREADY_EXISTED_PRODUCT_NAME()
        count = (await connection.execute(select(func.count()).select_from(products).where(mine))).scalar_one()
        if count >= self._max_products:
            raise errors.PRODUCT_COUNT_EXCEED_MAX()

    async def _refuse_taken_name(self, instance_id: int, name: str, besides: int = 0) -> None:
        """Raise the documented code when an integrity error came from the name."""
        query = select(products.c.id).where(
            products.c.instance_id == instance_id, products.c.name == name, products.c.id != besides
        )
        async with self._database.read() as connection:
            if (await connection.execute(query)).first() is not None:
                raise errors.ALREADY_EXISTED_PRODUCT_NAME() from None

    async def rename(self, product: Product, name: str, description: str | None) -> None:
        """Change name and description; None keeps the description.

        Raises:
            BusinessError: iot.prod.AlreadyExistedProductName, iot.prod.NotExistedProduct.
        """
        values = {"name": name} if description is None else {"name": name, "description": description}
        try:
            await self._update(product, values)
        except IntegrityError:
            await self._refuse_taken_name(product.instance_id, name, besides=product.id)
            raise

    async def set_status(self, product: Product, status: ProductStatus) -> None:
        """Release the product or take the release back; nothing happens when it has that status already."""
        await self._update(product, {"status": status})

    async def set_filter(self, product: Product, *, by_timestamp: bool, by_value: bool) -> None:
        """Set how forwarded property messages are deduplicated.

        Raises:
            BusinessError: iot.prod.NotSeniorProduct: without a thing model there are no properties.
        """
        if not product.senior:
            raise errors.NOT_SENIOR_PRODUCT()
        await self._update(product, {"filter_by_timestamp": by_timestamp, "filter_by_value": by_value})

    async def set_dynamic_register(self, product: Product, enabled: bool) -> None:
        """Allow or forbid devices to register themselves with the product's secret.

        The command line does it from another process: nodes notice within seconds.
        """
        await self._update(product, {"dynamic_register": enabled}, told=True)

    async def set_check(self, product: Product, validate_type: int) -> None:
        """Set how posts are checked against the thing model: 0 all of it, 1 identifiers and data types, 2 not at all.

        As with ``set_dynamic_register``, nodes notice within seconds.

        Raises:
            BusinessError: iot.prod.NotSeniorProduct.
        """
        if not product.senior:
            raise errors.NOT_SENIOR_PRODUCT()
        await self._update(product, {"validate_type": validate_type}, told=True)

    async def tell(self, connection: AsyncConnection) -> None:
        """Make nodes notice, within seconds, what a transaction of another process changes that hangs on products."""
        await self._revision.increase(connection)

    async def _update(self, product: Product, values: dict[str, Any], *, told: bool = False) -> None:
        async with self._database.write() as connection:
            result = await connection.execute(update(products).where(products.c.id == product.id).values(values))
            if told:
                await self._revision.increase(connection)
        if result.rowcount == 0:
            raise errors.NOT_EXISTED_PRODUCT()
        self._bus.publish(ProductChanged(product.id, product.product_key))

    async def delete(self, product: Product) -> None:
        """Delete a product that has no devices and no copies, with everything that hangs on it.

        Raises:
            BusinessError: iot.prod.NotExistedProduct, and iot.prod.UpdateProductFailed while it has devices or copies
                (the guide names no code of its own for that).
        """
        async with self._database.write() as connection:
            # The lock keeps devices from being created meanwhile: their foreign key waits for it.
            lock = select(products.c.id).where(products.c.id == product.id).with_for_update()
            if (await connection.execute(lock)).first() is None:
                raise errors.NOT_EXISTED_PRODUCT()
            devices = (await self.count_devices(connection, [product.id])).get(product.id, 0)
            if devices:
                raise errors.UPDATE_PRODUCT_FAILED(f"The product has {devices} devices. Delete them first.")
            if await self.copies.exist(connection, product.id):
                raise errors.UPDATE_PRODUCT_FAILED(
                    "The product was distributed. Delete it in the other instances first."
                )
            for hook in self.on_delete:
                await hook(connection, product.id)
            await connection.execute(delete(product_tags).where(product_tags.c.product_id == product.id))
            await connection.execute(delete(products).where(products.c.id == product.id))
        self._bus.publish(ProductDeleted(product.id, product.product_key))

    async def device_counts(self, product_ids: Sequence[int]) -> dict[int, int]:
        """Return the number of devices of each product; products without devices may be absent."""
        async with self._database.read() as connection:
            return await self.count_devices(connection, product_ids)

    async def page(
        self,
        instance_id: int,
        page: int,
        size: int,
        *,
        senior: bool | None = None,
        resource_group_id: str | None = None,
    ) -> tuple[list[Product], int]:
        """Return a page of an instance's products, newest first, and the number of all that fit.

        Args:
            instance_id: whose products.
            page: number of the page, from 1.
            size: products on a page.
            senior: only those with (True) or without (False) a thing model.
            resource_group_id: only those of this resource group.
        """
        fits = [products.c.instance_id == instance_id]
        if senior is not None:
            fits.append(products.c.senior.is_(senior))
        if resource_group_id is not None:
            fits.append(products.c.resource_group_id == resource_group_id)
        async with self._database.read() as connection:
            total = (await connection.execute(select(func.count()).select_from(products).where(*fits))).scalar_one()
            rows = (await connection.execute(paged(select(products).where(*fits), page, size))).all()
        return [to_product(row) for row in rows], total

    async def page_by_tags(
        self, instance_id: int, tags: Sequence[tuple[str, str | None]], page: int, size: int
    ) -> list[Product]:
        """Return a page of the products that have any of these tags, newest first; value None is any value."""
        tagged = self.tags.matching(tags)
        query = select(products).where(products.c.instance_id == instance_id, products.c.id.in_(tagged))
        async with self._database.read() as connection:
            rows = (await connection.execute(paged(query, page, size))).all()
        return [to_product(row) for row in rows]
