"""A node for the tests of a module, and commands that run in this process: starting Python for each takes long."""

import json
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest

from tests.common.node import NodeProcess, running_node
from thingplane.cli import main


class Outcome(NamedTuple):
    """What a command did."""

    status: int
    stdout: str
    stderr: str


Invoke = Callable[..., Outcome]


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeProcess]:
    """A node; each test makes what it needs under a name of its own."""
    with running_node(tmp_path_factory.mktemp("node") / "data") as node:
        yield node


@pytest.fixture
def invoke(capsys: pytest.CaptureFixture[str]) -> Invoke:
    """Run a command in this process."""

    def run(*arguments: str) -> Outcome:
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main(list(arguments))
        captured = capsys.readouterr()
        assert isinstance(end.value.code, int)
        return Outcome(end.value.code, captured.out, captured.err)

    return run


@pytest.fixture
def manage(node: NodeProcess, invoke: Invoke) -> Callable[..., Any]:
    """Run a command on the node's data directory, which has to succeed; return the JSON that it prints."""

    def run(*arguments: str) -> Any:
        outcome = invoke(*arguments, "--data-dir", str(node.data_dir))
        assert (outcome.status, outcome.stderr) == (0, "")
        return json.loads(outcome.stdout) if outcome.stdout else None

    return run


@pytest.fixture
def refusal(node: NodeProcess, invoke: Invoke) -> Callable[..., str]:
    """Run a command on the node's data directory, which has to fail; return its one line."""

    def run(*arguments: str) -> str:
        outcome = invoke(*arguments, "--data-dir", str(node.data_dir))
        assert (outcome.status, outcome.stdout) == (1, "")
        (line,) = outcome.stderr.splitlines()
        return line

    return run
