"""What subscribers learn of gateways and sub-devices (rules and subscription reference, 3.8)."""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, Final

from thingplane.bus import Background, Bus
from thingplane.clock import Clock
from thingplane.devices.service import Device, DeviceDisabled, DeviceEnabled, DeviceService
from thingplane.forwarding import bodies
from thingplane.forwarding.service import Forwarder, Kind, Source
from thingplane.products.service import ProductService
from thingplane.topology.service import TopologyChanged, TopologyService

_ACTIONS: Final[dict[str, bodies.Action]] = {"add": "create", "delete": "delete"}


class TopologyReports:
    """Forwards changes of relationships, switches of sub-devices, and what gateways have found."""

    def __init__(  # noqa: PLR0917 - each is of a type of its own
        self,
        bus: Bus,
        clock: Clock,
        forwarder: Forwarder,
        devices: DeviceService,
        products: ProductService,
        topology: TopologyService,
    ) -> None:
        """Wire.

        Args:
            bus: brings changes.
            clock: time of messages.
            forwarder: takes the messages.
            devices: the service of gateways and sub-devices.
            products: of their products.
            topology: finds the gateway of a sub-device.
        """
        self._clock = clock
        self._forwarder = forwarder
        self._devices = devices
        self._products = products
        self._topology = topology
        self._background = Background("reports of gateways and sub-devices")
        self._order = asyncio.Lock()
        bus.subscribe(TopologyChanged, self._changed)
        bus.subscribe(DeviceEnabled, self._enabled)
        bus.subscribe(DeviceDisabled, self._disabled)

    async def found(self, gateway: Device, names: Sequence[tuple[str, str]]) -> None:
        """Forward which devices a gateway has found; in the commit that its request waits for.

        Args:
            gateway: who found them.
            names: (ProductKey, DeviceName) of each; those that the gateway's instance does not have get no IotId.
        """
        topic = f"/{gateway.product_key}/{gateway.name}/thing/list/found"
        if self._forwarder.wanted(Kind.FOUND, gateway.product_id, topic):
            found = [await self._devices.find(*name) for name in names]
            listed = [
                ("" if device is None or device.instance_id != gateway.instance_id else device.iot_id, *name)
                for device, name in zip(found, names, strict=True)
            ]
            source = await self._source(gateway)
            if source is not None:
                self._forwarder.forward(Kind.FOUND, source, topic, bodies.found(source, listed))

    async def answered(self, gateway: Device, message_id: int, code: int, message: str, data: bytes) -> None:
        """Forward what a gateway says to the question whether it adds sub-devices.

        Args:
            gateway: who answers.
            message_id: MessageId of the question.
            code: of the answer.
            message: that goes with it.
            data: JSON text of an object.
        """
        topic = f"/{gateway.product_key}/{gateway.name}/thing/downlink/reply/message"
        source = await self._source(gateway) if self._forwarder.has_subscribers else None
        if source is not None and self._forwarder.wanted(Kind.REPLY, gateway.product_id, topic):
            asked = f"/sys/{gateway.product_key}/{gateway.name}/thing/topo/add/notify"
            body = bodies.reply(source, self._clock.now_ms(), message_id, code, message, asked, data)
            self._forwarder.forward(Kind.REPLY, source, topic, body)

    async def settled(self) -> None:
        """Return when everything about what has happened so far is forwarded and durable."""
        await self._background.settled()

    def _changed(self, event: TopologyChanged) -> None:
        if self._forwarder.has_subscribers:
            subs = [(sub.iot_id, sub.product_key, sub.name) for sub in event.sub_devices]
            self._later(self._report(event.gateway_id, _ACTIONS[event.action], subs, event.at))

    def _enabled(self, event: DeviceEnabled) -> None:
        if self._forwarder.has_subscribers:
            self._later(self._switched(event, "enable"))

    def _disabled(self, event: DeviceDisabled) -> None:
        if self._forwarder.has_subscribers:
            self._later(self._switched(event, "disable"))

    async def _switched(self, event: DeviceEnabled | DeviceDisabled, action: bodies.Action) -> None:
        gateway = await self._topology.gateway_of(event.device_id)
        device = await self._devices.by_id(event.device_id)
        if gateway is not None and device is not None:
            await self._report(gateway.id, action, [(device.iot_id, device.product_key, device.name)], event.at)

    async def _report(self, gateway_id: int, action: bodies.Action, subs: list[bodies.DeviceName], at: int) -> None:
        gateway = await self._devices.by_id(gateway_id)
        source = None if gateway is None else await self._source(gateway)
        if source is not None:
            topic = f"/{source.product_key}/{source.device_name}/thing/topo/lifecycle"
            if self._forwarder.wanted(Kind.TOPOLOGY, source.product_id, topic):
                body = bodies.topology(source, action, subs, at)
                self._forwarder.forward(Kind.TOPOLOGY, source, topic, body, generated=at)
                await self._forwarder.durable()

    async def _source(self, gateway: Device) -> Source | None:
        product = await self._products.find_id(gateway.product_id)
        return None if product is None else gateway.source(product.device_type)

    def _later(self, report: Coroutine[Any, Any, None]) -> None:
        self._background.run(self._in_order(report))

    async def _in_order(self, report: Coroutine[Any, Any, None]) -> None:
        async with self._order:
            await report
