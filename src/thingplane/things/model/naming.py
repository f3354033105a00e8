"""Identifiers and display names of features, parameters, members and modules."""

import re

from thingplane.things.model.failures import ModelError
from thingplane.things.model.limits import ModelLimits
from thingplane.things.model.types import FunctionBlock

RESERVED = frozenset({"set", "get", "post", "property", "event", "time", "value"})
"""Words that have a meaning in topics and messages and so cannot be identifiers."""

_EAST_ASIAN = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_IDENTIFIER = re.compile(r"[A-Za-z0-9_]+")
# The vendor's pages allow hyphen, underscore and period; its schema also slash, parentheses and blank,
# and its own samples use blanks.
_NAME = re.compile(rf"[{_EAST_ASIAN}A-Za-z0-9][{_EAST_ASIAN}A-Za-z0-9_\-./()\uff08\uff09 ]*")
_BLOCK_ID = re.compile(r"[A-Za-z0-9_]{1,30}")
_BLOCK_NAME = re.compile(rf"[{_EAST_ASIAN}A-Za-z0-9_]{{4,30}}")


def check_identifier(identifier: str, path: str, limits: ModelLimits) -> None:
    """Letters, digits and underscores, none of the reserved words.

    Raises:
        ModelError: it is not an identifier.
    """
    if not 1 <= len(identifier) <= limits.identifier_characters or not _IDENTIFIER.fullmatch(identifier):
        raise ModelError(path, f"must be 1 to {limits.identifier_characters} letters, digits or underscores")
    if identifier in RESERVED:
        raise ModelError(path, f"{identifier} is a reserved word")


def check_name(name: str, path: str, longest: int) -> None:
    """A display name of at most `longest` characters that starts with a letter or digit.

    Raises:
        ModelError: it is not a name.
    """
    if not 1 <= len(name) <= longest:
        raise ModelError(path, f"must be 1 to {longest} characters long")
    if not _NAME.fullmatch(name):
        raise ModelError(path, "must start with a letter or digit and hold letters, digits, blanks or -_./() only")


def check_description(description: str | None, path: str, limits: ModelLimits) -> None:
    """Free text of limited length.

    Raises:
        ModelError: it is too long.
    """
    if description is not None and len(description) > limits.description_characters:
        raise ModelError(path, f"must be at most {limits.description_characters} characters long")


def check_block(block: FunctionBlock, limits: ModelLimits) -> None:
    """Identity of a custom module.

    Raises:
        ModelError: its identifier, name or description is not valid.
    """
    if not _BLOCK_ID.fullmatch(block.id):
        raise ModelError("functionBlockId", "must be 1 to 30 letters, digits or underscores")
    if not _BLOCK_NAME.fullmatch(block.name):
        raise ModelError("functionBlockName", "must be 4 to 30 letters, digits or underscores")
    check_description(block.description, "description", limits)
