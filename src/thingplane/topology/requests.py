"""What gateways ask for about their sub-devices (device-protocol reference, 4.3); lists succeed or fail as a whole."""

import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import msgspec

from thingplane.alink import Code, Uplink, read_signed_item
from thingplane.cloud import BusinessError
from thingplane.devices.errors import NOT_EXISTED_DEVICE
from thingplane.devices.service import Device, DeviceService
from thingplane.products.service import ProductService
from thingplane.topology import codes
from thingplane.topology.codes import RefusedError
from thingplane.topology.errors import TOPO_RELATION_COUNT_EXCEEDED
from thingplane.topology.reports import TopologyReports
from thingplane.topology.service import GATEWAY, TopologyService

_DEVICE_NAME: Final = re.compile(r"[A-Za-z0-9\-_@.:]{4,32}")
# What a change that was checked here can still fail with.
_CODES: Final = {
    TOPO_RELATION_COUNT_EXCEEDED.code: codes.TOO_MANY_SUB_DEVICES,
    NOT_EXISTED_DEVICE.code: int(Code.DEVICE_NOT_FOUND),
}


class Named(msgspec.Struct, frozen=True):
    """A device in a list."""

    productKey: str
    deviceName: str


class Requests:
    """Finds who asks and whom for, and answers."""

    def __init__(self, devices: DeviceService) -> None:
        """Take the service of gateways and sub-devices."""
        self.devices = devices

    async def answer(self, uplink: Uplink, action: Callable[[Device, Uplink], Awaitable[Any]]) -> None:
        """Answer a gateway with what an action returns, or with why it was refused."""
        try:
            data = await action(await self._gateway(uplink), uplink)
        except RefusedError as error:
            uplink.reply(error.code, message=error.message)
        except BusinessError as error:
            refusal = RefusedError(_CODES.get(error.code, int(Code.PARAMETER_ERROR)))
            uplink.reply(refusal.code, message=refusal.message)
        else:
            uplink.reply(data=msgspec.json.encode(data))

    async def _gateway(self, uplink: Uplink) -> Device:
        gateway = await self.devices.by_id(uplink.device.id)
        if gateway is None or gateway.node_type != GATEWAY:
            raise RefusedError(Code.PARAMETER_ERROR)
        return gateway

    async def sub_device(self, gateway: Device, product_key: str, name: str) -> Device:
        """Return a device that can be a gateway's sub-device.

        Raises:
            RefusedError: 6100, also for devices of other instances; 6402.
        """
        device = await self.devices.find(product_key, name)
        if device is None or device.instance_id != gateway.instance_id:
            raise RefusedError(Code.DEVICE_NOT_FOUND)
        if device.node_type == GATEWAY:
            raise RefusedError(codes.OWN_SUB_DEVICE)
        return device

    async def sub_devices(self, gateway: Device, names: Sequence[Named]) -> list[Device]:
        """Return the devices of a list, each once; raises as ``sub_device`` does."""
        return [await self.sub_device(gateway, item.productKey, item.deviceName) for item in dict.fromkeys(names)]


class TopologyRequests:
    """Handlers of ``thing/topo/…`` and ``thing/list/found``."""

    def __init__(
        self, requests: Requests, products: ProductService, topology: TopologyService, reports: TopologyReports
    ) -> None:
        """Take what the handlers need.

        Args:
            requests: finds devices, answers.
            products: the service of sub-devices' products.
            topology: changes relationships.
            reports: takes what gateways find.
        """
        self._requests = requests
        self._products = products
        self._topology = topology
        self._reports = reports

    async def add(self, uplink: Uplink) -> None:
        """Handle ``thing/topo/add``; a sub-device of another gateway moves."""
        await self._requests.answer(uplink, self._add)

    async def delete(self, uplink: Uplink) -> None:
        """Handle ``thing/topo/delete``."""
        await self._requests.answer(uplink, self._delete)

    async def get(self, uplink: Uplink) -> None:
        """Handle ``thing/topo/get``."""
        await self._requests.answer(uplink, self._get)

    async def found(self, uplink: Uplink) -> None:
        """Handle ``thing/list/found``: nothing is bound; whoever wants to know is told."""
        await self._requests.answer(uplink, self._found)

    async def unregister(self, uplink: Uplink) -> None:
        """Handle ``thing/sub/unregister``, which old SDKs send when a sub-device is taken out of a gateway."""
        await self._requests.answer(uplink, self._unregister)

    async def _add(self, gateway: Device, uplink: Uplink) -> list[dict[str, str]]:
        wanted: dict[int, Device] = {}
        for entry in read_list(uplink.params, dict[str, msgspec.Raw]):
            try:
                item = read_signed_item(entry)
            except ValueError as error:
                raise RefusedError(Code.PARAMETER_ERROR) from error
            device = await self._requests.sub_device(gateway, item.product_key, item.device_name)
            if not item.is_known_method:
                raise RefusedError(Code.PARAMETER_ERROR)
            if not item.is_signed(device.secret):
                raise RefusedError(codes.INVALID_SIGN)
            if not device.enabled:
                raise RefusedError(Code.DEVICE_DISABLED)
            wanted[device.id] = device
        await self._topology.add(gateway, list(wanted.values()), by_gateway=True)
        return listed(wanted.values())

    async def _delete(self, gateway: Device, uplink: Uplink) -> list[dict[str, str]]:
        devices = await self._requests.sub_devices(gateway, read_list(uplink.params, Named))
        attached = await self._topology.attached(gateway.id, [device.id for device in devices])
        if len(attached) < len(devices):
            raise RefusedError(codes.NO_RELATION)
        await self._topology.remove(gateway, devices, by_gateway=True)
        return listed(devices)

    async def _get(self, gateway: Device, _uplink: Uplink) -> list[dict[str, str]]:
        return listed(await self._topology.sub_devices(gateway))

    async def _found(self, gateway: Device, uplink: Uplink) -> dict[str, str]:
        names: list[Named] = read_list(uplink.params, Named)
        for item in names:
            if await self._products.find(item.productKey, gateway.instance_id) is None:
                raise RefusedError(Code.PRODUCT_NOT_FOUND)
            if _DEVICE_NAME.fullmatch(item.deviceName) is None:
                raise RefusedError(codes.INVALID_NAME)
        await self._reports.found(gateway, [(item.productKey, item.deviceName) for item in names])
        return {}

    async def _unregister(self, gateway: Device, uplink: Uplink) -> list[dict[str, str]]:
        devices = await self._requests.sub_devices(gateway, read_list(uplink.params, Named))
        await self._topology.remove(gateway, devices, by_gateway=True)
        return listed(devices)


def read_list(params: bytes, kind: Any) -> list[Any]:
    """Return the devices of a request: a list with at least one, or one by itself.

    Raises:
        RefusedError: 460.
    """
    text = params if params.startswith(b"[") else b"[" + params + b"]"
    try:
        items: list[Any] = msgspec.json.decode(text, type=list[kind])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RefusedError(Code.PARAMETER_ERROR) from error
    if not items:
        raise RefusedError(Code.PARAMETER_ERROR)
    return items


def listed(devices: Any) -> list[dict[str, str]]:
    """Return how replies list devices."""
    return [{"productKey": device.product_key, "deviceName": device.name} for device in devices]
