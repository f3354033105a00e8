"""What the compiler knows about a function."""

from collections.abc import Callable
from typing import Any

import msgspec


class Function(msgspec.Struct, frozen=True):
    """A function of rule SQL."""

    call: Callable[..., Any]
    """Takes the arguments' values, after the row if ``of_row``; raises ``Failure`` for values it cannot work with."""
    least: int = 1
    """Arguments."""
    most: int = 1
    of_row: bool = False
    """Whether it asks the message for something."""
    of_payload: bool = False
    """Whether its only argument is ``*``."""
    takes_null: bool = False
    """Whether it is called with null; others give null when any argument is null."""
    prepare: Callable[[Any], Any] | None = None
    """Checks a first argument that is constant when the rule is saved; raises ``Failure``."""
