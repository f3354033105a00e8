"""kill -9 of a forwarding node: nothing that was acknowledged to a device is lost to a subscriber."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.forwarding.writer import DEVICE, create

from thingplane.clock import SystemClock
from thingplane.forwarding.service import Forwarder
from thingplane.storage.database import Database, metadata
from thingplane.storage.migrate import load_tables
from thingplane.storage.timeseries import GroupCommit
from thingplane.storage.timeseries import Kind as HistoryKind

ROOT = Path(__file__).parent.parent.parent


def run_and_kill(messages: int, *arguments: str) -> tuple[int, int]:
    """Return how many messages were forwarded durably, and below which number the even ones were acknowledged so."""
    writer = subprocess.Popen(
        [sys.executable, "-m", "tests.forwarding.writer", *arguments],
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert writer.stdout is not None
    last = {b"F": 0, b"A": 0}
    for line in writer.stdout:
        what, number = line.split()
        last[what] = int(number)
        if last[b"F"] >= messages:
            break
    writer.kill()
    for line in writer.stdout.read().splitlines():
        what, number = line.split()
        last[what] = int(number)
    writer.stdout.close()
    writer.wait()
    return last[b"F"], last[b"A"]


@pytest.mark.parametrize(("kind", "messages"), [("embedded", 250), ("embedded", 2000), ("postgres", 700)])
async def test_nothing_forwarded_is_lost_and_nothing_is_forwarded_without_its_history(
    kind: str, messages: int, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url = request.getfixturevalue("postgres_url") if kind == "postgres" else ""
    load_tables()
    database = Database(url or f"sqlite:///{tmp_path / 'metadata.sqlite3'}")
    async with database.write() as connection:
        await connection.run_sync(metadata.create_all)
    await database.close()

    forwarded, acknowledged = run_and_kill(messages, str(tmp_path), url)
    assert forwarded >= messages

    series, log, database = create(tmp_path, url)
    await series.open()
    forwarder = Forwarder(log, GroupCommit(series), SystemClock(), database)
    await forwarder.start()
    subscriber = await forwarder.enroll("group", "one")
    waiting = await forwarder.read(subscriber, -1, 10**6)
    numbers = [int(message.body) for message in waiting]
    assert len(waiting) == forwarder.waiting(subscriber)
    assert numbers == sorted(set(numbers))
    # Whatever was not acknowledged waits; whatever was acknowledged durably does not.
    assert set(range(1, forwarded, 2)) <= set(numbers)
    assert not {number for number in numbers if number % 2 == 0 and number < acknowledged}
    # What was forwarded has its history, and the other way round.
    points = await series.query(DEVICE, HistoryKind.PROPERTY, ["n"], 0, 2**62, 10**6, ascending=True)
    stored = [int(point.value) for point in points]
    assert stored == list(range(len(stored)))
    assert len(stored) >= forwarded
    assert {number for number in stored if number % 2} == {number for number in numbers if number % 2}
    await forwarder.close()
    await series.close()
    await log.close()
    await database.close()
