"""Thing models of products: drafts that are edited, versions that are published, and the compiled current version."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Collection

from sqlalchemy.ext.asyncio import AsyncConnection

from thingplane.bus import Bus
from thingplane.clock import Clock
from thingplane.cloud.errors import INVALID_FORMATTED_PARAMETER
from thingplane.products import errors as product_errors
from thingplane.products.service import Product, ProductService
from thingplane.storage.database import Database
from thingplane.things import errors, store
from thingplane.things import modules as edits
from thingplane.things.categories.library import CategoryLibrary
from thingplane.things.model.compiled import CompiledModel
from thingplane.things.model.edit import add_features, arrange, remove_features, replace_feature, stamp
from thingplane.things.model.extend_config import check_extend_configs
from thingplane.things.model.failures import ModelError
from thingplane.things.model.limits import DEFAULT_LIMITS, ModelLimits
from thingplane.things.model.thing_model_json import parse_thing_model_json
from thingplane.things.model.tsl import parse_tsl
from thingplane.things.model.types import FunctionBlock, ThingModel
from thingplane.things.published import PublishedModels, ThingModelPublished
from thingplane.things.store import Modules, Version, VersionInfo

__all__ = ["CompiledModel", "ThingModelPublished", "ThingModelService", "Version", "VersionInfo"]

VERSIONS_KEPT = 10
"""Published versions of a product that can still be read (guide: limits)."""
FEATURES_PER_CALL = 10
"""Features one call may add (guide 4.10.1)."""

_VERSION = re.compile(r"[A-Za-z0-9.]{1,16}")


class ThingModelService:
    """Everything about thing models. Cached models are dropped when they or their product change."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        products: ProductService,
        bus: Bus,
        *,
        limits: ModelLimits = DEFAULT_LIMITS,
        versions_kept: int = VERSIONS_KEPT,
        features_per_call: int = FEATURES_PER_CALL,
        categories: CategoryLibrary | None = None,
    ) -> None:
        """Hooks into the life of products: a new one gets the model of its category, a deleted one loses its model.

        Args:
            database: where drafts and versions are kept.
            clock: tells creation and publication times.
            products: the products the models belong to.
            bus: carries `ThingModelPublished`, and brings changes made by other nodes.
            limits: sizes of models.
            versions_kept: published versions of a product that can still be read, at least 1.
            features_per_call: features one call may add.
            categories: the standard categories; None for those that come along.
        """
        self._database = database
        self._clock = clock
        self._products = products
        self._bus = bus
        self._limits = limits
        self._versions_kept = versions_kept
        self._features_per_call = features_per_call
        self.categories = categories or CategoryLibrary()
        """Ready-made models that products start from."""
        self._published = PublishedModels(database, products, bus)
        products.category_name = self.categories.name
        products.on_create.append(self.create_first)
        products.on_delete.append(store.delete_all)
        products.on_copy.append(self._copy_all)

    def cached(self, product_id: int) -> CompiledModel | None:
        """The current published model if it is in memory; None says nothing about its existence."""
        return self._published.cached(product_id)

    async def published(self, product_id: int) -> CompiledModel:
        """The current published model, compiled for the product's check level.

        A product without a published version has a model without features whose version is None.

        Raises:
            BusinessError: iot.prod.NotExistedProduct.
        """
        return await self._published.get(product_id)

    async def product(self, instance_id: int, product_key: str | None) -> Product:
        """The instance's product with this key, if it has a thing model.

        Raises:
            BusinessError: iot.prod.NullProductKey, iot.prod.NotExistedProduct, iot.prod.NotSeniorProduct.
        """
        product = await self._products.get(instance_id, product_key or "")
        if not product.senior:
            raise product_errors.NOT_SENIOR_PRODUCT()
        return product

    async def create_first(self, connection: AsyncConnection, product: Product) -> None:
        """Gives a new product the model of its category, or an empty one.

        It is published at once when the product asks for it (PublishAuto).
        """
        if not product.senior:
            return
        now = self._clock.now_ms()
        model = self.categories.model(product.category_key) if product.category_key else None
        modules = store.EMPTY_MODULES if model is None else (self._stamped(model),)
        await store.insert_draft(connection, product.id, modules, now)
        if product.publish_auto:
            version = Version(str(now), None, now, modules)
            await store.insert_version(connection, product.id, version, self._versions_kept)

    @staticmethod
    async def _copy_all(connection: AsyncConnection, original: Product, copy: Product) -> None:
        """Give a product that was distributed the draft and the versions of its original."""
        if original.senior:
            await store.copy_all(connection, original.id, copy.id)

    # Reading

    async def draft(self, product: Product) -> Modules:
        """The modules of the draft.

        Raises:
            BusinessError: iot.prod.NotExistedProduct when the product is gone.
        """
        async with self._database.read() as connection:
            draft = await store.read_draft(connection, product.id)
        if draft is None:
            raise product_errors.NOT_EXISTED_PRODUCT()
        return draft

    async def version(self, product: Product, version: str | None) -> Version:
        """A published version, the newest one for None.

        Raises:
            BusinessError: iot.prod.QueryProductAbilitiesFailed when there is no such version.
        """
        async with self._database.read() as connection:
            found = await store.read_version(connection, product.id, version)
        if found is None:
            name = f"version {version}" if version else "published version"
            raise errors.QUERY_PRODUCT_ABILITIES_FAILED(f"The thing model of the product has no {name}.")
        return found

    async def versions(self, product: Product) -> list[VersionInfo]:
        """The published versions that are kept, newest first."""
        async with self._database.read() as connection:
            return await store.list_versions(connection, product.id)

    # Editing. All of these raise BusinessError: iot.prod.UpdateProductFailed for a released product and for one that
    # was distributed here (the guide names no codes of their own for that), and what `business_error` makes of a broken
    # rule.

    async def add(self, product: Product, text: str | None, block: FunctionBlock | None) -> None:
        """Adds features to the draft.

        Args:
            product: whose draft.
            text: ThingModelJson with 1 to 10 features; may be None for a custom module, which is then made empty.
            block: the custom module to add to, None for the default module.
        """

        def change(modules: Modules) -> Modules:
            module = edits.find_or_make(modules, block, self._limits)
            if text is not None:
                new = self._parse(text, product)
                if not 1 <= new.feature_count <= self._features_per_call:
                    raise ModelError("", f"1 to {self._features_per_call} features can be added at a time")
                module = add_features(module, self._stamped(new), self._limits)
            return edits.put(modules, module, self._limits)

        await self._edit(product, change)

    async def update(
        self, product: Product, text: str | None, identifier: str | None, block_id: str | None, block_name: str | None
    ) -> None:
        """Replaces one feature of the draft, renames a custom module, or both.

        Args:
            product: whose draft.
            text: ThingModelJson with exactly one feature, None to rename only.
            identifier: the feature to replace, None for the one with the identifier of the new definition.
            block_id: the custom module, None for the default module.
            block_name: new name of the custom module.
        """

        def change(modules: Modules) -> Modules:
            module = edits.find(modules, block_id)
            if block_name is not None:
                module = edits.rename(module, block_name, self._limits)
            if text is not None:
                module = self._stamped(replace_feature(module, identifier, self._parse(text, product), self._limits))
            return edits.put(modules, module, self._limits)

        await self._edit(product, change)

    async def remove(
        self,
        product: Product,
        *,
        properties: Collection[str],
        events: Collection[str],
        services: Collection[str],
        block_id: str | None,
    ) -> None:
        """Removes features of one module from the draft; without any identifier, all features of a custom module."""

        def change(modules: Modules) -> Modules:
            module = edits.find(modules, block_id)
            if not properties and not events and not services:
                return edits.put(modules, ThingModel(block=module.block), self._limits)
            return edits.put(modules, remove_features(module, properties, events, services), self._limits)

        await self._edit(product, change)

    async def import_tsl(self, product: Product, text: str, block: FunctionBlock | None) -> None:
        """Replaces a module of the draft by what a TSL text describes; the other modules stay.

        TSL has no extended configuration, so the module has none afterwards.
        """
        if len(text.encode()) > self._limits.document_bytes:
            raise errors.UPDATE_THING_MODEL_OVER_LIMIT()

        def change(modules: Modules) -> Modules:
            target = edits.find_or_make(modules, block, self._limits)
            model = arrange(parse_tsl(text, target.block, self._limits), self._limits)
            return edits.put(modules, self._stamped(model), self._limits)

        await self._edit(product, change)

    async def copy(self, source: Product, target: Product, version: str | None) -> None:
        """Replaces the draft of one product, all modules of it, by a published version of another one.

        Extended configurations go along when the devices of both products reach their gateways in the same way.

        Args:
            source: whose version.
            target: whose draft.
            version: name of the version, None for the newest.

        Raises:
            BusinessError: iot.prod.QueryProductAbilitiesFailed when there is no such version, and
                iot.prod.BatchCreateThingModelFailed when the products are of different categories.
        """
        if source.category_key != target.category_key:
            raise errors.BATCH_CREATE_THING_MODEL_FAILED("The products are of different categories.")
        same_protocol = source.protocol_type == target.protocol_type
        modules = edits.copied((await self.version(source, version)).modules, with_extend_configs=same_protocol)
        await self._edit(target, lambda _: tuple(map(self._stamped, modules)))

    async def publish(self, product: Product, version: str | None, description: str | None) -> None:
        """Publishes the draft.

        Args:
            product: whose draft.
            version: name of the version, 1 to 16 letters, digits or dots; None for one made from the time.
            description: note on the version, at most 100 characters.
        """
        if version is not None and not _VERSION.fullmatch(version):
            raise INVALID_FORMATTED_PARAMETER("ModelVersion must be 1 to 16 letters, digits or dots.")
        if description is not None and len(description) > self._limits.description_characters:
            raise INVALID_FORMATTED_PARAMETER(
                f"Description must be at most {self._limits.description_characters} characters long."
            )
        now = self._clock.now_ms()
        async with self._database.write() as connection:
            modules = await self._editable(connection, product)
            taken = {known.version for known in await store.list_versions(connection, product.id)}
            if version in taken:
                raise INVALID_FORMATTED_PARAMETER(f"The thing model has a version {version} already.")
            name = version or next(name for name in map(str, range(now, now + len(taken) + 1)) if name not in taken)
            await store.insert_version(
                connection, product.id, Version(name, description, now, modules), self._versions_kept
            )
        self._bus.publish(ThingModelPublished(product.id, product.product_key))

    async def _edit(self, product: Product, change: Callable[[Modules], Modules]) -> None:
        try:
            async with self._database.write() as connection:
                modules = await self._editable(connection, product)
                await store.write_draft(connection, product.id, change(modules), self._clock.now_ms())
        except ModelError as error:
            raise errors.business_error(error) from error

    async def _editable(self, connection: AsyncConnection, product: Product) -> Modules:
        """The draft, which nobody else edits, and whose product nobody releases, until the transaction ends."""
        now = await self._products.locked(connection, product.id)
        if now.released:
            raise product_errors.UPDATE_PRODUCT_FAILED(
                "Take back the release of the product before editing its thing model."
            )
        if now.source_id is not None:
            raise product_errors.UPDATE_PRODUCT_FAILED(
                "The product was distributed to this instance: edit its thing model where it comes from."
            )
        modules = await store.read_draft(connection, product.id)
        if modules is None:
            raise product_errors.NOT_EXISTED_PRODUCT()
        return modules

    def _parse(self, text: str, product: Product) -> ThingModel:
        model = parse_thing_model_json(text, limits=self._limits)
        check_extend_configs(model, product.protocol_type, self._limits)
        return model

    def _stamped(self, model: ThingModel) -> ThingModel:
        now = self._clock.now_ms()
        return stamp(model, now, lambda: f"{secrets.token_hex(16).upper()}{now}")
