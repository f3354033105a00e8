"""The generated pages are those of the code as it is: `make docs` after a change."""

from pathlib import Path

import pytest

from tests.common.cli import run

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"
PAGES = ("api.md", "commands.md", "coverage.md", "settings.md")


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the command writes, in a process that has not seen the operations that tests declare."""
    folder = tmp_path_factory.mktemp("generated")
    result = run("docs", folder)
    assert (result.returncode, result.stderr) == (0, "")
    return folder


def test_every_page_is_in_the_tree(generated: Path) -> None:
    written = {file.name for file in generated.iterdir()}
    assert written == set(PAGES) == {file.name for file in REFERENCE.iterdir()}


@pytest.mark.parametrize("page", PAGES)
def test_page_is_fresh(generated: Path, page: str) -> None:
    assert (generated / page).read_text() == (REFERENCE / page).read_text(), "run `make docs` and commit the result"
