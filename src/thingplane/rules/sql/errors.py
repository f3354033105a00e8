"""What can be wrong with a rule's SQL, and with a message that it meets."""

from typing import Literal, TypeAlias

Clause: TypeAlias = Literal["Select", "Where"]


class SqlError(Exception):
    """A clause that cannot be understood or is not allowed; found when a rule is saved."""

    def __init__(self, clause: Clause, position: int, reason: str) -> None:
        """Say what is wrong where.

        Args:
            clause: the parameter.
            position: characters before the place.
            reason: a sentence.
        """
        super().__init__(f"{clause}, character {position + 1}: {reason}")
        self.clause = clause
        self.position = position
        self.reason = reason


class EvaluationError(Exception):
    """A value of a message that an expression cannot work with; the rule leaves the message alone."""

    def __init__(self, clause: Clause, position: int, reason: str) -> None:
        """Say what is wrong where; see ``SqlError``."""
        super().__init__(f"{clause}, character {position + 1}: {reason}")
        self.clause = clause
        self.position = position
        self.reason = reason


class PayloadError(Exception):
    """A payload that is no JSON object or array; rules for JSON leave the message alone."""


class Failure(Exception):  # noqa: N818 - the text says what failed; the compiler makes an EvaluationError of it
    """What a function or operator raises for a value of the wrong type or range."""
