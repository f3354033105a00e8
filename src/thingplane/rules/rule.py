"""What rules and their actions are."""

from typing import Final, Literal, TypeAlias

import msgspec

from thingplane.rules.sql.program import DataType

ActionStatus: TypeAlias = Literal["INIT", "NORMAL", "INVALID", "SHORTCUT"]

SYSTEM: Final = 0
CUSTOM: Final = 1
STATUS: Final = 2
"""TopicType: basic and thing-model topics, custom topics, device status."""


class RuleLimits(msgspec.Struct, frozen=True):
    """How many there may be of what."""

    rules: int = 1000
    """In an instance (guide: limits)."""
    actions: int = 10
    """Of a rule (guide 4.13.2)."""


class Sql(msgspec.Struct, frozen=True, kw_only=True):
    """Where a rule's messages come from, and what it makes of them; parts may be missing."""

    data_type: DataType = "JSON"
    product_key: str | None = None
    short_topic: str | None = None
    """Topic below the product: ``+/user/update``; for device status the DeviceName or ``+``."""
    topic_type: int | None = None
    select: str | None = None
    where: str = ""
    """Empty: every message."""

    @property
    def is_complete(self) -> bool:
        """Whether a rule can run with it."""
        return bool(self.product_key and self.short_topic and self.select)


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """A rule as it is now."""

    id: int
    instance_id: int
    name: str
    description: str | None
    sql: Sql
    product_id: int | None
    running: bool
    user_id: str
    created_at: int
    """Epoch milliseconds."""
    modified_at: int


class Action(msgspec.Struct, frozen=True, kw_only=True):
    """An action of a rule."""

    id: int
    rule_id: int
    type: str
    configuration: str
    """JSON object, with its secrets."""
    for_errors: bool

    def __repr__(self) -> str:
        # The configuration may hold a password.
        return f"Action(id={self.id}, rule_id={self.rule_id}, type={self.type!r})"


class NewRule(msgspec.Struct, frozen=True, kw_only=True):
    """What the creator of a rule decides."""

    name: str
    description: str | None = None
    sql: Sql
    resource_group_id: str | None = None
    user_id: str
