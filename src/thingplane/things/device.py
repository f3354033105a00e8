"""What devices ask of this slice: their thing model (device-protocol reference, 8.8)."""

from typing import Final

import msgspec

from thingplane.alink import Code, Handler, Uplink
from thingplane.cloud import BusinessError, Services
from thingplane.products.service import ProductService
from thingplane.things import modules as edits
from thingplane.things.model.tsl import tsl_document
from thingplane.things.service import ThingModelService

NOT_IN_PRODUCT: Final = 6321
NOT_PUBLISHED: Final = 5159
"""The properties of the thing model cannot be looked up."""
MAX_BYTES: Final = 256 * 1024 - 1024
"""Longest TSL that fits a message, with room for the envelope."""


class ModelRequests:
    """Handler of ``thing/dsltemplate/get`` and ``thing/dynamicTsl/get``, which both get the whole TSL."""

    def __init__(self, models: ThingModelService, products: ProductService) -> None:
        """Take the services."""
        self._models = models
        self._products = products

    async def get(self, uplink: Uplink) -> None:
        """Tell a device the newest published model of its product: the default module, and which others there are."""
        device = uplink.device
        product = await self._products.find_id(device.product_id)
        if product is None or not product.senior:
            uplink.reply(NOT_IN_PRODUCT, message="the device is in no product with a thing model")
            return
        try:
            version = await self._models.version(product, None)
        except BusinessError as error:
            uplink.reply(NOT_PUBLISHED, message=error.message)
            return
        document = tsl_document(
            edits.find(version.modules, None), product.product_key, version.version, edits.blocks(version.modules)
        )
        document["profile"]["deviceName"] = device.name
        document["link"] = f"/sys/{device.product_key}/{device.name}/thing/"
        text = msgspec.json.encode(document)
        if len(text) > MAX_BYTES:
            uplink.reply(Code.SYSTEM_ERROR, message="the thing model is too large for a message")
            return
        uplink.reply(data=text)


def handlers(services: Services) -> dict[str, Handler]:
    """Return the handlers by topic below ``/sys/{productKey}/{deviceName}/``."""
    requests = ModelRequests(services.get(ThingModelService), services.get(ProductService))
    return {"thing/dsltemplate/get": requests.get, "thing/dynamicTsl/get": requests.get}
