"""What requests to devices look like: Alink JSON, or whatever the product's script makes of it."""

from collections.abc import Callable
from typing import Final, TypeAlias

from thingplane.devices.service import Device
from thingplane.parsing.service import ParsingError, ParsingService
from thingplane.products.service import Product

_CUSTOM_FORMAT: Final = 0
_NOTED_BYTES: Final = 256

Note: TypeAlias = Callable[[int, str, int, str], None]
"""Writes into a device's log: key of the device, part of the platform, code, words."""


def no_note(_device_id: int, _module: str, _code: int, _content: str) -> None:
    """Write nothing: for a platform without logs of devices."""


class Wire:
    """Translates between Alink and what a device speaks."""

    def __init__(self, parsing: ParsingService, note: Note = no_note) -> None:
        """Take whoever runs scripts, and where it is noted that one failed."""
        self._parsing = parsing
        self._note = note

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
        try:
            return f"{system}/thing/model/down_raw", await self._parsing.encode(product.id, request)
        except ParsingError as error:
            self.note(device, path, error)
            raise

    def note(self, device: Device, path: str, error: ParsingError) -> None:
        """Write into a device's log that the script made nothing of a request."""
        self._note(device.id, "script", error.code, f"{error.reason}; request {path}")

    async def reply(self, product: Product, device: Device, reply: bytes) -> bytes:
        """Return the Alink reply that a device's answer stands for.

        Raises:
            ParsingError: the product's script does not understand it.
        """
        if product.data_format != _CUSTOM_FORMAT:
            return reply
        try:
            return await self._parsing.decode(product.id, reply)
        except ParsingError as error:
            self._note(device.id, "script", error.code, f"{error.reason}; answer 0x{reply[:_NOTED_BYTES].hex()}")
            raise
