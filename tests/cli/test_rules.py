"""``thingplane rule test``."""

import io
from pathlib import Path
from typing import Any

import msgspec
import pytest

from thingplane.cli import main, output, rules


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """Run the command and return its exit status and what it printed."""
    with pytest.raises(SystemExit) as ended:
        main(["rule", "test", *arguments])
    assert isinstance(ended.value.code, int)
    return ended.value.code, capsys.readouterr().out


def document(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, Any]:
    status, out = run(capsys, *arguments)
    return status, msgspec.json.decode(out)


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a person read stdout."""
    for module in (output, rules):
        monkeypatch.setattr(module, "is_terminal", lambda: True)


def test_columns_of_a_sample(capsys: pytest.CaptureFixture[str]) -> None:
    given = ("--select", "deviceName() as dn, t, attribute('room') as room", "--where", "t > 1", "--tag", "room=101")
    status, found = document(capsys, *given, "--payload", '{"t":2}', "--topic", "/a1pk/dev7/user/update")
    assert (status, found) == (0, {"matches": True, "result": {"dn": "dev7", "t": 2, "room": "101"}})
    assert document(capsys, *given, "--payload", '{"t":1}') == (0, {"matches": False})
    given = ("--select", "user_property('site') as site", "--user-property", "site=north", "--payload", "{}")
    assert document(capsys, *given)[1]["result"] == {"site": "north"}


def test_the_device_of_a_status_topic(capsys: pytest.CaptureFixture[str]) -> None:
    topic = "/as/mqtt/status/a1pk/dev7"
    given = ("--select", "productKey() as pk, deviceName() as dn", "--payload", "{}", "--topic", topic)
    assert document(capsys, *given)[1]["result"] == {"pk": "a1pk", "dn": "dev7"}


def test_a_system_topic_as_the_device_writes_it(capsys: pytest.CaptureFixture[str]) -> None:
    topic = "/sys/a1pk/dev7/thing/event/property/post"
    given = ("--select", "deviceName() as dn, topic() as t", "--payload", "{}", "--topic", topic)
    assert document(capsys, *given)[1]["result"] == {"dn": "dev7", "t": topic.removeprefix("/sys")}


def test_the_place_of_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    status, found = document(capsys, "--select", "a, upper(b) as c", "--payload", '{"b":{}}')
    assert status == 1
    assert found == {
        "matches": False,
        "error": "An object or array is not text.",
        "clause": "Select",
        "character": 4,
    }
    assert document(capsys, "--where", "a >", "--payload", "{}")[1]["clause"] == "Where"
    status, found = document(capsys, "--payload", "hello")
    assert (status, "clause" in found) == (1, False)


def test_payloads_from_files_and_stdin(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "payload"
    file.write_bytes(b"\x00\xff")
    assert document(capsys, "--binary", "--payload", f"@{file}")[1]["result"] == "0x00ff"
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b'{"a":1}')))
    assert document(capsys, "--payload", "@-")[1]["result"] == {"a": 1}
    with pytest.raises(SystemExit):
        main(["rule", "test", "--payload", "@/nowhere/at/all"])
    assert "No such file" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["rule", "test", "--payload", "{}", "--tag", "room"])
    assert "KEY=VALUE" in capsys.readouterr().err


@pytest.mark.usefixtures("terminal")
def test_a_person_sees_a_table_or_a_mark_under_the_place(capsys: pytest.CaptureFixture[str]) -> None:
    status, out = run(capsys, "--select", "a, b as name", "--payload", '{"a":1,"b":"x"}')
    assert status == 0
    assert "name" in out
    assert "column" in out
    status, out = run(capsys, "--select", "a,\tupper(b)", "--payload", '{"b":{}}')
    assert out.splitlines()[:2] == ["SELECT a, upper(b)", "          ^"]
    assert run(capsys, "--where", "a = 1", "--payload", "{}")[1].startswith("the condition does not hold")
