"""A disk that is full, and a metadata database that is away."""

from collections.abc import Mapping
from pathlib import Path

import apsw
import pytest
import structlog
from tests.common.clock import FakeClock
from tests.common.forwarding import SOURCE, forwarding

from thingplane.forwarding import saving
from thingplane.forwarding.cursor import Cursor
from thingplane.forwarding.embedded import EmbeddedLog
from thingplane.forwarding.progress import Progress
from thingplane.forwarding.service import Forwarded, Kind
from thingplane.storage.database import Database


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'thingplane.sqlite3'}"


async def test_a_full_disk_forwards_nothing_and_says_so(
    tmp_path: Path, clock: FakeClock, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with forwarding(tmp_path, clock, database) as forwarder:
        one = await forwarder.enroll("group", "1")
        heard: list[Forwarded] = []
        forwarder.listen(one, heard.extend)
        with monkeypatch.context() as patch, structlog.testing.capture_logs() as logs:

            def full(_log: EmbeddedLog, _connection: apsw.Connection) -> None:
                raise apsw.FullError("database or disk is full")

            patch.setattr(EmbeddedLog, "write", full)
            forwarder.forward(Kind.CUSTOM, SOURCE, "/a1pk/dev1/user/x", b"lost", to=[one])
            with pytest.raises(apsw.FullError):
                await forwarder.durable()
        assert forwarder.counters.failed == 1
        assert [line["messages"] for line in logs] == [1]
        forwarder.forward(Kind.CUSTOM, SOURCE, "/a1pk/dev1/user/x", b"kept", to=[one])
        await forwarder.durable()
        assert [message.body for message in await forwarder.read(one, -1, 9)] == [b"kept"]
    async with forwarding(tmp_path, clock, database) as forwarder:
        assert [message.body for message in await forwarder.read(one, -1, 9)] == [b"kept"]


async def test_acknowledgements_that_cannot_be_saved_are_saved_later(
    tmp_path: Path, clock: FakeClock, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(saving, "DELAY_S", 0.001)
    monkeypatch.setattr(saving, "HURRY_S", 0.001)
    async with forwarding(tmp_path, clock, database) as forwarder:
        one = await forwarder.enroll("group", "1")
        for number in range(3):
            forwarder.forward(Kind.CUSTOM, SOURCE, "/a1pk/dev1/user/x", b"%d" % number, to=[one])
        await forwarder.durable()
        await forwarder.acknowledged()
        [first, *_] = await forwarder.read(one, -1, 9)
        with monkeypatch.context() as patch:

            async def away(_progress: Progress, _cursors: Mapping[int, Cursor], _position: int) -> None:
                raise OSError("the database is away")

            patch.setattr(Progress, "save", away)
            forwarder.acknowledge(one, [first.position])
            with pytest.raises(OSError, match="away"):
                await forwarder.acknowledged()
        await forwarder.acknowledged()
        assert forwarder.save_failures >= 1
    async with forwarding(tmp_path, clock, database) as forwarder:
        assert [message.body for message in await forwarder.read(one, -1, 9)] == [b"1", b"2"]
