"""One secret per product: devices that register themselves with the ProductSecret (device-protocol, 2.1 to 2.5).

With ``register`` a device that exists and never connected fetches its DeviceSecret. With ``regnwl`` nothing has to
exist: a physical device gets a client id and a token of its own under a DeviceName.
"""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import msgspec

from thingplane import ids
from thingplane.alink import Code, is_signed
from thingplane.cloud.errors import BusinessError
from thingplane.devices.record import Device
from thingplane.products.service import Product, ProductService

if TYPE_CHECKING:
    from thingplane.devices.service import DeviceService

SIGN_METHODS: Final = frozenset({"hmacmd5", "hmacsha1", "hmacsha256"})
DEVICE_NAME: Final = re.compile(r"[A-Za-z0-9\-_@.:]{4,32}")

SWITCHED_OFF: Final = 6288
ACTIVE_ALREADY: Final = 6289
UNKNOWN_METHOD: Final = 6292
WRONG_SIGNATURE: Final = 6600
_MESSAGES: Final = {
    Code.PARAMETER_ERROR: "request parameter error",
    Code.PRODUCT_NOT_FOUND: "product not found",
    Code.DEVICE_NOT_FOUND: "device not found",
    Code.DEVICE_DISABLED: "device disabled",
    SWITCHED_OFF: "dynamic registration is off",
    ACTIVE_ALREADY: "device is already active",
    UNKNOWN_METHOD: "sign method is not supported",
    WRONG_SIGNATURE: "product sign check failed",
}


class RegistrationRefusedError(Exception):
    """A registration that is refused.

    Attributes:
        code: 460, 6100, 6204, 6250, 6288, 6289, 6292 or 6600 (device-protocol, 2.2).
    """

    def __init__(self, code: int) -> None:
        super().__init__(_MESSAGES[code])
        self.code = code


class RegistrationRequest(msgspec.Struct, frozen=True):
    """What a device submits."""

    product_key: str
    device_name: str
    fields: Mapping[str, str]
    """What is signed, by name: all that is submitted but the signature and its method."""
    method: str
    sign: str

    def __repr__(self) -> str:
        return f"RegistrationRequest({self.product_key!r}, {self.device_name!r})"


class ClientToken(msgspec.Struct, frozen=True):
    """What a physical device connects with."""

    client_id: str
    token: str

    def __repr__(self) -> str:
        return f"ClientToken({self.client_id!r})"


class SelfRegistration:
    """Registers devices at their own request."""

    def __init__(self, products: ProductService, service: "DeviceService") -> None:
        """Wire.

        Args:
            products: knows the secrets of products, and where the switch is on.
            service: finds and makes devices, and keeps their client ids.
        """
        self._products = products
        self._devices = service

    async def register(self, request: RegistrationRequest) -> Device:
        """Return the device, whose secret the requester may have: one that never connected.

        Raises:
            RegistrationRefusedError: it may not.
        """
        _, device = await self._checked(request)
        if device is None:
            raise RegistrationRefusedError(Code.DEVICE_NOT_FOUND)
        if not device.enabled:
            raise RegistrationRefusedError(Code.DEVICE_DISABLED)
        if device.activated_at is not None:
            raise RegistrationRefusedError(ACTIVE_ALREADY)
        return device

    async def register_client(self, request: RegistrationRequest) -> ClientToken:
        """Give a physical device a client id and a token, durable; its device is made if there is none.

        A device that is active with its own secret is not open to others who only know the product's.

        Raises:
            RegistrationRefusedError: refused; 6289 also when the device has as many client ids as it may.
        """
        product, device = await self._checked(request)
        if DEVICE_NAME.fullmatch(request.device_name) is None:
            raise RegistrationRefusedError(Code.PARAMETER_ERROR)
        if device is None:
            device = await self._make(product, request.device_name)
        if not device.enabled:
            raise RegistrationRefusedError(Code.DEVICE_DISABLED)
        if device.activated_at is not None and not device.self_registered:
            raise RegistrationRefusedError(ACTIVE_ALREADY)
        given = ClientToken(ids.client_id(), ids.device_token())
        try:
            await self._devices.client_ids.add(device, given.client_id, given.token)
        except BusinessError:
            raise RegistrationRefusedError(ACTIVE_ALREADY) from None
        return given

    async def _checked(self, request: RegistrationRequest) -> tuple[Product, Device | None]:
        """Return the product whose secret has signed the request, in the instance of the device, and the device.

        Raises:
            RegistrationRefusedError: it has not, or its switch is off.
        """
        if request.method.lower() not in SIGN_METHODS:
            raise RegistrationRefusedError(UNKNOWN_METHOD)
        product = await self._products.find(request.product_key)
        if product is None:
            raise RegistrationRefusedError(Code.PRODUCT_NOT_FOUND)
        if not is_signed(product.product_secret, request.method, request.fields, request.sign):
            raise RegistrationRefusedError(WRONG_SIGNATURE)
        device = await self._devices.find(product.product_key, request.device_name)
        if device is not None and device.product_id != product.id:
            # Distributed: the switch is that of its own instance.
            product = await self._products.find_id(device.product_id) or product
        if not product.dynamic_register or product.auth_type != "secret":
            raise RegistrationRefusedError(SWITCHED_OFF)
        return product, device

    async def _make(self, product: Product, name: str) -> Device:
        try:
            return await self._devices.register(product, name)
        except BusinessError:
            # Another physical device was quicker, or the product is gone.
            device = await self._devices.find(product.product_key, name)
            if device is None:
                raise RegistrationRefusedError(Code.PRODUCT_NOT_FOUND) from None
            return device
