"""Finding the sub-devices that a gateway posts for."""

from thingplane.alink import Identity
from thingplane.devices.service import DeviceService
from thingplane.topology.service import TopologyService


class SubDevices:
    """The sub-devices of gateways; whether they are logged in does not matter (device-protocol, 5.6)."""

    def __init__(self, devices: DeviceService, topology: TopologyService) -> None:
        """Take what is asked.

        Args:
            devices: finds devices.
            topology: knows whose sub-devices they are.
        """
        self._devices = devices
        self._topology = topology

    async def find(self, gateway: Identity, product_key: str, name: str) -> Identity | None:
        """Return a sub-device; None when it is none of this gateway's.

        Raises:
            LookupError: there is no such device.
        """
        device = await self._devices.find(product_key, name)
        if device is None:
            raise LookupError(name)
        owner = await self._topology.gateway_of(device.id)
        return device if owner is not None and owner.id == gateway.id else None
