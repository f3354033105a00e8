"""How many and how large files may be."""

import msgspec


class FileLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Limits of files (device-protocol reference, 8.6 and 12)."""

    files: int = 1000
    """Files of a device."""
    file_bytes: int = 16 * 1024 * 1024
    instance_bytes: int = 1024 * 1024 * 1024
    """All files of an instance together."""
    upload_ms: int = 24 * 3600 * 1000
    """Time that an upload may take."""
