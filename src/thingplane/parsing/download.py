"""Addresses at which the text of a script can be fetched (guide 4.10.18, ScriptUrl)."""

from collections.abc import Callable
from typing import Final

from thingplane.clock import Clock
from thingplane.cloud.downloads import SignedDownloads
from thingplane.parsing.service import ParsingService
from thingplane.products.service import Product

PATH: Final = "/thing-scripts/"


class ScriptDownloads(SignedDownloads):
    """The scripts of products."""

    def __init__(self, parsing: ParsingService, clock: Clock, base_url: Callable[[], str]) -> None:
        """Take whoever keeps them, and what is needed for addresses."""
        super().__init__(PATH, self._source, clock, base_url)
        self._parsing = parsing

    def of(self, product: Product) -> str:
        """Return the address of a product's script."""
        return self.url(str(product.id))

    async def _source(self, name: str) -> str | None:
        script = await self._parsing.script(int(name))
        return None if script is None else script.source
