"""Running the child process that seals and merges."""

import asyncio
import fcntl
import os
import sys
import time
from pathlib import Path

from thingplane.storage.timeseries.embedded import layout
from thingplane.storage.timeseries.errors import TimeSeriesError

_ORPHAN_TIMEOUT_S = 10.0


async def run_seal(directory: Path, *arguments: str) -> None:
    """Run one job of ``seal`` to its end; a cancelled one is killed and waited for.

    Raises:
        TimeSeriesError: The job failed; nothing has changed.
    """
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "thingplane.storage.timeseries.seal", str(directory), *arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        # Sorting spills to temporary files as large as the history at hand: beside it, not in a small /tmp.
        env={**os.environ, "SQLITE_TMPDIR": str(directory)},
    )
    assert child.stderr is not None  # noqa: S101  it is a pipe
    try:
        errors = await child.stderr.read()
        status = await child.wait()
    except BaseException:
        if child.returncode is None:
            child.kill()
            await child.wait()
        raise
    if status:
        lines = errors.decode(errors="replace").strip().splitlines()
        raise TimeSeriesError(f"Sealing history failed: {lines[-1] if lines else f'exit status {status}'}")


def wait_for_orphan(directory: Path) -> None:
    """Wait until the sealing process of a node that was killed has noticed and ended.

    Raises:
        TimeSeriesError: It does not end.
    """
    deadline = time.monotonic() + _ORPHAN_TIMEOUT_S
    with (directory / layout.SEAL_LOCK).open("w") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                if time.monotonic() > deadline:
                    raise TimeSeriesError(f"Another process still writes to {directory}") from error
                time.sleep(0.02)
            else:
                return
