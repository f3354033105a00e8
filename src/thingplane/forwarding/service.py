"""The way of a message out of the platform: who wants it, the log, and who still waits for it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from itertools import islice
from typing import Literal

import structlog

from thingplane import ids
from thingplane.clock import Clock
from thingplane.forwarding.cursor import Cursor, masks_of, run_masks
from thingplane.forwarding.log import ForwardingLog
from thingplane.forwarding.message import Forwarded, Kind, Source
from thingplane.forwarding.metrics import Counters
from thingplane.forwarding.progress import Progress
from thingplane.forwarding.routing import Audience, Router, Routes
from thingplane.forwarding.saving import Saver
from thingplane.storage.database import Database
from thingplane.storage.timeseries import GroupCommit

__all__ = ["Forwarded", "Forwarder", "Kind", "Listener", "Router", "Source"]

Listener = Callable[[Sequence[Forwarded]], None]
"""Called with messages due to a subscriber, in order, after they are durable. Must not raise and must not wait."""

_log = structlog.get_logger(__name__)


class Entry:
    """A subscriber in memory."""

    __slots__ = ("cursor", "kind", "listeners", "reference", "warned")

    def __init__(self, kind: str, reference: str, cursor: Cursor) -> None:
        self.kind = kind
        self.reference = reference
        self.cursor = cursor
        self.listeners: tuple[Listener, ...] = ()
        self.warned = 0
        """So many messages waited when that was last logged."""


class Forwarder:
    """Writes messages to the log for those who want them, and keeps what each subscriber has not acknowledged.

    A message is due to the subscribers there are when it is forwarded; later changes of subscriptions and rules do not
    alter that. Nothing due is lost by a crash; what was acknowledged within the last second may come again.
    """

    def __init__(self, log: ForwardingLog, commits: GroupCommit, clock: Clock, database: Database) -> None:
        """Wire; ``start`` has to be awaited before anything is forwarded.

        Args:
            log: keeps messages, beside the history.
            commits: the group commit in front of both.
            clock: time of messages.
            database: keeps subscribers and what they have not acknowledged.
        """
        self.counters = Counters()
        self.has_subscribers = False
        """Whether there is anybody at all; for hot paths, which need not even ask ``wanted`` otherwise."""
        self._log = log
        self._commits = commits
        self._clock = clock
        self._progress = Progress(database)
        self._entries: dict[int, Entry] = {}
        self._routes = Routes(self._entries.__contains__)
        self._saver = Saver(self._save)
        self._position = -1
        self._outbox: list[tuple[Entry, tuple[Listener, ...], Sequence[Forwarded]]] = []
        log.settled = self._settled

    # Life.

    async def start(self) -> None:
        """Load what subscribers have not acknowledged; what a crash kept from being saved is read from the log.

        Raises:
            TimeSeriesError: the log cannot be read.
        """
        subscribers, cursors = await self._progress.load()
        for subscriber in subscribers:
            self._entries[subscriber.id] = Entry(subscriber.kind, subscriber.reference, cursors[subscriber.id])
        self.has_subscribers = bool(self._entries)
        self._position = self._progress.position
        if self._log.next_position <= self._position:
            _log.error("the log of forwarded messages was lost, what waited in it is dropped")
            self.counters.dropped += sum(cursor.clear() for cursor in cursors.values())
            self._position = -1
        async for message, members in self._log.scan(self._position):
            for member in members:
                if member in cursors:
                    cursors[member].add(masks_of([message.position]))
            self._position = message.position
        if self._position != self._progress.position:
            self._saver.changed()

    async def close(self) -> None:
        """Make what was forwarded and acknowledged durable."""
        try:
            await self.durable()
        finally:
            await self._saver.close()

    # Forwarding.

    def wanted(self, kind: Kind, product_id: int, topic: str) -> bool:
        """Tell whether anybody wants such a message; costs next to nothing, so ask before building a body."""
        return self.has_subscribers and self._routes.find(kind, product_id, topic) is not None

    def forward(
        self,
        kind: Kind,
        source: Source,
        topic: str,
        body: bytes,
        *,
        qos: int = 0,
        message_id: int | None = None,
        tag: str = "",
        generated: int | None = None,
        to: Sequence[int] | None = None,
        properties: dict[str, object] | None = None,
    ) -> int | None:
        """Write a message to the log together with what goes to the history in this turn of the loop.

        Args:
            kind: what it is.
            source: whom it is from.
            topic: the forwarded topic, which is not the one the device used.
            body: as it leaves the platform.
            qos: of the message that the device sent.
            message_id: None for a new one.
            tag: of a rule's action.
            generated: epoch milliseconds; None for now.
            to: subscribers, instead of those that the routers name.
            properties: what the device said with MQTT 5.

        Returns:
            The message id; None when nobody wants it: then nothing is written.
        """
        if to is not None:
            audience = self._routes.audience(to)
        elif self.has_subscribers:
            audience = self._routes.find(kind, source.product_id, topic)
        else:
            return None
        if audience is None:
            return None
        if message_id is None:
            message_id = ids.message_id()
        log = self._log
        message = Forwarded(
            log.next_position,
            message_id,
            kind,
            source.instance_id,
            source.product_id,
            source.product_key,
            source.device_id,
            source.device_name,
            topic,
            body,
            self._clock.now_ms() if generated is None else generated,
            qos,
            tag,
            properties,
        )
        if log.append(message, audience):
            # Also when nobody waits for it, it leaves with this turn.
            self._commits.after(_nothing)
        return message_id

    async def durable(self) -> None:
        """Return when everything forwarded up to now is durable; for callers outside an uplink.

        Raises:
            BaseException: what made the commit fail; it is not forwarded then.
        """
        await self._commits.durable()

    def add_router(self, router: Router) -> None:
        """Ask this one, too, who wants a message."""
        self._routes.add(router)

    def routes_changed(self) -> None:
        """Take note that a router may answer differently from now on."""
        self._routes.changed()

    def _settled(
        self, messages: Sequence[Forwarded], audiences: Sequence[Audience], error: BaseException | None
    ) -> None:
        """Take note of the end of a commit."""
        if error is not None:
            self.counters.failed += len(messages)
            _log.error(
                "messages could not be written to the log, not forwarded", messages=len(messages), error=repr(error)
            )
            return
        self.counters.forwarded += len(messages)
        self._position = messages[-1].position
        first = audiences[0]
        if audiences.count(first) == len(audiences):
            start = messages[0].position
            masks = run_masks(start, len(messages)) if self._position - start < len(messages) else _masks(messages)
            for member in first.members:
                self._due(member, messages, masks)
        else:
            due: dict[int, list[Forwarded]] = {}
            for message, audience in zip(messages, audiences, strict=True):
                for member in audience.members:
                    due.setdefault(member, []).append(message)
            for member, own in due.items():
                self._due(member, own, _masks(own))
        self._saver.changed()

    def _due(self, member: int, messages: Sequence[Forwarded], masks: dict[int, int]) -> None:
        entry = self._entries.get(member)
        if entry is None:
            return  # gone meanwhile
        entry.cursor.add(masks)
        if entry.listeners:
            if not self._outbox:
                # After the devices got their answers.
                asyncio.get_running_loop().call_soon(self._dispatch)
            self._outbox.append((entry, entry.listeners, messages))

    def _dispatch(self) -> None:
        outbox, self._outbox = self._outbox, []
        for entry, listeners, messages in outbox:
            for listener in listeners:
                if listener in entry.listeners:
                    try:
                        listener(messages)
                    except Exception as error:  # noqa: BLE001 - the other subscribers must not suffer for it
                        asyncio.get_running_loop().call_exception_handler(
                            {"message": "A listener of forwarded messages failed", "exception": error}
                        )

    # Subscribers.

    async def enroll(self, kind: Literal["group", "rule", "route"], reference: str) -> int:
        """Return the id of a subscriber, the same one for the same reference; a new one starts at the end of the log.

        Args:
            kind: what it is.
            reference: who it is among its kind, such as its key in the database; at most 191 characters.
        """
        subscriber = await self._progress.enroll(kind, reference)
        if subscriber not in self._entries:
            self._entries[subscriber] = Entry(kind, reference, Cursor())
            self.has_subscribers = True
            self._routes.changed()
        return subscriber

    async def remove(self, subscriber: int) -> None:
        """Forget a subscriber; nothing is due to it any more."""
        entry = self._entries.pop(subscriber, None)
        self.has_subscribers = bool(self._entries)
        self._routes.changed()
        if entry is not None:
            entry.listeners = ()
        # A save under way may still write what waits for it.
        await self._saver.saved()
        await self._progress.remove(subscriber)

    def listen(self, subscriber: int, callback: Listener) -> Callable[[], None]:
        """Call back with messages due to a subscriber from now on, and return what ends that.

        Messages that were committed before are got with ``read``.

        Raises:
            KeyError: there is no such subscriber.
        """
        entry = self._entries[subscriber]
        entry.listeners = (*entry.listeners, callback)

        def end() -> None:
            entry.listeners = tuple(item for item in entry.listeners if item is not callback)

        return end

    async def read(self, subscriber: int, after: int, limit: int) -> list[Forwarded]:
        """Return messages from disk that a subscriber has not acknowledged, the oldest first.

        Args:
            subscriber: who asks; one that is gone gets nothing.
            after: position behind which to begin; -1 for the beginning.
            limit: at most so many.

        Raises:
            TimeSeriesError: the log cannot be read.
        """
        entry = self._entries.get(subscriber)
        if entry is None:
            return []
        positions = list(islice(entry.cursor.after(after), limit))
        found = await self._log.read(positions) if positions else []
        if len(found) < len(positions):
            self._lost(entry, {*positions} - {message.position for message in found})
        return found

    def acknowledge(self, subscriber: int, positions: Iterable[int]) -> None:
        """Let messages wait no longer for a subscriber: at once in memory, within a second on disk.

        What is not waiting, or no longer, does no harm.
        """
        entry = self._entries.get(subscriber)
        if entry is not None and entry.cursor.acknowledge(positions):
            self._saver.changed()

    async def acknowledged(self) -> None:
        """Return when all acknowledgements given so far are durable.

        Raises:
            Exception: what made that fail. It is tried again.
        """
        await self._saver.saved()

    def waiting(self, subscriber: int) -> int:
        """Return how many messages a subscriber has not acknowledged."""
        entry = self._entries.get(subscriber)
        return 0 if entry is None else entry.cursor.waiting

    async def reset(self, subscriber: int) -> None:
        """Let everything up to now count as acknowledged, durably."""
        entry = self._entries.get(subscriber)
        if entry is not None and entry.cursor.clear():
            self._saver.changed()
            await self._saver.saved()

    # Looking, retention.

    async def look(self, after: int) -> AsyncIterator[tuple[Forwarded, list[str]]]:
        """Yield the messages of the log behind a position with the names of those they were due to, for debugging.

        Raises:
            TimeSeriesError: the log cannot be read.
        """
        async for message, members in self._log.scan(after):
            entries = [self._entries[member] for member in members if member in self._entries]
            yield message, [f"{entry.kind} {entry.reference}" for entry in entries]

    def entries(self) -> Sequence[Entry]:
        """Return the subscribers, for retention and metrics."""
        return list(self._entries.values())

    def expire(self, before: int) -> dict[str, int]:
        """Stop waiting for messages before a position, and return how many there were by subscriber."""
        dropped: dict[str, int] = {}
        for entry in self._entries.values():
            count = entry.cursor.drop_before(before)
            if count:
                dropped[f"{entry.kind} {entry.reference}"] = count
                self.counters.dropped += count
        if dropped:
            self._saver.changed()
        return dropped

    @property
    def save_failures(self) -> int:
        """How often acknowledgements could not be saved at once."""
        return self._saver.failures

    def _lost(self, entry: Entry, positions: set[int]) -> None:
        """Stop waiting for messages that the log does not have: nobody could ever acknowledge them."""
        count = entry.cursor.acknowledge(positions)
        if count:
            self.counters.dropped += count
            self._saver.changed()
            _log.error("messages are not in the log", messages=count, kind=entry.kind, subscriber=entry.reference)

    async def _save(self) -> None:
        await self._progress.save({key: entry.cursor for key, entry in self._entries.items()}, self._position)


def _masks(messages: Sequence[Forwarded]) -> dict[int, int]:
    return masks_of([message.position for message in messages])


def _nothing(_error: BaseException | None) -> None:
    """Nobody waits; what fails is counted and logged by whoever forwards."""
