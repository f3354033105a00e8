"""Small files that must never be half there."""

import os
from pathlib import Path


def write_file(file: Path, content: bytes, mode: int) -> None:
    """Write a file so that it is there whole or not at all, and never readable by others for a moment.

    Raises:
        OSError: it can't be written.
    """
    temporary = file.with_name(file.name + ".new")
    temporary.unlink(missing_ok=True)
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    temporary.rename(file)
