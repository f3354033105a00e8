"""Addresses at which the TSL of a module can be fetched (guide 4.10.10 and 4.10.13, TslUri)."""

from collections.abc import Callable
from typing import Final

from thingplane.clock import Clock
from thingplane.cloud import BusinessError
from thingplane.cloud.downloads import SignedDownloads
from thingplane.products.service import Product, ProductService
from thingplane.things import modules as edits
from thingplane.things.model.failures import ModelError
from thingplane.things.model.tsl import render_tsl
from thingplane.things.service import ThingModelService

PATH: Final = "/thing-models/"

_NONE: Final = "-"
"""In names: the draft, the default module. Neither versions nor modules can be called so."""
_SIMPLE: Final = "simple.json"
_COMPLETE: Final = "model.json"


class TslDownloads(SignedDownloads):
    """Drafts and versions of thing models, module by module; a draft as it is when it is fetched."""

    def __init__(
        self, models: ThingModelService, products: ProductService, clock: Clock, base_url: Callable[[], str]
    ) -> None:
        """Take whoever keeps models and products, and what is needed for addresses."""
        super().__init__(PATH, self._tsl, clock, base_url, b"application/json; charset=utf-8")
        self._models = models
        self._products = products

    def of(self, product: Product, version: str | None, block_id: str | None, *, simple: bool) -> str:
        """Return the address of a module's TSL.

        Args:
            product: whose model.
            version: a published version, None for the draft.
            block_id: a custom module, None for the default module.
            simple: only identifiers and data types.
        """
        name = _SIMPLE if simple else _COMPLETE
        return self.url(f"{product.id}/{version or _NONE}/{block_id or _NONE}/{name}")

    async def _tsl(self, name: str) -> str | None:
        product_id, version_name, block_id, form = name.split("/")
        product = await self._products.by_id(int(product_id))
        if product is None:
            return None
        try:
            version = None if version_name == _NONE else await self._models.version(product, version_name)
            modules = await self._models.draft(product) if version is None else version.modules
            module = edits.find(modules, None if block_id == _NONE else block_id)
        except (BusinessError, ModelError):
            return None
        number = None if version is None else version.version
        return render_tsl(module, product.product_key, number, edits.blocks(modules), simple=form == _SIMPLE)
