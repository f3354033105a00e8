"""Whatever an operator can set, type, scrape or read in the log is documented."""

import ast
import importlib
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from thingplane.alink.codes import Code
from thingplane.cli import app
from thingplane.settings import ENVIRONMENT_PREFIX, Settings, load_settings

ROOT = Path(__file__).parents[2]
OPERATING = (ROOT / "docs" / "operating.md").read_text()


def page(name: str) -> str:
    return (ROOT / "docs" / "reference" / name).read_text()


@pytest.mark.parametrize("name", Settings.__struct_fields__)
def test_setting_is_documented_with_its_three_names(name: str) -> None:
    row = next(line for line in page("settings.md").splitlines() if line.startswith(f"| `{name}` |"))
    assert f"`--{name.replace('_', '-')}`" in row
    assert f"`{ENVIRONMENT_PREFIX}{name.upper()}`" in row


def commands(level: Any, names: tuple[str, ...] = ()) -> list[str]:
    """Return the full names of all commands."""
    found = []
    for name in level:
        if name.startswith("-"):
            continue
        found.append(" ".join((*names, name)))
        below = level[name]
        if below.default_command is None:
            found += commands(below, (*names, name))
    return found


def test_commands_are_documented() -> None:
    found = commands(app)
    assert {"serve", "user add", "bench ingest"} <= set(found)
    headings = re.findall(r"^#+ thingplane (.+)$", page("commands.md"), re.MULTILINE)
    assert set(found) <= set(headings)


def metrics() -> list[str]:
    """Return the names of all metrics: the keys of what modules call ``HELP`` or ``…_HELP``."""
    sources = [
        file for file in (ROOT / "src").rglob("*.py") if re.search(r"^(\w+_)?HELP\b", file.read_text(), re.MULTILINE)
    ]
    names = sorted(".".join(file.relative_to(ROOT / "src").with_suffix("").parts) for file in sources)
    modules = [vars(importlib.import_module(name)) for name in names]
    return [key for module in modules for name, value in module.items() if name.endswith("HELP") for key in value]


@pytest.mark.parametrize("name", metrics())
def test_metric_is_documented(name: str) -> None:
    assert re.search(rf"^\| `thingplane_{name}(\{{\w+\}})?` \|", OPERATING, re.MULTILINE)


def codes_in_log_lines() -> set[int]:
    """Return the codes of Alink that log calls of the source name."""
    found: set[int] = set()
    for file in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and _is_log(node.func.value):
                texts = [ast.unparse(item.value) for item in node.keywords if item.arg == "code"]
                found |= {Code[name] for text in texts for name in re.findall(r"\bCode\.(\w+)", text)}
    return found


def _is_log(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id in {"log", "_log"}


def test_codes_of_log_lines_are_documented() -> None:
    assert {Code.NOT_DEFINED, Code.TOPIC_NOT_PERMITTED} <= codes_in_log_lines()
    for code in codes_in_log_lines():
        assert re.search(rf"^\| {int(code)} \|", OPERATING, re.MULTILINE), code


def test_examples_of_settings_files_are_valid(tmp_path: Path) -> None:
    blocks = re.findall(r"```toml\n(.*?)```", OPERATING, re.DOTALL)
    assert blocks
    for block in blocks:
        file = tmp_path / "thingplane.toml"
        file.write_text(block)
        settings = load_settings({}, {}, file)
        for name in tomllib.loads(block):
            assert getattr(settings, name) != getattr(Settings(), name), f"{name} shows nothing"
