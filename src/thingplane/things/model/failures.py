"""The error every parser, rule and edit of the thing model raises."""

from enum import StrEnum


class Reason(StrEnum):
    """What kind of rule was broken; the cloud API answers with a different code for each."""

    MALFORMED = "malformed"
    """Shape, type, character set or range of a single field."""
    DUPLICATE_NAME = "duplicate name"
    """Two features of a module share their display name."""
    TOO_LARGE = "too large"
    """The TSL text of a module would exceed its limit."""
    UNKNOWN = "unknown"
    """A feature or module that does not exist."""
    CONFLICT = "conflict"
    """Does not fit the existing model: identifier taken or a count exceeded."""


class ModelError(ValueError):
    """A thing model that breaks a rule.

    Attributes:
        path: where, e.g. `properties[0].dataSpecs.max`; empty for the document as a whole.
        reason: the kind of rule.
    """

    def __init__(self, path: str, message: str, reason: Reason = Reason.MALFORMED) -> None:
        super().__init__(f"{path}: {message}" if path else message)
        self.path = path
        self.reason = reason
