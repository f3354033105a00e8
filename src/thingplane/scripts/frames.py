"""Messages between node, worker and guest. All numbers are unsigned and big-endian.

- node → worker, one byte: the language of a guest to fork, with its socket attached (SCM_RIGHTS), or ``KILL``
- worker → node: ``STATUS`` when the guest has ended: exit status, or the negative number of the signal that ended it
- node → guest: ``LENGTH`` and the script once, then for each call ``CALL``, the function's name, and its arguments as
  the text of a JSON array
- guest → node: for each call ``RESULT``, a text, and what the script has printed
"""

import struct
from enum import IntEnum

JAVASCRIPT, PYTHON, PHP, KILL = b"j", b"p", b"h", b"k"

STATUS = struct.Struct("!i")
LENGTH = struct.Struct("!I")
CALL = struct.Struct("!II")
"""Lengths of name and arguments in bytes."""
RESULT = struct.Struct("!BIII")
"""Kind, duration in microseconds, lengths of text and printed text in bytes."""

GUEST_SOCKET = 3
"""File descriptor of the socket in a guest, its only one."""


NO_SANDBOX, NO_INTERPRETER = 126, 127
"""Exit statuses of guests that could not be locked up, or whose language is not installed."""


class Kind(IntEnum):
    """How a call ended, as far as the guest can tell."""

    RETURNED = 0
    """The text is the result in JSON."""
    NOTHING = 1
    """The function returned null, None or undefined."""
    THREW = 2
    """The text is the error, also one that the script's text itself contains."""
    MISSING = 3
    """The script defines no such function."""
    NOT_JSON = 4
    """The result has no form in JSON; the text says why."""
    TIME = 5
    MEMORY = 6
