"""Identifiers of packages, batches and tasks."""

import secrets
import string
from typing import Final

_ALPHANUMERIC: Final = string.ascii_letters + string.digits
_VALUES: Final = {char: value for value, char in enumerate(_ALPHANUMERIC)}
_HEAD: Final = 14
_NUMBER: Final = 8
_TAIL: Final = "0100"


def new_uid(tail: str = _TAIL) -> str:
    """Return 22 random letters and digits and the four digits that the vendor's ids end with."""
    return "".join(secrets.choice(_ALPHANUMERIC) for _ in range(_HEAD + _NUMBER)) + tail


def task_uid(job_id: str, number: int) -> str:
    """Return the TaskId of a task: made from its batch's JobId and its number, so that none has to be kept.

    Args:
        job_id: JobId of its batch.
        number: key of the task in the database, below 62**8.
    """
    digits = ""
    for _ in range(_NUMBER):
        number, digit = divmod(number, len(_ALPHANUMERIC))
        digits = _ALPHANUMERIC[digit] + digits
    return job_id[:_HEAD] + digits + _TAIL


def task_number(uid: str) -> int | None:
    """Return the number in a TaskId, or None for what cannot be one; whether the rest fits has to be checked."""
    digits = uid[_HEAD : _HEAD + _NUMBER]
    if len(uid) != _HEAD + _NUMBER + len(_TAIL) or not all(char in _VALUES for char in digits):
        return None
    number = 0
    for char in digits:
        number = number * len(_ALPHANUMERIC) + _VALUES[char]
    return number
