"""Clients in JavaScript, from npm; installed once per test process, outside of the tree."""

import asyncio
import json
import shutil
import subprocess
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

SOURCES = Path(__file__).parent
INSTALL_TIMEOUT_S = 100
PATIENCE_S = 20


@dataclass
class NodeClients:
    """Scripts with the packages they need."""

    folder: Path

    def command(self, script: str, told: Mapping[str, object]) -> list[str]:
        """Return the command that runs a script."""
        return ["node", str(self.folder / script), json.dumps(told)]

    @asynccontextmanager
    async def rhea(
        self, address: tuple[str, int | None], ca: Path, login: tuple[str, str], **told: object
    ) -> AsyncIterator["Rhea"]:
        """Run a consumer over TLS; ``consumer.js`` says what it can be told. It is killed at the end."""
        user, password = login
        place = {"host": "localhost", "port": address[1], "ca": str(ca), "user": user, "password": password}
        process = await asyncio.create_subprocess_exec(
            *self.command("consumer.js", {**place, **told}),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=1_000_000,
        )
        try:
            yield Rhea(process)
        finally:
            if process.returncode is None:
                process.kill()
            await process.communicate()


class Rhea:
    """A consumer in Node.js; prints what happens as JSON lines."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def next(self, *events: str) -> dict[str, Any]:
        """Return the next event of these kinds, skipping others."""
        assert self._process.stdout is not None
        async with asyncio.timeout(PATIENCE_S):
            while line := await self._process.stdout.readline():
                found: dict[str, Any] = json.loads(line)
                if found["event"] in events:
                    return found
        raise AssertionError(f"the client ended without {events}")

    def kill(self) -> None:
        """Kill it at once."""
        self._process.kill()


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


@pytest.fixture(scope="session")
def node_clients(tmp_path_factory: pytest.TempPathFactory) -> NodeClients:
    return install(tmp_path_factory.mktemp("node"))
