"""Letting go of messages: those that all have acknowledged, and those that waited too long or take too much room."""

from collections.abc import Mapping, Sequence
from typing import Final

import structlog

from thingplane.clock import Clock
from thingplane.forwarding.limits import Limits
from thingplane.forwarding.log import SEGMENT_BITS, ForwardingLog, Segment
from thingplane.forwarding.service import Entry, Forwarder
from thingplane.storage.periodic import Periodic
from thingplane.storage.timeseries import TimeSeriesError

INTERVAL_S: Final = 10.0
LAG: Final = 100_000
"""Messages waiting for a subscriber that are worth a line in the log; and again at ten times as many."""

_log = structlog.get_logger(__name__)


class Retention:
    """Looks after the log every ten seconds."""

    def __init__(self, forwarder: Forwarder, log: ForwardingLog, clock: Clock, limits: Limits) -> None:
        """Wire.

        Args:
            forwarder: knows who waits for what.
            log: whose segments go.
            clock: tells how old they are.
            limits: how much is kept.
        """
        self._forwarder = forwarder
        self._log = log
        self._clock = clock
        self._limits = limits
        self._segments: Sequence[Segment] = ()
        self._periodic = Periodic("looking after the log of forwarded messages", self.look, INTERVAL_S)

    async def start(self) -> None:
        """Begin with what is due already."""
        self._periodic.start()

    async def close(self) -> None:
        """Drop nothing more."""
        await self._periodic.stop()

    async def look(self) -> None:
        """Do what is due now.

        Raises:
            TimeSeriesError: the log cannot be read or changed.
        """
        segments = await self._log.segments()
        self._expire(segments)
        for entry in self._forwarder.entries():
            _warn(entry)
        oldest = _oldest(self._forwarder)
        end = self._log.segment if oldest is None else min(oldest >> SEGMENT_BITS, self._log.segment)
        done = [segment for segment in segments if segment.number < end]
        if done:
            # What is saved must not name messages that are gone.
            await self._forwarder.acknowledged()
            for segment in done:
                await self._log.drop(segment.number)
        self._segments = [segment for segment in segments if segment not in done]

    def _expire(self, segments: Sequence[Segment]) -> None:
        """Let nobody wait for messages that are too old or too many."""
        limits = self._limits
        before = self._clock.now_ms() - limits.age_ms
        total = sum(segment.bytes for segment in segments)
        for segment in segments:
            is_old = segment.last_at < before
            if not is_old and (total <= limits.max_bytes or segment.number == self._log.segment):
                return
            total -= segment.bytes
            dropped = self._forwarder.expire((segment.number + 1) << SEGMENT_BITS)
            if dropped:
                reason = "age" if is_old else "size"
                _log.warning("messages dropped that nobody acknowledged in time", reason=reason, subscribers=dropped)

    async def refresh(self) -> None:
        """Read the figures anew."""
        try:
            self._segments = await self._log.segments()
        except TimeSeriesError as error:
            _log.warning("no figures of the log of forwarded messages", error=str(error))

    def reading(self) -> Mapping[str, float]:
        """Return the values by name, for metrics; ``metrics.HELP`` says what they mean."""
        counters = self._forwarder.counters
        waiting = [entry.cursor.waiting for entry in self._forwarder.entries()]
        oldest = _oldest(self._forwarder)
        age = 0.0
        if oldest is not None:
            number = oldest >> SEGMENT_BITS
            since = next((segment.first_at for segment in self._segments if segment.number >= number), None)
            age = 0.0 if since is None else max(0.0, (self._clock.now_ms() - since) / 1000)
        return {
            "forwarded_messages_total": counters.forwarded,
            "forwarding_failed_total": counters.failed,
            "forwarding_dropped_total": counters.dropped,
            "forwarding_save_failures_total": self._forwarder.save_failures,
            "forwarding_waiting": sum(waiting),
            "forwarding_waiting_most": max(waiting, default=0),
            "forwarding_oldest_seconds": age,
            "forwarding_log_bytes": sum(segment.bytes for segment in self._segments),
            "forwarding_log_segments": len(self._segments),
        }


def _oldest(forwarder: Forwarder) -> int | None:
    firsts = (entry.cursor.first() for entry in forwarder.entries())
    return min((first for first in firsts if first is not None), default=None)


def _warn(entry: Entry) -> None:
    waiting = entry.cursor.waiting
    if waiting >= max(LAG, entry.warned * 10):
        entry.warned = waiting
        _log.warning("a subscriber lags behind", kind=entry.kind, subscriber=entry.reference, waiting=waiting)
    elif waiting < LAG // 2:
        entry.warned = 0
