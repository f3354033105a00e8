"""Who is there: a device that has reported within ten minutes counts as online (device-protocol, 10.2)."""

from collections import OrderedDict
from typing import Final

from thingplane.devices.service import Device, DeviceService

LASTING_S: Final = 600.0


class Visits:
    """Devices by their last report, the oldest first; as many as fit."""

    def __init__(self, devices: DeviceService, limit: int) -> None:
        self._devices = devices
        self._limit = limit
        self._until: OrderedDict[int, tuple[float, Device]] = OrderedDict()

    def seen(self, device: Device, ip: str, now: float) -> None:
        """Take note of a report.

        Args:
            device: whose.
            ip: its address.
            now: s of a clock that never goes back.
        """
        known = self._until.pop(device.id, None)
        self._until[device.id] = (now + LASTING_S, device)
        if known is None:
            self._devices.connected(device, ip)
            if len(self._until) > self._limit:
                self._leave()

    def tick(self, now: float) -> None:
        """Take note of those who have been silent for too long."""
        while self._until and next(iter(self._until.values()))[0] <= now:
            self._leave()

    def leave(self, device_id: int) -> None:
        """Take note that a device is gone."""
        known = self._until.pop(device_id, None)
        if known is not None:
            self._devices.disconnected(known[1])

    def close(self) -> None:
        """Take note that nobody is there any more."""
        while self._until:
            self._leave()

    def _leave(self) -> None:
        _, (_, device) = self._until.popitem(last=False)
        self._devices.disconnected(device)
