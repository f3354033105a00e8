"""Messages on custom topics as they leave the platform (rules and subscription reference, 3.12)."""

from collections.abc import Awaitable
from typing import cast

from thingplane.alink import Uplink
from thingplane.devices.service import Device
from thingplane.forwarding.service import Forwarder, Kind
from thingplane.products.service import ProductService


class CustomOutgoing:
    """Takes what devices publish on custom topics, and forwards it to subscribers, rules and routes."""

    def __init__(self, forwarder: Forwarder, products: ProductService) -> None:
        """Take what is needed.

        Args:
            forwarder: takes the messages.
            products: of the devices.
        """
        self._forwarder = forwarder
        self._products = products

    def on_custom_message(self, uplink: Uplink) -> Awaitable[None] | None:
        """Handle a message: it is forwarded as it is, in the commit that its acknowledgement waits for."""
        device = uplink.device
        if self._forwarder.wanted(Kind.CUSTOM, device.product_id, uplink.topic):
            if self._products.cached_id(device.product_id) is None:
                return self._later(uplink)
            self._forward(uplink)
        return None

    async def _later(self, uplink: Uplink) -> None:
        await self._products.find_id(uplink.device.product_id)
        self._forward(uplink)

    def _forward(self, uplink: Uplink) -> None:
        product = self._products.cached_id(uplink.device.product_id)
        if product is not None:
            source = cast("Device", uplink.device).source(product.device_type)
            message_id = self._forwarder.forward(
                Kind.CUSTOM, source, uplink.topic, uplink.payload, qos=uplink.qos, properties=uplink.properties
            )
            uplink.message_id = uplink.message_id or message_id or 0
