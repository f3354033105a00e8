"""`python -m benchmarks.scripts`: messages that data-parsing scripts parse, per CPU-second of their processes."""

import asyncio
import shutil
import time
from typing import Final, NamedTuple

import uvloop

from benchmarks.processes import cpu_seconds
from thingplane.cli.output import print_rows
from thingplane.scripts.language import Function, Language
from thingplane.scripts.pool import ScriptPool
from thingplane.scripts.process import Script

JAVASCRIPT: Final = """
function rawDataToProtocol(bytes) {
    var data = new Uint8Array(bytes.length);
    for (var i = 0; i < bytes.length; i++) data[i] = bytes[i] & 0xff;
    var view = new DataView(data.buffer);
    return {
        method: 'thing.event.property.post', version: '1.0', id: '' + view.getInt32(1),
        params: { temp: view.getInt16(5), sw: data[7] }
    };
}
"""
PYTHON: Final = """
import struct
def raw_data_to_protocol(bytes):
    _, id, temp, sw = struct.unpack(">BIhB", bytearray(bytes))
    return {"method": "thing.event.property.post", "version": "1.0", "id": str(id), "params": {"temp": temp, "sw": sw}}
"""
PHP: Final = """<?php
function rawDataToProtocol($bytes) {
    $data = unpack('Ctype/Nid/ntemp/Csw', pack('C*', ...$bytes));
    $params = ['temp' => $data['temp'], 'sw' => $data['sw']];
    return ['method' => 'thing.event.property.post', 'version' => '1.0', 'id' => "$data[id]", 'params' => $params];
}
"""
MESSAGE: Final = b"[[0,0,0,0,77,255,133,1]]"


class Case(NamedTuple):
    name: str
    script: Script
    devices: int
    """How many wait for an answer at a time."""
    messages: int


CASES: Final = (
    Case("JavaScript, one device", Script(Language.JAVASCRIPT, JAVASCRIPT), 1, 5_000),
    Case("JavaScript, 16 devices", Script(Language.JAVASCRIPT, JAVASCRIPT), 16, 30_000),
    Case("JavaScript, 500 devices", Script(Language.JAVASCRIPT, JAVASCRIPT), 500, 40_000),
    Case("Python, 500 devices", Script(Language.PYTHON, PYTHON), 500, 100_000),
    Case("PHP, 500 devices", Script(Language.PHP, PHP), 500, 2_000),
)


def main() -> None:
    php = shutil.which("php") or ""
    rows = [_measure(case, php) for case in CASES if php or case.script.language is not Language.PHP]
    print_rows(rows, ["script", "messages/cpu-s", "messages/s", "node µs/message"])


def _measure(case: Case, php: str) -> dict[str, object]:
    started, own = time.perf_counter(), time.process_time()
    cpu_s = uvloop.run(_run(case, php))
    seconds, own = time.perf_counter() - started, time.process_time() - own
    return {
        "script": case.name,
        "messages/cpu-s": round(case.messages / cpu_s),
        "messages/s": round(case.messages / seconds),
        "node µs/message": round(own / case.messages * 1e6, 1),
    }


async def _run(case: Case, php: str) -> float:
    """Return the CPU-seconds that the worker processes and their children took, their start included."""
    pool = ScriptPool(2, php)

    async def device() -> None:
        for _ in range(case.messages // case.devices):
            outcome = await pool.run(1, case.script, Function.DECODE, MESSAGE)
            if outcome.fault is not None:
                raise RuntimeError(outcome.reason)

    try:
        await asyncio.gather(*(device() for _ in range(case.devices)))
        return sum(cpu_seconds(pid) for pid in pool.pids)
    finally:
        await pool.close()


if __name__ == "__main__":
    main()
