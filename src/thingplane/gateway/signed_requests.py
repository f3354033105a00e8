"""Devices that sign each request for something, over HTTPS and CoAP: for a token, or for an identity."""

from collections.abc import Mapping
from typing import Final, Literal

import structlog

from thingplane.alink import is_signed
from thingplane.devices.service import Device, DeviceService, RegistrationRefusedError, RegistrationRequest
from thingplane.products.service import ProductService

_log = structlog.get_logger(__name__)

DEFAULT_METHOD: Final = "hmacmd5"
METHODS: Final = frozenset({"hmacmd5", "hmacsha1", "hmacsha256"})
MAX_CLIENT_ID: Final = 64
_NEEDED: Final = ("productKey", "deviceName", "clientId", "sign")
# Everything else is signed (device-protocol, 10.1 and 10.2).
_UNSIGNED: Final = frozenset({"version", "sign", "signmethod", "resources"})
_NEEDED_TO_REGISTER: Final = ("productKey", "deviceName", "random", "sign")
_UNSIGNED_TO_REGISTER: Final = frozenset({"sign", "signMethod", "signmethod"})

Reason = Literal["method", "unknown", "signature", "auth_type", "disabled"]


class NotSignedError(Exception):
    """A request that its device has not signed, or that the device may not make.

    Attributes:
        reason: method: it signs in no way that is known; unknown: there is no such device; signature: it is wrong;
            auth_type: the product's devices authenticate in another way; disabled: the device is.
    """

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason = reason


class SignedRequests:
    """Finds out who signed, and registers devices that sign with their ProductSecret."""

    def __init__(self, devices: DeviceService, products: ProductService) -> None:
        """Wire.

        Args:
            devices: finds and registers.
            products: knows how devices of a product authenticate.
        """
        self._devices = devices
        self._products = products

    async def signer(self, fields: Mapping[str, str], *unsigned: str) -> Device:
        """Return the device that has signed a request.

        Args:
            fields: of the request.
            unsigned: names of fields that are not signed on this transport, beside those that never are.

        Raises:
            ValueError: a field is missing, or clientId is too long.
            NotSignedError: it has not signed, or may not ask.
        """
        if not all(fields.get(name) for name in _NEEDED) or len(fields["clientId"]) > MAX_CLIENT_ID:
            raise ValueError("productKey, deviceName, clientId and sign are needed")
        method = fields.get("signmethod") or DEFAULT_METHOD
        if method.lower() not in METHODS:
            raise NotSignedError("method")
        device = await self._devices.find(fields["productKey"], fields["deviceName"])
        if device is None:
            raise self._refused("unknown", fields)
        if not is_signed(device.secret, method, _without(fields, _UNSIGNED.union(unsigned)), fields["sign"]):
            raise self._refused("signature", fields)
        product = await self._products.find(device.product_key)
        if product is None or product.auth_type != "secret":
            raise self._refused("auth_type", fields)
        if not device.enabled:
            raise self._refused("disabled", fields)
        return device

    async def register(self, fields: Mapping[str, str], way: str) -> Device:
        """Register a device that signs with its ProductSecret, and return it with its own secret.

        Args:
            fields: of the request.
            way: transport, for the log.

        Raises:
            ValueError: a field is missing.
            RegistrationRefusedError: it gets no identity.
        """
        if not all(fields.get(name) for name in _NEEDED_TO_REGISTER):
            raise ValueError("productKey, deviceName, random and sign are needed")
        request = RegistrationRequest(
            fields["productKey"],
            fields["deviceName"],
            _without(fields, _UNSIGNED_TO_REGISTER),
            fields.get("signMethod") or fields.get("signmethod") or DEFAULT_METHOD,
            fields["sign"],
        )
        try:
            device = await self._devices.self_registration.register(request)
        except RegistrationRefusedError as error:
            _log.info("registration refused", code=error.code, product_key=request.product_key[:64], way=way)
            raise
        _log.info("device registered", product_key=device.product_key, device_name=device.name, way=way)
        return device

    @staticmethod
    def _refused(reason: Reason, fields: Mapping[str, str]) -> NotSignedError:
        names = {"product_key": fields["productKey"][:64], "device_name": fields["deviceName"][:64]}
        _log.info("authentication refused", reason=reason, **names)
        return NotSignedError(reason)


def identity(device: Device) -> dict[str, str]:
    """Return what a device is told when it has registered."""
    return {"productKey": device.product_key, "deviceName": device.name, "deviceSecret": device.secret}


def _without(fields: Mapping[str, str], names: frozenset[str]) -> dict[str, str]:
    return {name: value for name, value in fields.items() if name not in names}
