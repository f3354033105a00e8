"""Random histories against a list in memory that does the obvious thing."""

import random
from pathlib import Path

import pytest
from tests.common.clock import FakeClock
from tests.storage.timeseries.helpers import DAY, NOW, commit

from thingplane.storage.timeseries import Kind, Point, TimeSeries, seal
from thingplane.storage.timeseries.embedded import EmbeddedTimeSeries, Options, files
from thingplane.storage.timeseries.interface import kinds_of
from thingplane.storage.timeseries.postgres import PostgresTimeSeries

NAMES = ["a", "b", "c", "ü", "Z"]


class Model:
    """What a store should answer."""

    def __init__(self) -> None:
        self.rows: list[tuple[int, Kind, int, int, str, bytes]] = []

    def append(self, device: int, kind: Kind, points: dict[str, tuple[int, bytes]], arrival: int) -> None:
        self.rows += [(device, kind, time, arrival, name, value) for name, (time, value) in points.items()]

    def query(  # noqa: PLR0917  as the interface
        self, device: int, kind: Kind, names: list[str] | None, start: int, end: int, limit: int, *, ascending: bool
    ) -> list[Point]:
        found = sorted(
            (time, arrival, name, value)
            for owner, what, time, arrival, name, value in self.rows
            if owner == device and what in kinds_of(kind) and start <= time <= end and (names is None or name in names)
        )
        if not ascending:
            found.reverse()
        return [Point(name, time, value) for time, _, name, value in found[:limit]]

    def latest(self, device: int) -> dict[str, Point]:
        rows = sorted(row[2:] for row in self.rows if row[:2] == (device, Kind.PROPERTY))
        return {name: Point(name, time, value) for time, _, name, value in rows}


async def run_seal(directory: Path, *arguments: str) -> None:
    if arguments[0] == "hot":
        seal.seal(directory, int(arguments[1]))
    else:
        seal.merge(directory, int(arguments[1]), arguments[2:])


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("kind", ["embedded", "postgres"])
async def test_answers_as_the_model(  # noqa: PLR0917  fixtures
    kind: str,
    seed: int,
    tmp_path: Path,
    clock: FakeClock,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(files, "run_seal", run_seal)
    url = request.getfixturevalue("postgres_url") if kind == "postgres" else ""

    def create() -> TimeSeries:
        if kind == "postgres":
            return PostgresTimeSeries(url, clock)
        return EmbeddedTimeSeries(tmp_path / "history", clock, Options(merge_files=3, open_files=2))

    choice, model, store, arrival = random.Random(seed), Model(), create(), 0
    await store.open()
    for step in range(40):
        for _ in range(choice.randrange(60)):
            now, arrival = clock.now_ms(), arrival + 1
            points: dict[str, tuple[int, bytes]] = {}
            parts: list[bytes] = []
            for name in choice.sample(NAMES, choice.randrange(1, 4)):
                value = str(choice.randrange(1000)).encode()
                time = choice.choice([now, now, now, now - choice.randrange(50), NOW + choice.randrange(-3, 60) * DAY])
                points[name] = (time, value)
                timed = b'{"value":%s,"time":%d}' % (value, time)
                parts.append(b'"%s":%s' % (name.encode(), value if time == now and choice.random() < 0.8 else timed))
            device, what = choice.randrange(1, 4), choice.choice(list(Kind))
            store.append(device, what, now, b"{" + b",".join(parts) + b"}")
            model.append(device, what, points, arrival)
            clock.advance(choice.choice([0, 0.001, 0.02]))
        await commit(store)
        action = choice.randrange(8)
        if action == 0:
            clock.advance(86_400 * choice.random() * 2)
        elif action == 1 and isinstance(store, EmbeddedTimeSeries):
            await store.seal()
        elif action == 2:
            await store.close()
            store = create()
            await store.open()
        elif action == 3:
            await store.retire(NOW - 10 * DAY)
        for _ in range(6):
            device, what = choice.randrange(1, 5), choice.choice(list(Kind))
            names = None if choice.random() < 0.3 else choice.sample(NAMES, choice.randrange(1, 4))
            times = [row[2] for row in model.rows] or [0]
            start, end = sorted((choice.choice([-(2**60), *times]), choice.choice([2**60, *times])))
            start, end = choice.choice([(start, end), (-(2**60), 2**60), (NOW, 2**60)])
            limit, ascending = choice.choice([1, 3, 20, 5000]), choice.random() < 0.5
            assert await store.query(device, what, names, start, end, limit, ascending=ascending) == model.query(
                device, what, names, start, end, limit, ascending=ascending
            ), (step, device, what, names, start, end, limit, ascending)
            assert await store.latest(device) == model.latest(device), (step, device)
    await store.close()
