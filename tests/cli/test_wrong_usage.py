"""Wrong usage and missing nodes: one line on stderr that says what to do, and a status that is not 0."""

import os
from pathlib import Path

import pytest

from tests.cli.conftest import Invoke
from tests.common.cli import run
from tests.common.postgres import free_port


@pytest.fixture
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, without data or settings of anybody."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("THINGPLANE_")]:
        monkeypatch.delenv(name)
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["frobnicate"], "frobnicate"),
        (["call"], "action"),
        (["call", "QueryProduct", "ProductKey"], "name=value"),
        (["call", "QueryProduct", "ProductKey=@missing-file"], "missing-file"),
        (["serve", "--no-such-flag", "1"], "--no-such-flag"),
        (["serve", "--api-port", "many"], "--api-port"),
        (["serve", "--config", "missing.toml"], "missing.toml"),
        (["simulate", "--devices", "0"], "--devices"),
        (["bench", "ingest", "--duration", "0"], "--duration"),
        (["user", "attach", "reader", "mine", "missing.json"], "missing.json"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_usage_is_named_in_one_line(invoke: Invoke, empty_folder: Path, arguments: list[str], named: str) -> None:
    result = invoke(*arguments)
    assert result.status in (1, 2)
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith("thingplane: ")
    assert named in line
    assert list(empty_folder.iterdir()) == []


@pytest.mark.parametrize(
    "command", [["demo"], ["simulate"], ["call", "QueryProductList"], ["key", "list"]], ids=" ".join
)
def test_commands_without_a_node_say_how_to_get_one(invoke: Invoke, empty_folder: Path, command: list[str]) -> None:
    result = invoke(*command)
    assert result.status == 1
    (line,) = result.stderr.splitlines()
    assert "--data-dir" in line
    assert list(empty_folder.iterdir()) == []


def test_endpoint_that_does_not_answer_is_named(invoke: Invoke) -> None:
    endpoint = f"http://127.0.0.1:{free_port()}"
    key = ("--access-key-id", "a", "--access-key-secret", "b")
    result = invoke("call", "QueryProductList", "--endpoint", endpoint, *key)
    assert result.status == 1
    (line,) = result.stderr.splitlines()
    assert endpoint in line


def test_endpoint_that_is_no_url_is_named(invoke: Invoke) -> None:
    key = ("--access-key-id", "a", "--access-key-secret", "b")
    result = invoke("call", "QueryProductList", "--endpoint", "localhost:80", *key)
    assert result.status == 1
    (line,) = result.stderr.splitlines()
    assert "localhost:80" in line


def test_help_and_version_are_no_errors(tmp_path: Path) -> None:
    for arguments in (["--help"], ["serve", "--help"], ["--version"]):
        result = run(*arguments, cwd=tmp_path)
        assert (result.returncode, result.stderr) == (0, "")
        assert result.stdout


def test_help_says_what_every_command_does(tmp_path: Path) -> None:
    lines = [line.strip("│ ").split(maxsplit=1) for line in run("--help", cwd=tmp_path).stdout.splitlines()]
    described = {line[0] for line in lines if len(line) == 2}
    assert {"serve", "call", "device", "ota"} <= described
