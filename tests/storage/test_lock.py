import os
import subprocess
import sys
from pathlib import Path

import pytest

from thingplane.storage.lock import DataDirectory, DataDirectoryError


def contents(path: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in path.iterdir()}


def test_creates_the_directory_with_its_parents_for_the_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b"
    with DataDirectory(path):
        assert path.stat().st_mode & 0o777 == 0o700
        assert (path / "version").read_text() == "1\n"
        assert (path / "node.lock").read_text() == f"{os.getpid()}\n"


def test_a_second_node_is_told_who_uses_the_directory(tmp_path: Path) -> None:
    with DataDirectory(tmp_path), pytest.raises(DataDirectoryError, match=f"in use by process {os.getpid()}$"):
        DataDirectory(tmp_path)


def test_a_released_directory_can_be_used_again(tmp_path: Path) -> None:
    DataDirectory(tmp_path).release()
    DataDirectory(tmp_path).release()


def test_a_killed_node_leaves_no_lock(tmp_path: Path) -> None:
    program = (
        "import os, signal, sys; from pathlib import Path; from thingplane.storage.lock import DataDirectory\n"
        "d = DataDirectory(Path(sys.argv[1])); os.kill(os.getpid(), signal.SIGKILL)"
    )
    assert subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False).returncode == -9
    DataDirectory(tmp_path).release()


@pytest.mark.parametrize(
    ("version", "message"), [("2\n", "newer version of Thingplane"), ("one\n", "does not hold a format version")]
)
def test_a_directory_of_another_format_is_refused_and_not_touched(tmp_path: Path, version: str, message: str) -> None:
    (tmp_path / "version").write_text(version)
    with pytest.raises(DataDirectoryError, match=message):
        DataDirectory(tmp_path)
    assert contents(tmp_path) == {"version": version.encode()}


def test_a_path_that_is_a_file_is_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("")
    with pytest.raises(DataDirectoryError) as failure:
        DataDirectory(path)
    assert "\n" not in str(failure.value)


def test_a_path_that_cannot_be_created_is_refused() -> None:
    with pytest.raises(DataDirectoryError, match="cannot be used"):
        DataDirectory(Path("/proc/thingplane"))
