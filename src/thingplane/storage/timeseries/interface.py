"""What a time-series store promises, whichever database keeps the rows."""

from collections.abc import Callable, Sequence
from enum import IntEnum
from typing import NamedTuple, Protocol

Done = Callable[[BaseException | None], None]
"""Told once how a commit ended: ``None`` = durable, otherwise why the batch was withdrawn. Must not raise."""


class Kind(IntEnum):
    """What a record is about.

    The two ``…_HISTORY`` kinds hold samples a device collected while it was offline and posts afterwards. A query for
    ``PROPERTY`` (``EVENT``) returns them among the others, by time; ``latest`` never does. The two ``…_UNVERIFIED``
    kinds hold what no thing model has verified, apart from everything else.
    """

    PROPERTY = 1
    EVENT = 2
    SERVICE = 3
    PROPERTY_HISTORY = 4
    EVENT_HISTORY = 5
    PROPERTY_UNVERIFIED = 6
    EVENT_UNVERIFIED = 7


def kinds_of(kind: Kind) -> tuple[Kind, ...]:
    """Return the kinds that a query for ``kind`` finds."""
    if kind is Kind.PROPERTY:
        return Kind.PROPERTY, Kind.PROPERTY_HISTORY
    if kind is Kind.EVENT:
        return Kind.EVENT, Kind.EVENT_HISTORY
    return (kind,)


class Point(NamedTuple):
    """One value at one time."""

    identifier: str
    time: int
    """Epoch milliseconds, as the device said or, when it did not say, as the platform received it."""
    value: bytes
    """The JSON text of the value, byte for byte as appended."""


class Stats(NamedTuple):
    """Figures for the metrics page."""

    hot_rows: int
    """Messages waiting to be sealed (PostgreSQL: points waiting for a commit)."""
    files: int
    """Hot and sealed files (PostgreSQL: partitions)."""
    bytes: int
    """Their size on disk."""


class TimeSeries(Protocol):
    """The history of devices: append-only records, found by device, kind, identifier and time.

    Used from one event loop. All times are epoch milliseconds in UTC. A device id is never used again after its device
    was deleted, so the history of a deleted device may simply age away.
    """

    async def open(self) -> None:
        """Open or create the store and repair what a crash left behind.

        Raises:
            TimeSeriesError: The store is damaged, unreachable, or of a newer format. Nothing was changed.
        """

    async def close(self) -> None:
        """Release everything. What was appended but never committed is gone; a running commit is finished first."""

    def append(
        self, device_id: int, kind: Kind, received: int, points: bytes, span: tuple[int, int] | None = None
    ) -> None:
        """Add one message of a device to the batch of the next commit.

        Args:
            device_id: The numeric id of the device, 0 < id < 2**63.
            kind: What the points are.
            received: When the platform got the message: the time of every point that has none of its own.
            points: A JSON object, identifier → bare value or ``{"value": v, "time": ms}``. An object whose keys are a
                subset of ``value`` and ``time`` and that has ``value`` is always read as the second form. A time that
                is not a 64-bit integer counts as absent. An empty object is allowed and leaves no point.
            span: Earliest and latest time of the points. Only from a caller that has decoded them and checked their
                identifiers: it saves the store from doing the same again.

        Raises:
            MalformedPointsError: ``points`` is not a JSON object. Nothing was appended.
        """

    def commit(self, done: Done) -> None:
        """Make everything appended so far durable, then call ``done(None)``; or withdraw it and call ``done(error)``.

        Embedded: ``done`` is called before this returns. PostgreSQL: later, from the loop; commits run one at a time
        and in order, and while one is under way what is appended gathers in the next. With nothing to write no disk
        is touched, but ``done`` still waits for (and shares the outcome of) a commit under way.

        The message of one ``append`` becomes visible as a whole or not at all. A withdrawn batch leaves nothing
        behind, save that a connection to PostgreSQL lost between COMMIT and its answer leaves the outcome open.
        """

    async def query(  # noqa: PLR0917  the order of the index: device, kind, identifier, time
        self,
        device_id: int,
        kind: Kind,
        identifiers: Sequence[str] | None,
        start: int,
        end: int,
        limit: int,
        *,
        ascending: bool,
    ) -> list[Point]:
        """Return the first ``limit`` committed points of a device within ``start <= time <= end``.

        Args:
            device_id: The device.
            kind: ``PROPERTY`` and ``EVENT`` include their ``…_HISTORY``; those themselves return only what was posted
                afterwards.
            identifiers: The identifiers wanted, ``None`` for all.
            start: First millisecond of the range.
            end: Last millisecond of the range, included.
            limit: At most so many points, over all identifiers together.
            ascending: Oldest first, else newest first.

        Returns:
            Points by time; those of the same millisecond by arrival, those of one message by identifier. Newest first
            is exactly the reverse.

        Raises:
            TimeSeriesError: A file is damaged or the database is unreachable.
        """

    async def latest(self, device_id: int) -> dict[str, Point]:
        """Return the last committed ``PROPERTY`` value of each identifier: by time, then by arrival.

        Values outlive the retention of the history they came from.

        Raises:
            TimeSeriesError: A file is damaged or the database is unreachable.
        """

    async def retire(self, before: int) -> None:
        """Drop the files or partitions whose newest point is older than ``before``; keep the latest values."""

    async def forget(self, device_id: int) -> None:
        """Drop the latest values of a deleted device and what is kept in memory of it. Its history ages away."""

    async def stats(self) -> Stats:
        """Return figures for the metrics page."""
