"""Log lines that somebody causes again and again."""

import contextlib

import pytest
import structlog

from tests.observability.test_logs import lines
from thingplane.observability.flood import FloodGuard


class Writer:
    """Writes lines through a guard with a clock of its own."""

    def __init__(self, limit: int) -> None:
        self.now = 100.0
        self.written: list[dict[str, object]] = []
        self._guard = FloodGuard(limit, lambda: self.now)

    def write(self, event: str, **values: object) -> None:
        with contextlib.suppress(structlog.DropEvent):
            self.written.append(dict(self._guard(None, "info", {"event": event, **values})))


@pytest.fixture
def writer() -> Writer:
    return Writer(limit=3)


def test_so_many_lines_of_one_kind_are_written_in_a_second(writer: Writer) -> None:
    for number in range(1000):
        writer.write("refused", user=str(number))
        writer.now += 0.0005
    assert [line["user"] for line in writer.written] == ["0", "1", "2"]


def test_lines_of_other_kinds_are_written_meanwhile(writer: Writer) -> None:
    for _ in range(10):
        writer.write("refused")
    writer.write("connected")
    assert writer.written[-1] == {"event": "connected"}


def test_the_next_line_tells_how_many_were_left_out(writer: Writer) -> None:
    for _ in range(10):
        writer.write("refused")
    writer.now += 1
    writer.write("refused")
    writer.write("refused")
    assert writer.written[3:] == [{"event": "refused", "suppressed": 7}, {"event": "refused"}]


def test_texts_without_end_take_no_memory_without_end(writer: Writer) -> None:
    for number in range(5000):
        writer.write(f"text {number}")
    assert len(writer._guard._seen) <= 1000


def test_a_node_s_lines_go_through_it() -> None:
    written = lines("for n in range(5000):\n    log.warning('refused', number=n)\nlog.info('ready')")
    assert 50 <= len(written) < 500
    assert written[-1]["event"] == "ready"
