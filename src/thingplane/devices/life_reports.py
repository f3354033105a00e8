"""What subscribers learn of devices that come and go (rules and subscription reference, 3.3 and 3.8)."""

from collections.abc import Sequence
from typing import Final

import structlog

from thingplane.bus import Background
from thingplane.clock import Clock
from thingplane.devices.record import Device
from thingplane.forwarding import bodies
from thingplane.forwarding.service import Forwarder, Kind
from thingplane.products.service import Product, ProductService

CLOSED: Final = 400
"""offlineReasonCode: the connection is gone, and nobody on the platform has ended it."""
ELSEWHERE: Final = 427
"""offlineReasonCode: the device has connected once more."""
DELETED: Final = 521
DISABLED: Final = 522

_log = structlog.get_logger(__name__)


class LifeReports:
    """Forwards changes of state, and what is done to devices."""

    def __init__(self, forwarder: Forwarder, products: ProductService, clock: Clock) -> None:
        """Take what is needed.

        Args:
            forwarder: takes the messages.
            products: of the devices.
            clock: tells when messages are made.
        """
        self._forwarder = forwarder
        self._products = products
        self._clock = clock
        self._background = Background("changes of state")

    def online(self, device: Device) -> None:
        """Forward that a device came online, as ``DeviceService.on_connected``."""
        now = self._clock.now_ms()
        self._status(device, online=True, at=now, last=now, reason=None)

    def offline(self, device: Device, reason: int, quiet_ms: int) -> None:
        """Forward that a device went offline, as ``DeviceService.on_disconnected``."""
        now = self._clock.now_ms()
        self._status(device, online=False, at=now, last=now - quiet_ms, reason=reason)

    async def cut_off(self, devices: Sequence[Device]) -> None:
        """Forward that a crash of the platform took devices offline, as ``DeviceService.on_cut_off``; durable then.

        When something came from them last is not known any more, but that it was not before they came online.
        """
        now = self._clock.now_ms()
        for device in devices:
            await self._products.find_id(device.product_id)
            self._status(device, online=False, at=now, last=device.online_at or now, reason=CLOSED)
        await self._durable("offline")

    async def changed(self, action: bodies.Action, devices: Sequence[Device]) -> None:
        """Forward what was done to devices, durable before it is acknowledged, as ``DeviceService.on_life``.

        It has been done by then, so a log that cannot be written does not make it fail; that is logged and counted. If
        the node dies between both, the message is lost.
        """
        now = self._clock.now_ms()
        forwarded = False
        for device in devices:
            topic = f"/{device.product_key}/{device.name}/thing/lifecycle"
            if self._forwarder.wanted(Kind.LIFECYCLE, device.product_id, topic):
                product = await self._products.find_id(device.product_id)
                if product is not None:
                    source = device.source(product.device_type)
                    body = bodies.lifecycle(source, action, now, device.secret)
                    self._forwarder.forward(Kind.LIFECYCLE, source, topic, body, generated=now)
                    forwarded = True
        if forwarded:
            await self._durable(action)

    async def _durable(self, action: str) -> None:
        try:
            await self._forwarder.durable()
        except Exception as error:  # noqa: BLE001 - whatever it was, the change itself is done
            _log.error("a change of devices was not forwarded", action=action, error=repr(error))

    async def settled(self) -> None:
        """Return when changes of state that had to wait are forwarded."""
        await self._background.settled()

    def _status(self, device: Device, *, online: bool, at: int, last: int, reason: int | None) -> None:
        topic = f"/as/mqtt/status/{device.product_key}/{device.name}"
        if not self._forwarder.wanted(Kind.STATUS, device.product_id, topic):
            return
        ip = device.ip or ""

        def forward(product: Product | None) -> None:
            if product is not None:
                source = device.source(product.device_type)
                body = bodies.status(source, online=online, at=at, last=last, ip=ip, reason=reason)
                self._forwarder.forward(Kind.STATUS, source, topic, body, generated=at)

        product = self._products.cached_id(device.product_id)
        if product is not None:
            forward(product)
            return

        async def find() -> None:
            forward(await self._products.find_id(device.product_id))

        self._background.run(find())
