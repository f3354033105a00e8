"""Telling devices whether their log is wanted (device-protocol reference, 8.3)."""

from thingplane import ids
from thingplane.alink import write_request
from thingplane.bus import Downlink, DownlinkMessage
from thingplane.device_logs.service import DeviceLogs
from thingplane.devices.service import DeviceService
from thingplane.storage.polling import Poller


class DeviceLogNotices:
    """Tells devices that are online when their log is wanted, or not any more; the others ask when they connect."""

    def __init__(
        self, logs: DeviceLogs, devices: DeviceService, downlink: Downlink, *, poll_interval_s: float = 1.0
    ) -> None:
        """Wire; ``start`` has to be awaited before anybody is told.

        Args:
            logs: knows whose log is wanted.
            devices: the service of devices.
            downlink: the way to them.
            poll_interval_s: seconds after which a switch by the command line is noticed.
        """
        self._logs = logs
        self._devices = devices
        self._downlink = downlink
        self._poller = Poller("device log switches", logs.switched, self._tell, poll_interval_s)

    async def start(self) -> None:
        """Begin to look for switches."""
        await self._poller.start()

    async def close(self) -> None:
        """Look for switches no longer."""
        await self._poller.stop()

    async def refresh(self) -> None:
        """Tell devices of switches since the last look."""
        await self._poller.refresh()

    async def _tell(self) -> None:
        for device_id, enabled in await self._logs.unannounced():
            device = await self._devices.by_id(device_id)
            if device is not None:
                payload = write_request(ids.message_id(), "thing.config.log.push", mode(enabled=enabled))
                topic = f"/sys/{device.product_key}/{device.name}/thing/config/log/push"
                await self._downlink.send(DownlinkMessage(device_id=device_id, topic=topic, payload=payload))
            await self._logs.announced(device_id, enabled=enabled)


def mode(*, enabled: bool) -> bytes:
    """Return what a device is told about its log, JSON text of an object."""
    return b'{"getType":"content","content":{"mode":%d}}' % enabled
