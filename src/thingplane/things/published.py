"""The current published model of each product, compiled once and kept in memory."""

from __future__ import annotations

import msgspec

from thingplane.bus import Bus
from thingplane.products import errors as product_errors
from thingplane.products.service import ProductChanged, ProductDeleted, ProductsChanged, ProductService
from thingplane.storage.database import Database
from thingplane.things import store
from thingplane.things.model.checks import CheckLevel
from thingplane.things.model.compiled import CompiledModel


class ThingModelPublished(msgspec.Struct, frozen=True):
    """A product's devices are measured by another version of the thing model from now on."""

    product_id: int
    product_key: str


class PublishedModels:
    """Compiled models by product. One is dropped when it or its product changes."""

    def __init__(self, database: Database, products: ProductService, bus: Bus) -> None:
        """Starts empty.

        Args:
            database: where versions are kept.
            products: say how thoroughly their devices are checked.
            bus: tells of changes, also those made by other nodes.
        """
        self._database = database
        self._products = products
        self._compiled: dict[int, CompiledModel] = {}
        self._invalidations = 0
        bus.subscribe(ThingModelPublished, self._forget)
        bus.subscribe(ProductChanged, self._forget)
        bus.subscribe(ProductDeleted, self._forget)
        bus.subscribe(ProductsChanged, self._forget_all)

    def _forget(self, event: ThingModelPublished | ProductChanged | ProductDeleted) -> None:
        self._invalidations += 1
        self._compiled.pop(event.product_id, None)

    def _forget_all(self, _event: ProductsChanged) -> None:
        self._invalidations += 1
        self._compiled.clear()

    def cached(self, product_id: int) -> CompiledModel | None:
        """The model if it is in memory; None says nothing about its existence."""
        return self._compiled.get(product_id)

    async def get(self, product_id: int) -> CompiledModel:
        """The model, compiled for the product's check level; without features and version when none is published.

        Raises:
            BusinessError: iot.prod.NotExistedProduct.
        """
        compiled = self._compiled.get(product_id)
        if compiled is not None:
            return compiled
        invalidations = self._invalidations
        product = await self._products.by_id(product_id)
        if product is None:
            raise product_errors.NOT_EXISTED_PRODUCT()
        async with self._database.read() as connection:
            version = await store.read_version(connection, product_id, None)
        level = CheckLevel(product.validate_type)
        compiled = (
            CompiledModel(version.modules, level, version.version)
            if version
            else CompiledModel(store.EMPTY_MODULES, level)
        )
        # What was read before a change must not enter the cache after it.
        if invalidations == self._invalidations:
            self._compiled[product_id] = compiled
        return compiled
