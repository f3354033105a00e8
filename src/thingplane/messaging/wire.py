"""What requests to devices look like: Alink JSON, or whatever the product's script makes of it."""

from typing import Final

from thingplane.devices.service import Device
from thingplane.parsing.service import ParsingService
from thingplane.products.service import Product

_CUSTOM_FORMAT: Final = 0


class Wire:
    """Translates between Alink and what a device speaks."""

    def __init__(self, parsing: ParsingService) -> None:
        """Take whoever runs scripts."""
        self._parsing = parsing

    async def request(self, product: Product, device: Device, path: str, request: bytes) -> tuple[str, bytes]:
        """Return topic and payload of a request.

        Args:
            product: the device's.
            device: who is asked.
            path: what the topic of an Alink request ends with, such as ``property/set``.
            request: Alink request, JSON text.

        Raises:
            ParsingError: the product's script makes no bytes of it.
        """
        system = f"/sys/{device.product_key}/{device.name}"
        if product.data_format != _CUSTOM_FORMAT:
            return f"{system}/thing/service/{path}", request
        return f"{system}/thing/model/down_raw", await self._parsing.encode(product.id, request)

    async def reply(self, product: Product, reply: bytes) -> bytes:
        """Return the Alink reply that a device's answer stands for.

        Raises:
            ParsingError: the product's script does not understand it.
        """
        return await self._parsing.decode(product.id, reply) if product.data_format == _CUSTOM_FORMAT else reply
