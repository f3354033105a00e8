"""``thingplane ota status`` on a terminal; in a pipe, tests/e2e/test_updates.py tries it on a node."""

import io
from typing import Any

import pytest
from rich.console import Console

from thingplane.cli import ota


class Client:
    """Answers as a node whose batch goes on with every look."""

    def __init__(self) -> None:
        self.looks = 0

    def call(self, action: str, parameters: dict[str, Any]) -> dict[str, Any]:
        assert parameters["JobId"] == "job"
        if action == "QueryOTAJob":
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


def test_it_looks_until_the_batch_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    client = Client()
    waited: list[float] = []
    monkeypatch.setattr(ota, "target", lambda *_: ())
    monkeypatch.setattr(ota, "CloudClient", lambda: client)
    monkeypatch.setattr(ota, "is_terminal", lambda: True)
    monkeypatch.setattr(ota, "console", Console(file=io.StringIO(), width=100))
    monkeypatch.setattr("time.sleep", waited.append)
    ota.status("job")
    assert (client.looks, waited) == (3, [ota.INTERVAL_S, ota.INTERVAL_S])
