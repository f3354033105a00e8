"""The command line as an operator uses it: a process of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.common.node import NodeProcess

TIMEOUT_S = 60


def run(
    *arguments: str | Path, environment: dict[str, str] | None = None, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command; settings of whoever runs the tests do not count."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("THINGPLANE_")}
    return subprocess.run(
        [sys.executable, "-m", "thingplane.cli", *arguments],
        env={**clean, **(environment or {})},
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )


def run_on(node: NodeProcess, *arguments: str) -> Any:
    """Run a command beside a running node, which has to succeed; return the JSON that it prints, None without any."""
    result = run(*arguments, "--data-dir", node.data_dir, environment=_database(node))
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    return json.loads(result.stdout) if result.stdout else None


def _database(node: NodeProcess) -> dict[str, str]:
    """Return the only setting of a node that commands need besides the data directory."""
    name = "THINGPLANE_DATABASE_URL"
    return {name: node.environment[name]} if name in node.environment else {}
