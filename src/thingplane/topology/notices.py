"""What gateways are told about their sub-devices (device-protocol reference, 4.3 and 4.5)."""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import Any, Final, Protocol

import msgspec

from thingplane import ids
from thingplane.alink import request_id, write_request
from thingplane.bus import Background, Bus, Downlink, DownlinkMessage
from thingplane.devices.service import Device, DeviceDisabled, DeviceEnabled
from thingplane.messaging.errors import INACTIVE_DEVICE, OFFLINE
from thingplane.topology.service import TopologyChanged, TopologyService

ADDED: Final = 0
DELETED: Final = 1
ENABLED: Final = 2
DISABLED: Final = 8

_STATUS: Final = {"add": ADDED, "delete": DELETED}
_MAX_ASKED: Final = 10_000
"""Questions whose answers are recognized."""

Name = tuple[str, str]
"""(ProductKey, DeviceName)."""


class Logins(Protocol):
    """What the gateway's connections have to know: who may no longer speak over them."""

    def detached(self, gateway_id: int, device_ids: Iterable[int], *, deleted: bool, by_gateway: bool) -> None:
        """Log sub-devices out that are no longer a gateway's."""


class TopologyNotices:
    """Tells gateways when their sub-devices change by other hands, and asks them to add some.

    Notices have QoS 1: those for a gateway that is offline wait in its session, if it has one that keeps them.
    """

    def __init__(self, bus: Bus, downlink: Downlink, topology: TopologyService, logins: Logins) -> None:
        """Wire.

        Args:
            bus: brings changes of relationships, and switches of devices.
            downlink: the way to gateways.
            topology: finds the gateway of a sub-device.
            logins: ends with relationships.
        """
        self._downlink = downlink
        self._topology = topology
        self._logins = logins
        self._background = Background("notices to gateways")
        self._asked: OrderedDict[tuple[int, int], int] = OrderedDict()
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
        name = (gateway.product_key, gateway.name)
        if not await self._send(gateway.id, name, "topo/add/notify", params, message_id=message_id):
            raise INACTIVE_DEVICE() if gateway.activated_at is None else OFFLINE("The gateway is offline.")
        self._asked[gateway.id, request_id(message_id)] = message_id
        if len(self._asked) > _MAX_ASKED:
            self._asked.popitem(last=False)
        return str(message_id)

    def answered(self, gateway_id: int, alink_id: int) -> int | None:
        """Return the MessageId of the question that a gateway answers, once; None if it was not asked."""
        return self._asked.pop((gateway_id, alink_id), None)

    async def settled(self) -> None:
        """Return when all notices about what has happened so far are sent or lost."""
        await self._background.settled()

    def _changed(self, event: TopologyChanged) -> None:
        subs = [(sub.product_key, sub.name) for sub in event.sub_devices]
        if event.action == "delete":
            gone = [sub.device_id for sub in event.sub_devices]
            self._logins.detached(event.gateway_id, gone, deleted=event.deleted, by_gateway=event.by_gateway)
        if not event.by_gateway:
            gateway = (event.gateway_product_key, event.gateway_name)
            notice = "delete" if event.deleted else ""
            self._background.run(self._tell(event.gateway_id, gateway, _STATUS[event.action], subs, notice))

    def _enabled(self, event: DeviceEnabled) -> None:
        self._background.run(self._switched(event, ENABLED, "enable"))

    def _disabled(self, event: DeviceDisabled) -> None:
        self._background.run(self._switched(event, DISABLED, "disable"))

    async def _switched(self, event: DeviceEnabled | DeviceDisabled, status: int, notice: str) -> None:
        gateway = await self._topology.gateway_of(event.device_id)
        if gateway is not None:
            subs = [(event.product_key, event.name)]
            await self._tell(gateway.id, (gateway.product_key, gateway.name), status, subs, notice)

    async def _tell(self, gateway_id: int, gateway: Name, status: int, subs: Sequence[Name], notice: str) -> None:
        """Tell a gateway of a change, and its sub-devices, which it speaks for, of what that means for them."""
        if notice:
            for sub in subs:
                await self._send(gateway_id, sub, notice, {}, message_id=ids.message_id())
        listed = [{"productKey": key, "deviceName": sub_name} for key, sub_name in subs]
        params = {"status": status, "subList": listed}
        await self._send(gateway_id, gateway, "topo/change", params, message_id=ids.message_id())

    async def _send(self, gateway_id: int, name: Name, path: str, params: Any, *, message_id: int) -> bool:
        """Send a message about a device to a gateway.

        Args:
            gateway_id: whose connection it takes.
            name: of the device whose topic it has.
            path: end of the topic, from ``thing/`` on.
            params: of the request.
            message_id: its id in the cloud; the end of it is its id for the device.
        """
        payload = write_request(message_id, "thing." + path.replace("/", "."), msgspec.json.encode(params))
        topic = f"/sys/{name[0]}/{name[1]}/thing/{path}"
        message = DownlinkMessage(device_id=gateway_id, topic=topic, payload=payload, qos=1)
        return await self._downlink.send(message)
