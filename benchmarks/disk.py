"""How long the disk takes to make a write durable: no acknowledgement can be faster."""

import os
import tempfile
import time
from typing import Final

_MEASURE_S: Final = 2.0
_PAUSE_S: Final = 0.002


def sync_times_s() -> list[float]:
    """Return the seconds of some hundred fdatasync calls after writes of 8 kB, on the disk of the temporary folder."""
    times = []
    with tempfile.TemporaryFile(prefix="thingplane-bench-", buffering=0) as file:
        end = time.perf_counter() + _MEASURE_S
        while time.perf_counter() < end:
            file.write(bytes(8192))
            written = time.perf_counter()
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - written)
            time.sleep(_PAUSE_S)
    return times
