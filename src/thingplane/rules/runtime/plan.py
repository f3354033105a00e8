"""A rule that is ready to run."""

from collections.abc import Sequence

from thingplane.rules.destinations.protocol import Destination, Direct
from thingplane.rules.rule import Action, Rule
from thingplane.rules.sql import Program
from thingplane.rules.topics import full_topic


class PlannedAction:
    """An action with its destination."""

    __slots__ = ("action", "destination", "direct", "failing")

    def __init__(self, action: Action, destination: Destination) -> None:
        """Take both; a destination with ``hand_over`` takes records at once."""
        self.action = action
        self.destination = destination
        self.direct = destination if isinstance(destination, Direct) else None
        self.failing = False
        """Whether the last record was not delivered, after all tries."""


class Plan:
    """What a worker does with messages; replaced as a whole when the rule changes."""

    __slots__ = ("actions", "error_action", "filter", "is_broken", "product_id", "program", "rule")

    def __init__(
        self, rule: Rule, program: Program, actions: Sequence[PlannedAction], *, is_broken: bool = False
    ) -> None:
        """Take the parts.

        Args:
            rule: complete.
            program: its SQL.
            actions: all, one of which may be for errors.
            is_broken: whether a destination is missing.
        """
        self.rule = rule
        self.program = program
        self.actions = tuple(planned for planned in actions if not planned.action.for_errors)
        self.error_action = next((planned for planned in actions if planned.action.for_errors), None)
        self.is_broken = is_broken
        sql = rule.sql
        self.filter = full_topic(sql.product_key or "", sql.short_topic or "", sql.topic_type or 0)
        """The topic to listen to, wildcards included."""
        self.product_id = rule.product_id or 0
