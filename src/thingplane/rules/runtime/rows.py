"""Messages as rows, for all rules that see them at the same time; and the tags that some of them ask for."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from thingplane.bus import Bus
from thingplane.clock import Clock
from thingplane.devices.service import DeviceDeleted, DeviceService, DeviceTagsChanged
from thingplane.forwarding.message import Forwarded
from thingplane.products.service import Product
from thingplane.rules.sql import Row

MAX_DEVICES: Final = 10_000
"""Devices whose tags are kept."""


class Rows:
    """Gives the row of a message, the same one within a turn of the loop: its payload is parsed once."""

    def __init__(self, clock: Clock, bus: Bus, devices: DeviceService) -> None:
        """Start with nothing.

        Args:
            clock: tells when rules run.
            bus: tells when tags change.
            devices: know their tags.
        """
        self._now = clock.now_ms
        self._devices = devices
        self._categories: dict[str, str] = {}
        self._rows: dict[int, Row] = {}
        self._tags: dict[int, Mapping[str, str]] = {}
        self._changes = 0
        bus.subscribe(DeviceTagsChanged, self._forget)
        bus.subscribe(DeviceDeleted, self._forget)

    def of(self, message: Forwarded) -> Row:
        """Return the row of a message."""
        rows = self._rows
        row = rows.get(message.position)
        if row is None:
            if not rows:
                asyncio.get_running_loop().call_soon(rows.clear)
            category = self._categories.get(message.product_key, "")
            row = rows[message.position] = Row(message, self._now(), category, self._tags.get(message.device_id))
        return row

    def learn(self, product: Product) -> None:
        """Remember the category of a product, which never changes."""
        self._categories[product.product_key] = product.device_type

    def knows_tags(self, messages: Sequence[Forwarded]) -> bool:
        """Tell whether the tags of the messages' devices are in memory."""
        return all(message.device_id in self._tags for message in messages)

    async def load_tags(self, messages: Iterable[Forwarded]) -> None:
        """Read the tags of the messages' devices, as far as they are not in memory.

        Raises:
            SQLAlchemyError: the database is away.
        """
        missing = {message.device_id for message in messages} - self._tags.keys()
        while missing:
            changes = self._changes
            found = await self._devices.tags.of(list(missing))
            # What was read before a change must not be kept after it.
            if changes == self._changes:
                if len(self._tags) + len(missing) > MAX_DEVICES:
                    self._tags.clear()
                self._tags.update((device_id, found.get(device_id, {})) for device_id in missing)
                self._rows.clear()
                return

    def _forget(self, event: DeviceTagsChanged | DeviceDeleted) -> None:
        self._changes += 1
        self._tags.pop(event.device_id, None)
