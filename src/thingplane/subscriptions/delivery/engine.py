"""The delivery of one consumer group."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

import structlog

from thingplane.clock import Clock
from thingplane.forwarding.message import Forwarded
from thingplane.subscriptions.delivery.backlog import Backlog
from thingplane.subscriptions.delivery.dealing import Dealer
from thingplane.subscriptions.delivery.log import Log
from thingplane.subscriptions.delivery.member import Member
from thingplane.subscriptions.delivery.pace import Pace, Tokens
from thingplane.subscriptions.delivery.parties import Consumer, Delivery
from thingplane.subscriptions.delivery.status import Consumption, GroupStatus, client_status

LOW: Final = 500
"""Messages read ahead below which more are read."""
RECOUNT_S: Final = 60.0
"""Seconds between two looks whether anything waits on disk that is not known to."""

READ_AGAIN_S: Final = 1.0
"""Seconds after which the log is read again that could not be."""

_log = structlog.get_logger(__name__)


class GroupDelivery:
    """Hands every message due to a group to one of its clients, until one accepts it.

    New messages go out at once. Those that no client could take, or that were not settled in time, make the backlog,
    which is sent beside them. The log on disk is the truth: what is in memory is bounded, and gone when the last
    client leaves. A message may be delivered more than once, with the same message id, but never to two clients at the
    same time.
    """

    def __init__(self, subscriber: int, log: Log, clock: Clock, pace: Pace, consumed_at: int | None = None) -> None:
        """Wait for clients.

        Args:
            subscriber: the group in the log.
            log: where messages are.
            clock: time of deadlines.
            pace: figures of delivery.
            consumed_at: when a message was accepted last, in epoch milliseconds; None: never.
        """
        self.subscriber = subscriber
        self._log = log
        self._clock = clock
        self._pace = pace
        self.members: list[Member] = []
        self.consumption = Consumption(consumed_at)
        self._dealer = Dealer()
        self._backlog = Backlog()
        self._live: deque[Forwarded] = deque()
        self._in_flight: dict[int, Delivery] = {}
        """By position, in the order of their deadlines."""
        self._held = 0
        self._bytes = 0
        self._tokens = Tokens(pace.backlog_per_second, clock.monotonic()) if pace.backlog_per_second else None
        self._acks: list[int] = []
        self._settled: set[int] | None = None
        """Positions settled while the log is being read."""
        self._reading: asyncio.Task[None] | None = None
        self._read_at = 0.0
        self._epoch = 0
        self._recount_at = 0.0
        self._due: asyncio.Handle | None = None
        self._unlisten: Callable[[], None] | None = None

    def join(self, consumer: Consumer, *, client_id: str, access_key_id: str, address: str) -> Member:
        """Let a connection take part from now on; messages that wait to be sent again are due at once."""
        now = self._clock.monotonic()
        rate = self._pace.realtime_per_second
        member = Member(
            consumer,
            client_id=client_id,
            access_key_id=access_key_id,
            address=address,
            online_at=self._clock.now_ms(),
            tokens=Tokens(rate, now) if rate else None,
            wake=self._wake,
            leave=self._leave,
        )
        if self._unlisten is None:
            self._unlisten = self._log.listen(self.subscriber, self._arrived)
            self._recount_at = now + RECOUNT_S
        self.members.append(member)
        self._backlog.ripen(None)
        self._schedule()
        return member

    def accepted(self, delivery: Delivery) -> None:
        """Settle a message for good, also one whose time was over unless it is on its way to another client."""
        message = delivery.message
        position = message.position
        member = _member(delivery)
        member.stalled = False
        if self._in_flight.get(position) is delivery:
            del self._in_flight[position]
            member.in_flight -= 1
        elif not self._backlog.settle(position):
            return
        self._held -= 1
        self._bytes -= len(message.body)
        if delivery.realtime:
            member.realtime += 1
            self.consumption.realtime += 1
        else:
            member.backlog += 1
            self.consumption.backlog += 1
        self._acks.append(position)
        if self._settled is not None:
            self._settled.add(position)
        if self._due is None:
            self._schedule()

    def rejected(self, delivery: Delivery) -> None:
        """Let a message wait before it is sent again."""
        _member(delivery).stalled = False
        if self._in_flight.get(delivery.message.position) is delivery:
            self._give_back(delivery, self._clock.monotonic() + self._pace.resend_s)

    def tick(self) -> None:
        """Look at deadlines, rates and what is due again; about once a second while there are clients."""
        now = self._clock.monotonic()
        expired = []
        for delivery in self._in_flight.values():
            if delivery.deadline > now:
                break
            expired.append(delivery)
        for delivery in expired:
            self.consumption.expired += 1
            _member(delivery).stalled = True
            self._give_back(delivery, now + self._pace.resend_s)
        self._backlog.ripen(now)
        self._sample(now)
        if now >= self._recount_at:
            self._recount_at = now + RECOUNT_S
            self._recount()
        self._wake()

    def drop(self, reason: str) -> None:
        """Close all connections."""
        for member in list(self.members):
            member.leave()
            member.consumer.drop(reason)

    def flush(self) -> None:
        """Hand the acknowledgements of this turn of the loop to the log; happens at its end anyway."""
        if self._acks:
            acks, self._acks = self._acks, []
            self._log.acknowledge(self.subscriber, acks)
            self.consumption.last_at = self._clock.now_ms()

    def forget(self) -> None:
        """Start over after the log has let go of everything up to now."""
        self._to_disk()
        self._backlog.forget()
        self._wake()

    async def close(self) -> None:
        """Deliver nothing any more, and hand all acknowledgements to the log."""
        for member in list(self.members):
            member.leave()
        if self._due is not None:
            self._due.cancel()
            self._due = None
        self.flush()
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait([self._reading])

    def status(self) -> GroupStatus:
        """Return the figures of now."""
        self.flush()
        now = self._clock.monotonic()
        pushed = sum(delivery.realtime for delivery in self._in_flight.values())
        return GroupStatus(
            backlog=max(self._log.waiting(self.subscriber) - pushed, 0),
            realtime_per_minute=self.consumption.realtime_rate.rate(now, self.consumption.realtime),
            backlog_per_minute=self.consumption.backlog_rate.rate(now, self.consumption.backlog),
            last_consumed_at=self.consumption.last_at,
            clients=[client_status(member, now) for member in self.members],
        )

    def _arrived(self, messages: Sequence[Forwarded]) -> None:
        """Push new messages at once; the log calls this after each commit."""
        if messages[0].position <= self._backlog.cursor:
            # A reading was quicker than this call.
            messages = [message for message in messages if message.position > self._backlog.cursor]
        sent = 0
        count = len(messages)
        if count and not self._live and not self._full():
            now = self._clock.monotonic()
            deadline = now + self._pace.acknowledge_s
            for member in self._dealer.seats(self.members, now, self._share):
                message = messages[sent]
                sent += 1
                self._held += 1
                self._bytes += len(message.body)
                self._deliver(member, Delivery(self, message, 0, member, realtime=True, deadline=deadline))
                if sent == count or self._full():
                    break
        if sent < count:
            self._keep(messages[sent:])

    def _keep(self, messages: Sequence[Forwarded]) -> None:
        """Let messages wait for credit in memory, or leave them to the backlog.

        What exceeds a rate belongs to the backlog.
        """
        kept = 0
        if not self._pace.realtime_per_second and self.members and not self._backlog.behind:
            for message in messages:
                if self._full():
                    break
                self._live.append(message)
                self._held += 1
                self._bytes += len(message.body)
                kept += 1
        if kept < len(messages):
            self._backlog.leave(messages[kept:])

    def _deliver(self, member: Member, delivery: Delivery) -> None:
        # Known before it is sent: the connection may settle it, or break, within the call.
        self._in_flight[delivery.message.position] = delivery
        member.in_flight += 1
        if delivery.attempt:
            self.consumption.redelivered += 1
        self.consumption.delivered += 1
        member.consumer.deliver(delivery)

    @property
    def _share(self) -> int:
        """Deliveries that each client may have under way: so many that all but one can't fill the window."""
        return max(self._pace.window // max(len(self.members), 1), 1)

    def _full(self) -> bool:
        return self._held >= self._pace.window or self._bytes >= self._pace.window_bytes

    def _give_back(self, delivery: Delivery, due: float | None) -> None:
        del self._in_flight[delivery.message.position]
        _member(delivery).in_flight -= 1
        self._backlog.retry(delivery.message, delivery.attempt + 1, due)

    def _leave(self, member: Member) -> None:
        self.members.remove(member)
        for delivery in [delivery for delivery in self._in_flight.values() if delivery.member is member]:
            self._give_back(delivery, None)
        if self.members:
            self._wake()
            return
        self._sample(self._clock.monotonic())
        self._to_disk()
        if self._unlisten is not None:
            self._unlisten()
            self._unlisten = None

    def _to_disk(self) -> None:
        self._backlog.to_disk()
        self._in_flight.clear()
        for member in self.members:
            member.in_flight = 0
        self._live.clear()
        self._held = self._bytes = 0
        self._epoch += 1

    def _wake(self) -> None:
        """Go on in this turn of the loop if there is anything to go on with."""
        if self._due is None and (self._live or self._backlog.behind or len(self._backlog)):
            self._schedule()

    def _schedule(self) -> None:
        if self._due is None:
            self._due = asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        self._due = None
        self.flush()
        self._pump()

    def _pump(self) -> None:
        """Deliver what waits, as far as there is room: new messages before the backlog."""
        if not self.members:
            return
        now = self._clock.monotonic()
        deadline = now + self._pace.acknowledge_s
        if self._live:
            for member in self._dealer.seats(self.members, now, self._share):
                if not self._live:
                    break
                self._deliver(member, Delivery(self, self._live.popleft(), 0, member, realtime=True, deadline=deadline))
        if len(self._backlog):
            left = len(self._backlog) if self._tokens is None else self._tokens.available(now)
            left = min(left, len(self._backlog))
            if left:
                self._send_backlog(left, deadline)
        if (
            self._backlog.behind
            and self._reading is None
            and self._backlog.stocked < LOW
            and now >= self._read_at
            and not self._full()
        ):
            self._reading = asyncio.get_running_loop().create_task(self._read())

    def _send_backlog(self, left: int, deadline: float) -> None:
        for member in self._dealer.seats(self.members, None, self._share):
            left -= 1
            if self._tokens is not None:
                self._tokens.spend(1)
            message, attempt = self._backlog.next()
            self._deliver(member, Delivery(self, message, attempt, member, realtime=False, deadline=deadline))
            if left <= 0 or not len(self._backlog):
                break

    async def _read(self) -> None:
        """Read ahead from disk until there is enough in memory."""
        backlog = self._backlog
        try:
            while backlog.behind and backlog.stocked < LOW and self.members:
                limit = backlog.read_limit(self._pace.window - self._held)
                if not limit or self._full():
                    return
                epoch, mark = self._epoch, backlog.mark
                self.flush()
                settled: set[int] = set()
                self._settled = settled
                messages = await self._log.read(self.subscriber, backlog.cursor, limit)
                if epoch != self._epoch:
                    continue
                count, size = backlog.stock(messages, self._in_flight, settled)
                self._held += count
                self._bytes += size
                # Only nothing at all is the end: fewer than asked for may be because of messages that the log lost.
                if not messages and mark == backlog.mark:
                    backlog.caught_up()
                self._pump()
        except Exception:  # noqa: BLE001 - logged with its traceback
            # Whatever the database says: deliveries go on, and reading with a tick after a while.
            self._read_at = self._clock.monotonic() + READ_AGAIN_S
            _log.exception("the backlog of a consumer group cannot be read", subscriber=self.subscriber)
        finally:
            self._reading = None
            self._settled = None

    def _recount(self) -> None:
        """Read everything again if the log knows of more than is in memory: nothing may be left lying."""
        waiting = self._log.waiting(self.subscriber) - len(self._acks)
        if not self._backlog.behind and not self._live and waiting > self._held:
            self._backlog.restart()

    def _sample(self, now: float) -> None:
        self.consumption.sample(now)
        for member in self.members:
            member.sample(now)


def _member(delivery: Delivery) -> Member:
    return delivery.member  # type: ignore[return-value] # deliveries are made here only
