"""A file of a device."""

import msgspec


class DeviceFile(msgspec.Struct, frozen=True, kw_only=True):
    """What the platform knows of a file that a device has uploaded."""

    id: int
    file_id: str
    device_id: int
    name: str
    size: int
    """Bytes."""
    blob: str
    """Key of its content."""
    created_at: int
    """Epoch milliseconds."""
