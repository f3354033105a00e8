"""What a statement says, after it was found to be correct."""

from typing import Literal, TypeAlias

import msgspec

from thingplane.search.fields import Field

Operator = Literal["=", "!=", ">", "<", "LIKE"]


class Condition(msgspec.Struct, frozen=True):
    """One comparison."""

    field: Field
    operator: Operator
    value: str | int | None
    """Text; epoch milliseconds for dates; for LIKE the prefix, without the percent sign; None for null."""


Conditions: TypeAlias = tuple[Condition, ...]


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """A correct statement."""

    fields: frozenset[str]
    """Fields to return; empty when only the number of devices is wanted."""
    alternatives: tuple[Conditions, ...]
    """Devices fit when all conditions of one alternative hold: AND binds tighter than OR."""
    order_by: Field | None = None
    descending: bool = False
    offset: int = 0
    limit: int = 20

    @property
    def counts(self) -> bool:
        """Whether only the number of devices is wanted."""
        return not self.fields
