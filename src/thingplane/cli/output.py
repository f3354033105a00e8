"""How commands print: tables and colour on a terminal, JSON in a pipe."""

import sys
from collections.abc import Mapping, Sequence

import msgspec
from rich.console import Console
from rich.table import Table

console = Console(highlight=False)


def is_terminal() -> bool:
    """Tell whether a person reads stdout."""
    return sys.stdout.isatty()


def print_json(value: object) -> None:
    """Print one JSON document, indented."""
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n")


def print_rows(rows: Sequence[Mapping[str, object]], columns: Sequence[str]) -> None:
    """Print records: a table on a terminal, a JSON array in a pipe."""
    if not is_terminal():
        print_json([{column: row.get(column) for column in columns} for row in rows])
        return
    table = Table(*columns, header_style="bold")
    for row in rows:
        table.add_row(*(_cell(row.get(column)) for column in columns))
    console.print(table)


def print_answer(answer: Mapping[str, object]) -> None:
    """Print an answer of the cloud API: lists of records as tables, everything else as name and value."""
    if not is_terminal():
        print_json(answer)
        return
    for name, value in _flatten(answer, ""):
        if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
            columns = list(dict.fromkeys(column for item in value for column in item))
            table = Table(*columns, title=name, title_justify="left", header_style="bold")
            for item in value:
                table.add_row(*(_cell(item.get(column)) for column in columns))
            console.print(table)
        else:
            console.print(f"[bold]{name}[/bold]  ", end="")
            console.print(_cell(value), markup=False)


def _flatten(answer: Mapping[str, object], prefix: str) -> list[tuple[str, object]]:
    found: list[tuple[str, object]] = []
    for name, value in answer.items():
        if isinstance(value, dict):
            found += _flatten(value, f"{prefix}{name}.")
        else:
            found.append((prefix + name, value))
    return found


def _cell(value: object) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else msgspec.json.encode(value).decode()
