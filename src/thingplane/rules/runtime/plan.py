"""What a worker does with messages: a rule that is ready to run, or a table of routes."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from thingplane.forwarding.message import Forwarded
from thingplane.rules.destinations.protocol import Destination, Direct, Prompt, Record
from thingplane.rules.rule import Action, Rule
from thingplane.rules.runtime.rows import Rows
from thingplane.rules.sql import Program
from thingplane.rules.topics import full_topic


class Target:
    """A destination that gets records."""

    __slots__ = ("destination", "direct", "failing", "label", "prompt", "type")

    def __init__(self, destination: Destination, type_: str, label: Mapping[str, object]) -> None:
        """Take the destination; one with ``hand_over`` or ``offer`` takes records at once.

        Args:
            destination: takes the records.
            type_: of the action.
            label: how log lines name it.
        """
        self.destination = destination
        self.type = type_
        self.label = label
        self.direct = destination if isinstance(destination, Direct) else None
        self.prompt = destination if isinstance(destination, Prompt) else None
        self.failing = False
        """Whether the last record was not delivered, after all tries."""


class PlannedAction(Target):
    """An action with its destination."""

    __slots__ = ("action",)

    def __init__(self, action: Action, destination: Destination) -> None:
        """Take both."""
        super().__init__(destination, action.type, {"action": action.id, "type": action.type})
        self.action = action


class Work(Protocol):
    """What a worker does with messages; replaced as a whole when it changes."""

    @property
    def label(self) -> Mapping[str, object]:
        """How log lines name it."""

    @property
    def error_action(self) -> Target | None:
        """Who learns of records that could not be delivered."""

    def is_ready(self, messages: Sequence[Forwarded]) -> bool:
        """Tell whether ``run`` may be called with messages without ``prepare``."""

    async def prepare(self, messages: Sequence[Forwarded]) -> None:
        """Read what is needed for messages.

        Raises:
            SQLAlchemyError: the database is away.
        """

    def run(self, message: Forwarded) -> tuple[Record, Sequence[Target]] | None:
        """Return what is made of a message and who gets it; None: nothing and nobody.

        Raises:
            PayloadError: the payload is not what it works with.
            EvaluationError: neither are its values.
        """


class Plan:
    """What the worker of a rule does."""

    __slots__ = ("_rows", "actions", "error_action", "filter", "label", "product_id", "program", "rule")

    def __init__(self, rule: Rule, program: Program, actions: Sequence[PlannedAction], rows: Rows) -> None:
        """Take the parts.

        Args:
            rule: complete.
            program: its SQL.
            actions: all, one of which may be for errors.
            rows: makes rows of messages.
        """
        self.rule = rule
        self.program = program
        self.actions = tuple(planned for planned in actions if not planned.action.for_errors)
        self.error_action = next((planned for planned in actions if planned.action.for_errors), None)
        self.label: Mapping[str, object] = {"rule": rule.id}
        self._rows = rows
        sql = rule.sql
        self.filter = full_topic(sql.product_key or "", sql.short_topic or "", sql.topic_type or 0)
        """The topic to listen to, wildcards included."""
        self.product_id = rule.product_id or 0

    def is_ready(self, messages: Sequence[Forwarded]) -> bool:
        """Tell whether tags that the SQL asks for are in memory; see ``Work``."""
        return not self.program.uses_tags or self._rows.knows_tags(messages)

    async def prepare(self, messages: Sequence[Forwarded]) -> None:
        """Read the tags that the SQL asks for; see ``Work``."""
        if self.program.uses_tags:
            await self._rows.load_tags(messages)

    def run(self, message: Forwarded) -> tuple[Record, Sequence[Target]] | None:
        """Return the result of the SQL, for all actions; see ``Work``."""
        result = self.program.run(self._rows.of(message))
        if result is None:
            return None
        return Record(result.payload, result.columns, message, self.rule.name), self.actions
