"""How parts of the platform reach each other without knowing each other: events, and downlink to devices."""

from thingplane.bus.background import Background
from thingplane.bus.downlink import (
    Audience,
    ConnectionLostError,
    DeviceBusyError,
    DeviceOfflineError,
    Downlink,
    DownlinkMessage,
    Receiver,
    RequestTimeoutError,
    SubscriptionRefusedError,
)
from thingplane.bus.events import Bus, LocalBus

__all__ = [
    "Audience",
    "Background",
    "Bus",
    "ConnectionLostError",
    "DeviceBusyError",
    "DeviceOfflineError",
    "Downlink",
    "DownlinkMessage",
    "LocalBus",
    "Receiver",
    "RequestTimeoutError",
    "SubscriptionRefusedError",
]
