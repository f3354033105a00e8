"""What the README tells a newcomer to type, as it stands there."""

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.common.cli import run, run_on
from tests.common.node import NodeProcess, running_node

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def fresh_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeProcess]:
    """A node in the folder ``data`` of the working directory, as ``make run`` starts it."""
    with running_node(tmp_path_factory.mktemp("clone") / "data", quota="documented") as node:
        yield node


def commands_of_readme() -> list[list[str]]:
    """Return the commands of the section "First session", without what stands before their names."""
    section = (ROOT / "README.md").read_text().partition("## First session")[2].partition("\n## ")[0]
    lines = [
        line.partition(" #")[0]
        for block in re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
        for line in block.splitlines()
    ]
    return [shlex.split(line.removeprefix(".venv/bin/")) for line in lines]


def test_every_command_of_the_first_session_works(fresh_node: NodeProcess) -> None:
    commands = commands_of_readme()
    assert {command[0] for command in commands} == {"thingplane", "python"}
    cwd = fresh_node.data_dir.parent
    for command in commands:
        # Twenty seconds are for people who watch.
        arguments = ["1" if item == "20" else item for item in command[1:]]
        if command[0] == "thingplane":
            result = run(*arguments, cwd=cwd)
        else:
            script = ROOT / arguments[0]
            result = subprocess.run(
                [sys.executable, "-W", "ignore", script, *arguments[1:]],
                cwd=cwd,
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
        assert result.returncode == 0, f"{command}: {result.stderr}"
        assert result.stderr == "", command
        assert result.stdout
        if command[0] == "python":
            assert re.search(r"\d\d:\d\d:\d\d -?[\d.]+ °C", result.stdout)


def test_demo_twice_gives_the_same_device(fresh_node: NodeProcess) -> None:
    assert run_on(fresh_node, "demo") == run_on(fresh_node, "demo")


@pytest.mark.parametrize("options", [[], ["--tls"]], ids=["plain", "tls"])
def test_simulated_fleet_posts_what_the_model_allows(fresh_node: NodeProcess, options: list[str]) -> None:
    run_on(fresh_node, "demo")
    counts = run_on(
        *(fresh_node, "simulate", "--devices", "3", "--prefix", "room", "--rate", "30", "--duration", "0.5"),
        *("--seed", "1", *options),
    )
    assert counts["connected"] == 3
    assert counts["acknowledged"] == counts["posted"] >= 3
    assert counts["rejected"] == 0
    assert set(counts["last"]) == {"Temperature", "Humidity", "Target", "Heating"}


def test_bench_measures_a_node_of_its_own_and_prints_json(tmp_path: Path) -> None:
    result = run("bench", "ingest", "--duration", "1", "--devices", "5", "--warmup", "0", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    figures = json.loads(result.stdout)
    assert figures["devices"] == 5
    assert figures["posts"] > 0
    assert figures["posts_per_cpu_s"] > 0
    assert (figures["failed"], figures["lost_connections"]) == (0, 0)
    assert list(tmp_path.iterdir()) == []
