"""Paths into a JSON payload: ``items.T.value``, ``"p[0].q"``, ``"$.p[0]"``, ``".p[0]"``."""

import re
from typing import Final, TypeAlias

from thingplane.rules.sql.row import Evaluate, Row, Value

Steps: TypeAlias = tuple[str | int, ...]

MAX_STEPS: Final = 64
_STEP: Final = re.compile(r"\[([0-9]{1,9})\]|\.?([^.\[\]]+)")
_ERRORS = (KeyError, TypeError, IndexError)


def read_path(text: str) -> tuple[Steps, bool]:
    """Return the steps of a path, and whether it stands for an array of what it finds (a leading dot).

    Raises:
        ValueError: the text is no path; its argument is the number of characters before the place.
    """
    start, many = 0, False
    if text.startswith("$"):
        start = 1
    elif text.startswith("."):
        many = True
    # The first step may follow a dot or not.
    steps: list[str | int] = []
    position = start
    while position < len(text):
        match = _STEP.match(text, position)
        bare = match is not None and match[2] is not None and text[position] != "." and position > start
        if match is None or bare or len(steps) == MAX_STEPS:
            raise ValueError(position)
        steps.append(int(match[1]) if match[1] is not None else match[2])
        position = match.end()
    if not steps and text != "$":
        raise ValueError(0)
    return tuple(steps), many


def follow(steps: Steps) -> Evaluate:
    """Return the expression that gives what is at a place of the payload, None when nothing is there."""
    if any(type(step) is int for step in steps):
        return _with_indexes(steps)
    if len(steps) == 1:
        (only,) = steps

        def one(row: Row) -> Value:
            try:
                return row.body[only]
            except _ERRORS:
                return None

        return one
    if len(steps) == 2:
        first, second = steps

        def two(row: Row) -> Value:
            try:
                return row.body[first][second]
            except _ERRORS:
                return None

        return two
    if len(steps) == 3:
        first, second, third = steps

        def three(row: Row) -> Value:
            try:
                return row.body[first][second][third]
            except _ERRORS:
                return None

        return three

    def deep(row: Row) -> Value:
        value = row.body
        try:
            for step in steps:
                value = value[step]
        except _ERRORS:
            return None
        return value

    return deep


def _with_indexes(steps: Steps) -> Evaluate:
    def evaluate(row: Row) -> Value:
        value = row.body
        try:
            for step in steps:
                # A text has characters by index too, which nobody means.
                if type(value) is str:
                    return None
                value = value[step]
        except _ERRORS:
            return None
        return value

    return evaluate


def as_array(evaluate: Evaluate) -> Evaluate:
    """Return the expression for an array of what another one finds: of one element, or of none."""

    def array(row: Row) -> Value:
        value = evaluate(row)
        return [] if value is None else [value]

    return array
