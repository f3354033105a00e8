"""An entry of a device's log."""

from enum import StrEnum
from typing import Final

import msgspec


class Source(StrEnum):
    """Who wrote an entry."""

    DEVICE = "device"
    NETWORK = "network"
    """The device, about its network."""
    PLATFORM = "platform"
    """The platform, about a message of the device."""


LEVELS: Final = ("FATAL", "ERROR", "WARN", "INFO", "DEBUG")
OTHER: Final = "OTHER"
"""Shown for any other level."""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One entry."""

    source: Source = Source.DEVICE
    received_at: int
    """Epoch milliseconds."""
    time: str = ""
    """What the device says of the time, usually yyyy-MM-dd'T'HH:mm:ss.SSSZ."""
    level: str = OTHER
    module: str = ""
    code: str = ""
    trace: str = ""
    """Whatever connects entries, such as the id of a message."""
    content: str
