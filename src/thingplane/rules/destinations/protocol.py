"""What the runtime knows about destinations."""

from typing import Protocol, runtime_checkable

import msgspec

from thingplane.forwarding.message import Forwarded
from thingplane.rules.actions.templates import Columns


class Record(msgspec.Struct, frozen=True):
    """What a rule makes of a message, on its way to a destination."""

    payload: bytes
    columns: Columns
    message: Forwarded
    rule: str
    """Name; empty: a route."""


class DestinationError(Exception):
    """A record was not delivered; the text says why in one line and holds no secret."""

    def __init__(self, reason: str, *, permanent: bool = False) -> None:
        """Say why.

        Args:
            reason: one line.
            permanent: whether trying again is of no use.
        """
        super().__init__(reason)
        self.permanent = permanent


class SetupError(Exception):
    """A destination that settings or installation do not provide; the text says what to add."""


class Destination(Protocol):
    """Takes the records of one action."""

    region: str
    """As error records name it."""
    resource: str
    """What is written to, as error records name it."""

    async def send(self, record: Record) -> None:
        """Deliver a record.

        Raises:
            DestinationError: it was not, or possibly not, delivered.
        """


@runtime_checkable
class Prompt(Protocol):
    """A destination that delivers most records at once."""

    region: str
    resource: str

    def offer(self, record: Record) -> bool:
        """Deliver a record if that takes no waiting.

        Returns:
            Whether nothing more has to be done; otherwise ``send`` has to be called.
        """

    async def send(self, record: Record) -> None:
        """Deliver a record.

        Raises:
            DestinationError: it was not delivered.
        """


@runtime_checkable
class Direct(Protocol):
    """A destination that takes records at once, and has them for good after the next commit."""

    region: str
    resource: str

    def hand_over(self, record: Record) -> None:
        """Take a record.

        Raises:
            DestinationError: it cannot be taken.
        """

    async def send(self, record: Record) -> None:
        """Take a record and return after the commit.

        Raises:
            DestinationError: it was not taken.
        """
