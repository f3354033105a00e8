"""``thingplane ota status`` on a terminal; in a pipe, tests/e2e/test_updates.py tries it on a node."""

import io
import json
import re
from typing import Any

import pytest
from rich.console import Console

from thingplane.cli import CommandError, ota
from thingplane.cloud.client import CallError


class Client:
    """Answers as a node whose batch goes on with every look."""

    def __init__(self, *gone: int, error: Exception | None = None) -> None:
        self.looks = 0
        self._gone = list(gone)
        self._error = error or ConnectionRefusedError("nobody listens")

    def call(self, action: str, parameters: dict[str, Any]) -> dict[str, Any]:
        assert parameters["JobId"] == "job"
        if action == "QueryOTAJob":
            if self._gone and self.looks == self._gone[0]:
                self._gone.pop(0)
                raise self._error
            self.looks += 1
            status = "COMPLETED" if self.looks == 3 else "IN_PROGRESS"
            return {"Success": True, "Data": {"JobId": "job", "JobStatus": status, "Name": "fw", "DestVersion": "2.0"}}
        counts = {"SUCCEEDED": self.looks, "QUEUED": 3 - self.looks}
        return {"Success": True, "Total": counts.get(parameters["TaskStatus"], 0)}


def drawn(counts: dict[str, int]) -> str:
    console = Console(file=io.StringIO(), width=100)
    console.print(ota.drawing({"Name": "fw", "DestVersion": "2.0", "JobStatus": "IN_PROGRESS"}, counts))
    text: str = console.file.getvalue()  # type: ignore[attr-defined]
    return text


def test_a_bar_for_every_state() -> None:
    text = drawn({"SUCCEEDED": 3, "FAILED": 1})
    lines = text.splitlines()
    assert lines[0].split() == ["fw", "to", "2.0", "IN_PROGRESS", "4", "devices"]
    assert [line.split()[0] for line in lines[1:]] == list(ota.STATES)
    assert lines[5].split()[-2:] == ["3", "75.0%"]
    assert lines[6].split()[-2:] == ["1", "25.0%"]


def test_a_batch_without_devices() -> None:
    assert "0 devices" in drawn({})


@pytest.fixture
def waited(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    waited: list[float] = []
    monkeypatch.setattr("time.sleep", waited.append)
    monkeypatch.setattr(ota, "target", lambda *_: ())
    return waited


def watch(monkeypatch: pytest.MonkeyPatch, client: Client) -> str:
    """Return what a terminal gets."""
    console = Console(file=io.StringIO(), width=100, force_terminal=True)
    monkeypatch.setattr(ota, "CloudClient", lambda: client)
    monkeypatch.setattr(ota, "is_terminal", lambda: True)
    monkeypatch.setattr(ota, "console", console)
    ota.status("job")
    text: str = console.file.getvalue()  # type: ignore[attr-defined]
    return text


def test_bars_grow_until_the_batch_is_over(monkeypatch: pytest.MonkeyPatch, waited: list[float]) -> None:
    client = Client()
    text = watch(monkeypatch, client)
    assert (client.looks, waited) == (3, [ota.INTERVAL_S, ota.INTERVAL_S])
    shares = re.findall(r"SUCCEEDED[^\n]*?([0-9.]+)%", text)
    assert list(dict.fromkeys(shares)) == ["33.3", "66.7", "100.0"]
    assert text.count("\x1b[1A") >= 2 * len(ota.STATES), "drawn in the same place"


def test_a_node_that_restarts_is_waited_for(monkeypatch: pytest.MonkeyPatch, waited: list[float]) -> None:
    text = watch(monkeypatch, Client(1, 1, 2))
    assert len(waited) == 5
    assert text.count("does not answer: nobody listens") == 3
    assert "100.0%" in text


@pytest.mark.parametrize(
    "error", [CallError(400, "Throttling.User", "too many"), CallError(503, "ServiceUnavailable", "wait")]
)
def test_so_is_one_that_is_busy(monkeypatch: pytest.MonkeyPatch, waited: list[float], error: CallError) -> None:
    assert error.code in watch(monkeypatch, Client(1, error=error))
    assert len(waited) == 3


def test_a_batch_that_is_gone_ends_it(monkeypatch: pytest.MonkeyPatch, waited: list[float]) -> None:
    with pytest.raises(CommandError, match="Forbidden"):
        watch(monkeypatch, Client(1, error=CallError(403, "Forbidden.RAM", "no")))
    assert len(waited) == 1


def test_a_pipe_gets_one_document(
    monkeypatch: pytest.MonkeyPatch, waited: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    client = Client()
    monkeypatch.setattr(ota, "CloudClient", lambda: client)
    ota.status("job")
    shown = json.loads(capsys.readouterr().out)
    assert (shown["JobStatus"], shown["Total"]) == ("IN_PROGRESS", 3)
    assert shown["Tasks"] == {**dict.fromkeys(ota.STATES, 0), "SUCCEEDED": 1, "QUEUED": 2}
    assert (client.looks, waited) == (1, [])


def test_a_node_that_was_never_there_is_an_error(monkeypatch: pytest.MonkeyPatch, waited: list[float]) -> None:
    with pytest.raises(CommandError, match="nobody listens"):
        watch(monkeypatch, Client(0))
    assert waited == []
