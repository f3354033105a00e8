"""What events about devices change in memory: those of this node and those of others alike."""

from thingplane.bus import Bus
from thingplane.devices.directory import DeviceDirectory
from thingplane.devices.events import (
    DeviceDeleted,
    DeviceDisabled,
    DeviceEnabled,
    DeviceMoved,
    DeviceReset,
    DeviceSelfRegistered,
    NicknamesChanged,
)
from thingplane.devices.presence import Presence
from thingplane.devices.record import Device


class Changes:
    """Keeps the devices in memory as the database has them."""

    def __init__(self, bus: Bus, directory: DeviceDirectory, presence: Presence) -> None:
        """Listen."""
        self._directory = directory
        self._presence = presence
        bus.subscribe(DeviceDeleted, self._deleted)
        bus.subscribe(DeviceDisabled, self._disabled)
        bus.subscribe(DeviceEnabled, self._enabled)
        bus.subscribe(DeviceMoved, self._moved)
        bus.subscribe(DeviceReset, self._reset)
        bus.subscribe(NicknamesChanged, self._renamed)
        bus.subscribe(DeviceSelfRegistered, self._self_registered)

    def _deleted(self, event: DeviceDeleted) -> None:
        device = self._directory.cached_id(event.device_id)
        if device is not None:
            # Who has just looked it up, to let it connect, must not do so any more.
            device.enabled = False
        self._directory.drop(event.device_id)
        self._presence.drop(event.device_id)

    def _disabled(self, event: DeviceDisabled) -> None:
        device = self._changed(event.device_id)
        if device is not None:
            device.enabled = False
            device.switched_at = device.modified_at = event.at

    def _enabled(self, event: DeviceEnabled) -> None:
        device = self._changed(event.device_id)
        if device is not None:
            device.enabled = True
            device.switched_at = device.modified_at = event.at

    def _moved(self, event: DeviceMoved) -> None:
        device = self._changed(event.device_id)
        if device is not None:
            device.instance_id = event.instance_id
            device.product_id = event.product_id
            device.modified_at = event.at

    def _reset(self, event: DeviceReset) -> None:
        device = self._changed(event.device_id)
        if device is not None:
            device.activated_at = device.online_at = device.offline_at = device.ip = None
            device.switched_at = device.modified_at = event.at

    def _renamed(self, event: NicknamesChanged) -> None:
        for device_id, nickname in event.nicknames.items():
            device = self._changed(device_id)
            if device is not None:
                device.nickname = nickname
                device.modified_at = event.at

    def _self_registered(self, event: DeviceSelfRegistered) -> None:
        device = self._changed(event.device_id)
        if device is not None:
            device.self_registered = True

    def _changed(self, device_id: int) -> Device | None:
        self._directory.changed(device_id)
        return self._directory.cached_id(device_id)
