"""The Range header of HTTP (RFC 9110, section 14)."""

import re
from typing import Final

_RANGE: Final = re.compile(r"bytes=\s*([0-9]*)-([0-9]*)\s*", re.IGNORECASE)


class UnsatisfiableRangeError(Exception):
    """No byte of the file is in the range."""


def read_range(header: str, size: int) -> tuple[int, int] | None:
    """Return the first byte of a range, and the one behind its last.

    Args:
        header: value of the Range header.
        size: bytes of the file.

    Returns:
        None where the whole file is the right answer: for several ranges, other units, and what is malformed.

    Raises:
        UnsatisfiableRangeError: the range begins behind the end, or has no length.
    """
    match = _RANGE.fullmatch(header)
    if match is None or not (match[1] or match[2]) or max(len(match[1]), len(match[2])) > 18:
        return None
    if not match[1]:
        start, end = max(size - int(match[2]), 0), size
    else:
        start, end = int(match[1]), min(int(match[2]) + 1, size) if match[2] else size
        if match[2] and int(match[2]) < start:
            return None
    if start >= end:
        raise UnsatisfiableRangeError
    return start, end
