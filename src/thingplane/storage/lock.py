"""The data directory: one node at a time, of a format this version understands."""

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Self

FORMAT = 1
"""Version of what is in a data directory, written to its file ``version``."""


class DataDirectoryError(Exception):
    """The data directory cannot be used; the message is one line for the operator."""


class DataDirectory:
    """Exclusive use of a data directory, from construction until ``release`` or the end of the process.

    ``node.lock`` is locked with flock, so the lock of a node that was killed is gone with it; the file itself stays.
    It holds the process id of the node, as decimal text.
    """

    def __init__(self, path: Path) -> None:
        """Create the directory if need be, check it, and lock it.

        Raises:
            DataDirectoryError: It cannot be created or written, another node uses it, or it was written by a newer
                version. An existing directory is left as it was.
        """
        self.path = path
        try:
            _check_format(path)
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not os.access(path, os.W_OK | os.X_OK):
                raise DataDirectoryError(f"Data directory {path} is not writable")
            self._descriptor = _lock(path)
            try:
                _check_format(path)  # again: another node may have been first
                _write_format(path)
            except BaseException:
                self.release()
                raise
        except OSError as error:
            raise DataDirectoryError(f"Data directory {path} cannot be used: {error.strerror}") from error

    def release(self) -> None:
        """Let another node use the directory."""
        os.close(self._descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.release()


def _check_format(path: Path) -> None:
    try:
        text = (path / "version").read_text(encoding="ascii", errors="replace").strip()
    except FileNotFoundError:
        return
    if not (text.isascii() and text.isdecimal()):
        raise DataDirectoryError(f"{path / 'version'} does not hold a format version")
    if int(text) > FORMAT:
        raise DataDirectoryError(
            f"Data directory {path} has format {text}, of a newer version of Thingplane; this one knows {FORMAT}"
        )


def _write_format(path: Path) -> None:
    version = path / "version"
    if version.exists():
        return
    temporary = path / "version.tmp"
    with temporary.open("w", encoding="ascii") as file:
        file.write(f"{FORMAT}\n")
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(version)


def _lock(path: Path) -> int:
    descriptor = os.open(path / "node.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(descriptor, 32, 0).decode(errors="replace").strip()
            raise DataDirectoryError(
                f"Data directory {path} is in use by {f'process {holder}' if holder else 'another process'}"
            ) from error
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor
