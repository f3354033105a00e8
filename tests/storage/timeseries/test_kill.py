"""kill -9 of a writing node: everything acknowledged is there, once, and nothing is there in part."""

import subprocess
import sys
from pathlib import Path

import pytest
from tests.storage.timeseries.helpers import values
from tests.storage.timeseries.writer import create


def write_and_kill(place: str, messages: int) -> int:
    """Return the last number acknowledged."""
    program = Path(__file__).with_name("writer.py")
    writer = subprocess.Popen([sys.executable, program, place], stdout=subprocess.PIPE)
    assert writer.stdout is not None
    acknowledged = 0
    for line in writer.stdout:
        acknowledged = int(line)
        if acknowledged >= messages:
            break
    writer.kill()
    *_, last = (acknowledged, *map(int, writer.stdout.read().split()))
    writer.stdout.close()
    writer.wait()
    return last


@pytest.mark.parametrize(
    ("kind", "messages"), [("embedded", 400), ("embedded", 900), ("embedded", 3000), ("postgres", 300)]
)
async def test_acknowledged_messages_survive(
    kind: str, messages: int, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    place = request.getfixturevalue("postgres_url") if kind == "postgres" else str(tmp_path / "history")
    acknowledged = write_and_kill(place, messages)
    store = create(place)
    await store.open()
    found: list[int] = []
    for device in range(1, 8):
        points = await values(store, device=device, limit=10**6)
        assert [point.identifier for point in points] == ["n", "twice"] * (len(points) // 2)
        assert [point.value for point in points[::2]] == [point.value for point in points[1::2]]
        latest = await store.latest(device)
        assert latest["n"] == points[-2]
        found += [int(point.value) for point in points[::2]]
    await store.close()
    assert acknowledged >= messages
    assert len(found) >= acknowledged
    assert sorted(found) == list(range(len(found)))
