"""What subscribers learn of the tags of devices (rules and subscription reference, 3.10)."""

from collections.abc import Mapping

from thingplane.devices.record import Device
from thingplane.forwarding import bodies
from thingplane.forwarding.service import Forwarder, Kind
from thingplane.products.service import ProductService


class TagReports:
    """Forwards changes of tags, whoever made them; durable before the change is acknowledged."""

    def __init__(self, forwarder: Forwarder, products: ProductService) -> None:
        """Take what is needed.

        Args:
            forwarder: takes the messages.
            products: of the devices.
        """
        self._forwarder = forwarder
        self._products = products

    async def changed(self, device: Device, tags: Mapping[str, str | None], at: int) -> None:
        """Forward tags that have changed; None for one that was removed.

        Args:
            device: whose tags.
            tags: by key.
            at: epoch milliseconds of the change.
        """
        topic = f"/{device.product_key}/{device.name}/thing/deviceinfo/update"
        if not self._forwarder.wanted(Kind.TAGS, device.product_id, topic):
            return
        product = await self._products.find_id(device.product_id)
        if product is None:
            return
        source = device.source(product.device_type)
        self._forwarder.forward(Kind.TAGS, source, topic, bodies.tags(source, tags, at), generated=at)
        await self._forwarder.durable()
