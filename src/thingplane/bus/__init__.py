"""How parts of the platform reach each other without knowing each other: events, and downlink to devices."""

from thingplane.bus.downlink import (
    ConnectionLostError,
    DeviceOfflineError,
    Downlink,
    DownlinkMessage,
    RequestTimeoutError,
)
from thingplane.bus.events import Bus, LocalBus

__all__ = [
    "Bus",
    "ConnectionLostError",
    "DeviceOfflineError",
    "Downlink",
    "DownlinkMessage",
    "LocalBus",
    "RequestTimeoutError",
]
