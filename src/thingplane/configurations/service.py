"""Remote configuration of a node: who gets which, and pushes that the command line has asked for."""

import asyncio
from typing import Final

import msgspec
import structlog

from thingplane import ids
from thingplane.alink import Identity, write_request
from thingplane.bus import Audience, Downlink, DownlinkMessage
from thingplane.configurations.store import Configuration, ConfigurationStore, Push
from thingplane.files.service import Downloads
from thingplane.products.service import ProductService
from thingplane.storage.polling import Poller

LIFETIME_S: Final = 1800
"""Seconds that the URL of a configuration is valid."""
SWITCHED_OFF: Final = 6713
NOTHING_SAVED: Final = 6710

_AT_ONCE: Final = 100
"""Devices that are sent to before others get a turn of the loop."""

_log = structlog.get_logger(__name__)


class NoConfigurationError(Exception):
    """A device gets no configuration."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class ConfigurationService:
    """Tells devices where their product's configuration is."""

    def __init__(
        self,
        store: ConfigurationStore,
        products: ProductService,
        downloads: Downloads,
        downlink: Downlink,
        audience: Audience,
        *,
        poll_interval_s: float = 1.0,
    ) -> None:
        """Wire the service; ``start`` has to be awaited before anything is pushed.

        Args:
            store: the configurations.
            products: whose they are.
            downloads: makes URLs, and serves what they name.
            downlink: the way to devices.
            audience: tells which of them are online.
            poll_interval_s: seconds after which a push that was asked for begins.
        """
        self._store = store
        self._products = products
        self._downloads = downloads
        self._downlink = downlink
        self._audience = audience
        self._poller = Poller("configuration pushes", store.pushes, self._push_all, poll_interval_s)

    async def start(self) -> None:
        """Begin to look for pushes."""
        await self._poller.start()

    async def close(self) -> None:
        """Look for pushes no longer."""
        await self._poller.stop()

    async def refresh(self) -> None:
        """Do the pushes that were asked for since the last look."""
        await self._poller.refresh()

    async def announcement(self, device: Identity) -> bytes:
        """Return what a device is told of its product's configuration, JSON text of an object.

        Raises:
            NoConfigurationError: 6710 nothing is saved, 6713 it is turned off.
        """
        if not await self._store.enabled(device.product_id):
            raise NoConfigurationError(SWITCHED_OFF, "remote configuration is turned off")
        current = await self._store.current(device.product_id)
        if current is None:
            raise NoConfigurationError(NOTHING_SAVED, "the product has no configuration")
        return self._describe(current)

    async def category(self, product_id: int) -> str:
        """Return the device type of a product; empty when it is gone."""
        product = await self._products.find_id(product_id)
        return "" if product is None else product.device_type

    def _describe(self, configuration: Configuration) -> bytes:
        return msgspec.json.encode(
            {
                "configId": configuration.config_id,
                "configSize": configuration.size,
                "sign": configuration.sha256,
                "signMethod": "Sha256",
                "url": self._downloads.url(configuration.blob, "config.json", LIFETIME_S),
                "getType": "file",
            }
        )

    async def _push_all(self) -> None:
        for push in await self._store.waiting():
            sent = await self._push(push)
            await self._store.pushed(push, sent)
            _log.info("configuration pushed", product=push.product_id, devices=sent)

    async def _push(self, push: Push) -> int:
        current = await self._store.current(push.product_id)
        if current is None or not await self._store.enabled(push.product_id):
            return 0
        sent = 0
        for position, receiver in enumerate(self._audience.online(push.product_id), 1):
            payload = write_request(ids.message_id(), "thing.config.push", self._describe(current))
            topic = f"/sys/{receiver.product_key}/{receiver.name}/thing/config/push"
            message = DownlinkMessage(
                device_id=receiver.device_id, topic=topic, payload=payload, qos=1, expiry=LIFETIME_S
            )
            sent += await self._downlink.send(message)
            if position % _AT_ONCE == 0:
                await asyncio.sleep(0)
        return sent
