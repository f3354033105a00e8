"""What gateways are told about their sub-devices (device-protocol reference, 4.3)."""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, Final

import msgspec

from thingplane import ids
from thingplane.bus import Bus, Downlink, DownlinkMessage
from thingplane.devices.service import Device, DeviceDisabled, DeviceEnabled
from thingplane.messaging.errors import INACTIVE_DEVICE, OFFLINE
from thingplane.topology.service import TopologyChanged, TopologyService

ADDED: Final = 0
DELETED: Final = 1
ENABLED: Final = 2
DISABLED: Final = 8

_STATUS: Final = {"add": ADDED, "delete": DELETED}
# The SDK for C reads no longer ids.
_ALINK_IDS: Final = 2**32

SubList = Sequence[tuple[str, str]]
"""(ProductKey, DeviceName) of sub-devices."""


class TopologyNotices:
    """Tells gateways when their sub-devices change by other hands, and asks them to add some.

    Notices have QoS 1: those for a gateway that is offline wait in its session, if it has one that keeps them.
    """

    def __init__(self, bus: Bus, downlink: Downlink, topology: TopologyService) -> None:
        """Wire.

        Args:
            bus: brings changes of relationships, and switches of devices.
            downlink: the way to gateways.
            topology: finds the gateway of a sub-device.
        """
        self._downlink = downlink
        self._topology = topology
        self._tasks: set[asyncio.Task[None]] = set()
        bus.subscribe(TopologyChanged, self._changed)
        bus.subscribe(DeviceEnabled, self._enabled)
        bus.subscribe(DeviceDisabled, self._disabled)

    async def ask_to_add(self, gateway: Device, sub_devices: Sequence[Device]) -> str:
        """Ask a gateway to add sub-devices, and return the MessageId. Whether it does is its own affair.

        Raises:
            BusinessError: iot.device.InactiveDevice, iot.messagebroker.OFFLINE: the message cannot reach the gateway.
        """
        message_id = ids.message_id()
        params = [{"productKey": device.product_key, "deviceName": device.name} for device in sub_devices]
        sent = await self._send(
            gateway.id, gateway.product_key, gateway.name, "topo/add/notify", params, message_id=message_id
        )
        if not sent:
            raise INACTIVE_DEVICE() if gateway.activated_at is None else OFFLINE("The gateway is offline.")
        return str(message_id)

    async def settled(self) -> None:
        """Return when all notices about what has happened so far are sent or lost."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    def _changed(self, event: TopologyChanged) -> None:
        if not event.by_gateway:
            subs = [(sub.product_key, sub.name) for sub in event.sub_devices]
            target = (event.gateway_id, event.gateway_product_key, event.gateway_name)
            self._later(self._tell(*target, _STATUS[event.action], subs))

    def _enabled(self, event: DeviceEnabled) -> None:
        self._later(self._switched(event, ENABLED))

    def _disabled(self, event: DeviceDisabled) -> None:
        self._later(self._switched(event, DISABLED))

    async def _switched(self, event: DeviceEnabled | DeviceDisabled, status: int) -> None:
        gateway = await self._topology.gateway_of(event.device_id)
        if gateway is not None:
            subs = [(event.product_key, event.name)]
            await self._tell(gateway.id, gateway.product_key, gateway.name, status, subs)

    async def _tell(self, gateway_id: int, product_key: str, name: str, status: int, subs: SubList) -> None:
        listed = [{"productKey": key, "deviceName": sub_name} for key, sub_name in subs]
        params = {"status": status, "subList": listed}
        await self._send(gateway_id, product_key, name, "topo/change", params, message_id=ids.message_id())

    async def _send(
        self, gateway_id: int, product_key: str, name: str, path: str, params: Any, *, message_id: int
    ) -> bool:
        # The SDK for C searches the text for the first "id", "method" …: params, which hold other words, come last.
        request = {
            "id": str(message_id % _ALINK_IDS),
            "version": "1.0",
            "method": "thing." + path.replace("/", "."),
            "params": params,
        }
        topic = f"/sys/{product_key}/{name}/thing/{path}"
        message = DownlinkMessage(device_id=gateway_id, topic=topic, payload=msgspec.json.encode(request), qos=1)
        return await self._downlink.send(message)

    def _later(self, notice: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(notice)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
