"""Clients in JavaScript, from npm; installed once per test run outside of the tree."""

import json
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

SOURCES = Path(__file__).parent
INSTALL_TIMEOUT_S = 100


@dataclass
class NodeClients:
    """Scripts with the packages they need."""

    folder: Path

    def command(self, script: str, told: Mapping[str, object]) -> list[str]:
        """Return the command that runs a script."""
        return ["node", str(self.folder / script), json.dumps(told)]


def install(folder: Path) -> NodeClients:
    """Install the clients into a folder; skips the test where that can't be done."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("node and npm are needed for the JavaScript clients")
    for file in SOURCES.glob("*.js*"):
        shutil.copy(file, folder)
    command = ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=INSTALL_TIMEOUT_S)
    if done.returncode:
        pytest.skip(f"npm can't install the JavaScript clients: {done.stderr.strip().splitlines()[-1:]}")
    return NodeClients(folder)
