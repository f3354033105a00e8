"""How many and how large files may be."""

import msgspec


class FileLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Limits of files (device-protocol reference, 8.6 and 12)."""

    files: int = 1000
    """Files of a device."""
    file_bytes: int = 16 * 1024 * 1024
    instance_bytes: int = 1024 * 1024 * 1024
    """All files of an instance together."""
    smallest_block: int = 256
    """Bytes of a block over MQTT, unless it is the last."""
    largest_block: int = 128 * 1024
    open_uploads: int = 10
    """Files of one device that are on their way at the same time."""
    pending_blocks: int = 8
    """Blocks of one device that wait to be stored; further ones are refused."""
    upload_ms: int = 24 * 3600 * 1000
    """Time that an upload may take."""
