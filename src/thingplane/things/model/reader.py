"""Typed access to decoded JSON of unknown shape, with the place named when something does not fit."""

import re
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import TypeVar

import msgspec

from thingplane.things.model.failures import ModelError

E = TypeVar("E", bound=StrEnum)

_INTEGER = re.compile(r"[+-]?[0-9]{1,19}")


class Node:
    """A JSON object at a known place. A member that is null counts as absent."""

    __slots__ = ("_members", "path")

    def __init__(self, value: object, path: str) -> None:
        if not isinstance(value, dict):
            raise ModelError(path, "must be a JSON object")
        self._members: Mapping[str, object] = value
        self.path = path

    def at(self, name: str) -> str:
        """Path of a member."""
        return f"{self.path}.{name}" if self.path else name

    def has(self, name: str) -> bool:
        """Whether a member is present and not null."""
        return self._members.get(name) is not None

    def members(self) -> Mapping[str, object]:
        """All members as decoded."""
        return self._members

    def _required(self, name: str) -> object:
        value = self._members.get(name)
        if value is None:
            raise ModelError(self.at(name), "is missing")
        return value

    def text(self, name: str) -> str:
        """A mandatory string."""
        value = self._required(name)
        if not isinstance(value, str):
            raise ModelError(self.at(name), "must be a string")
        return value

    def optional_text(self, name: str) -> str | None:
        """A string or nothing."""
        return self.text(name) if self.has(name) else None

    def flag(self, name: str, *, default: bool) -> bool:
        """A boolean; the texts true and false are understood as well."""
        if not self.has(name):
            return default
        value = self._members[name]
        if isinstance(value, str) and value.lower() in {"true", "false"}:
            return value.lower() == "true"
        if not isinstance(value, bool):
            raise ModelError(self.at(name), "must be true or false")
        return value

    def decimal_text(self, name: str) -> str:
        """A mandatory number, written as a string or bare; returned as text."""
        value = self._required(name)
        if isinstance(value, str):
            return value.strip()
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ModelError(self.at(name), "must be a number written as a string")
        return str(value)

    def optional_decimal_text(self, name: str) -> str | None:
        """A number or nothing. An empty string, which editors leave behind, is nothing."""
        if not self.has(name):
            return None
        return self.decimal_text(name) or None

    def integer(self, name: str) -> int:
        """A mandatory integer, bare or as decimal text."""
        return integer(self._required(name), self.at(name))

    def optional_integer(self, name: str) -> int | None:
        """An integer or nothing."""
        if not self.has(name) or self._members[name] == "":
            return None
        return self.integer(name)

    def choice(self, name: str, choices: Mapping[str, E]) -> E:
        """One of the words that are the keys of `choices`."""
        text = self.text(name)
        if text not in choices:
            raise ModelError(self.at(name), f"must be one of {', '.join(choices)}")
        return choices[text]

    def node(self, name: str) -> "Node":
        """A mandatory object."""
        return Node(self._required(name), self.at(name))

    def values(self, name: str) -> list[tuple[object, str]]:
        """Elements of a list with their paths; an absent list is empty."""
        if not self.has(name):
            return []
        value = self._members[name]
        if isinstance(value, str) or not isinstance(value, Sequence):
            raise ModelError(self.at(name), "must be a JSON array")
        return [(item, f"{self.at(name)}[{index}]") for index, item in enumerate(value)]

    def nodes(self, name: str) -> "list[Node]":
        """Objects of a list; an absent list is empty."""
        return [Node(item, path) for item, path in self.values(name)]


def integer(value: object, path: str) -> int:
    """An integer, bare or as decimal text.

    Raises:
        ModelError: it is neither.
    """
    if isinstance(value, str) and _INTEGER.fullmatch(value):
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise ModelError(path, "must be an integer")
    return value


def parse_object(text: str, what: str) -> Node:
    """Decodes a JSON text whose root is an object.

    Raises:
        ModelError: the text is not JSON or its root is something else.
    """
    try:
        decoded = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError) as error:
        raise ModelError("", f"{what} is not JSON: {error}") from error
    if not isinstance(decoded, dict):
        raise ModelError("", f"{what} must be a JSON object")
    return Node(decoded, "")
