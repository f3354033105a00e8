"""Gateways fetch the secrets of their sub-devices (device-protocol reference, 4.1 and 4.2)."""

from typing import Any, Final

import msgspec

from thingplane.alink import Code, Uplink, read_signed_item
from thingplane.devices.service import Device, DeviceService
from thingplane.products.service import Product, ProductService
from thingplane.topology import codes
from thingplane.topology.codes import RefusedError
from thingplane.topology.requests import Named, Requests, read_list
from thingplane.topology.service import TopologyService

MAX_REGISTERED: Final = 30
"""Sub-devices of one request."""


class _Proxied(msgspec.Struct):
    proxieds: list[dict[str, msgspec.Raw]]


class SubDeviceRegistration:
    """Handlers of ``thing/sub/register`` and ``thing/proxy/provisioning/product_register``.

    Both need a device that was made before, of a product whose dynamic registration is on, in the gateway's instance.
    """

    def __init__(
        self,
        devices: DeviceService,
        products: ProductService,
        topology: TopologyService,
        *,
        max_registered: int = MAX_REGISTERED,
    ) -> None:
        """Wire.

        Args:
            devices: the service of sub-devices.
            products: of their products.
            topology: knows to which gateway they belong.
            max_registered: sub-devices of one request.
        """
        self._requests = Requests(devices)
        self._products = products
        self._topology = topology
        self._max = max_registered

    async def register(self, uplink: Uplink) -> None:
        """Handle ``thing/sub/register``: all or none; a device of another gateway is refused."""
        await self._requests.answer(uplink, self._register)

    async def product_register(self, uplink: Uplink) -> None:
        """Handle ``product_register``: who knows the product's secret takes a device also from another gateway."""
        await self._requests.answer(uplink, self._product_register)

    async def _register(self, gateway: Device, uplink: Uplink) -> list[dict[str, str]]:
        names: list[Named] = read_list(uplink.params, Named)
        self._check_count(len(names))
        registered = []
        for item in names:
            await self._product(gateway, item.productKey, missing=codes.PRODUCT_LOOKUP_FAILED)
            device = await self._requests.sub_device(gateway, item.productKey, item.deviceName)
            if not device.enabled:
                raise RefusedError(Code.DEVICE_DISABLED)
            owner = await self._topology.gateway_of(device.id)
            if owner is not None and owner.id != gateway.id:
                raise RefusedError(codes.BOUND_ELSEWHERE)
            registered.append(_registered(device))
        return registered

    async def _product_register(self, gateway: Device, uplink: Uplink) -> dict[str, Any]:
        try:
            proxied = msgspec.json.decode(uplink.params, type=_Proxied).proxieds
            named = [msgspec.convert(_plain(item), Named) for item in proxied]
        except (msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError, RecursionError) as error:
            raise RefusedError(Code.PARAMETER_ERROR) from error
        self._check_count(len(proxied))
        successes: list[dict[str, str]] = []
        failures: list[dict[str, Any]] = []
        for name, item in zip(named, proxied, strict=True):
            try:
                device = await self._proxied(gateway, item)
            except RefusedError as error:
                failures.append(
                    {
                        "productKey": name.productKey,
                        "deviceName": name.deviceName,
                        "errorDetail": {"code": int(error.code), "message": error.message},
                    }
                )
            else:
                successes.append(_registered(device))
        return {"successes": successes, "failures": failures}

    async def _proxied(self, gateway: Device, entry: dict[str, msgspec.Raw]) -> Device:
        try:
            item = read_signed_item(entry)
        except ValueError as error:
            raise RefusedError(Code.PARAMETER_ERROR) from error
        product = await self._product(gateway, item.product_key, missing=Code.PRODUCT_NOT_FOUND)
        if not item.is_known_method:
            raise RefusedError(codes.UNKNOWN_METHOD)
        if not item.is_signed(product.product_secret):
            raise RefusedError(codes.INVALID_PRODUCT_SIGN)
        device = await self._requests.sub_device(gateway, item.product_key, item.device_name)
        if not device.enabled:
            raise RefusedError(Code.DEVICE_DISABLED)
        owner = await self._topology.gateway_of(device.id)
        if owner is not None and owner.id != gateway.id:
            await self._topology.remove(owner, [device])
        return device

    async def _product(self, gateway: Device, product_key: str, *, missing: int) -> Product:
        product = await self._products.find(product_key, gateway.instance_id)
        if product is None:
            raise RefusedError(missing)
        if not product.dynamic_register:
            raise RefusedError(codes.REGISTRATION_OFF)
        return product

    def _check_count(self, count: int) -> None:
        if not 0 < count <= self._max:
            raise RefusedError(Code.PARAMETER_ERROR)


def _plain(item: dict[str, msgspec.Raw]) -> dict[str, Any]:
    return {name: msgspec.json.decode(item[name]) for name in ("productKey", "deviceName") if name in item}


def _registered(device: Device) -> dict[str, str]:
    return {
        "iotId": device.iot_id,
        "productKey": device.product_key,
        "deviceName": device.name,
        "deviceSecret": device.secret,
    }
