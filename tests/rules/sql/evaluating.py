"""Runs SQL on messages made up for it."""

from typing import Any

import msgspec

from thingplane.rules.sql import Program, Row, compile_sql

NOW_MS = 1_700_000_000_123
"""2023-11-14T22:13:20.123Z."""


class Sample(msgspec.Struct, frozen=True):
    """A message."""

    body: bytes = b"{}"
    topic: str = "/a1pk/dev1/user/update"
    product_key: str = "a1pk"
    device_name: str = "dev1"
    message_id: int = 1_234_567_890_123_456_789
    properties: dict[str, object] | None = None


def row(body: object = None, **options: Any) -> Row:
    payload = body if isinstance(body, bytes) else msgspec.json.encode({} if body is None else body)
    tags = options.pop("tags", {})
    return Row(Sample(body=payload, **options), NOW_MS, "CustomCategory", tags)


def run(program: Program, body: object = None, **options: Any) -> Any:
    """Return the decoded result of a program, None when the condition does not hold."""
    result = program.run(row(body, **options))
    return None if result is None else msgspec.json.decode(result.payload)


def select(columns: str, body: object = None, where: str = "", **options: Any) -> Any:
    return run(compile_sql(columns, where), body, **options)


def value(expression: str, body: object = None, **options: Any) -> Any:
    """Return the value of one expression; None for null."""
    return select(f"{expression} as x", body, **options).get("x")


def holds(condition: str, body: object = None, **options: Any) -> bool:
    return select("1 as x", body, condition, **options) is not None
