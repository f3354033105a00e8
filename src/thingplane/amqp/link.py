"""A link that messages leave on: credit, transfers, settlement."""

from functools import partial
from itertools import takewhile
from struct import Struct
from typing import TYPE_CHECKING, Final

from thingplane.amqp.codec.encode import FALSE, TRUE, boolean, uint
from thingplane.amqp.codec.outbound import attach_frame, detach_frame, disposition_frame, error_value
from thingplane.amqp.numbers import SERIAL_HALF, SERIAL_MASK, Condition, Descriptor, SettleMode
from thingplane.amqp.performatives import Attach

if TYPE_CHECKING:
    from thingplane.amqp.session import Session

_TERMINAL: Final = frozenset({Descriptor.ACCEPTED, Descriptor.REJECTED, Descriptor.RELEASED, Descriptor.MODIFIED})
_ID: Final = b"\x70"
_TAG: Final = b"\xa0\x04"


class SenderLink:
    """One link from the server to a client.

    Attributes:
        name: the client's name of the link.
        drain: the client wants what there is, and its credit used up.
        settles_itself: deliveries are settled when they are sent.
        attached: `send` is allowed; set by `accept`.
        context: free for the owner.
    """

    __slots__ = (
        "_credit",
        "_default_outcome",
        "_delivery_count",
        "_handle",
        "_head",
        "_limit",
        "_marks",
        "_modes",
        "_session",
        "_single",
        "_source",
        "_target",
        "_unsettled",
        "attached",
        "context",
        "drain",
        "max_message_size",
        "name",
        "settles_itself",
    )

    def __init__(
        self, session: "Session", handle: int, attach: Attach, source: bytes, default_outcome: int | None
    ) -> None:
        self.name = attach.name
        self.drain = False
        self.attached = False
        self.context: object = None
        self.settles_itself = attach.snd_settle_mode == SettleMode.SETTLED
        self.max_message_size = attach.max_message_size
        self._session = session
        self._handle = handle
        self._modes = (attach.snd_settle_mode, attach.rcv_settle_mode)
        self._source = source
        self._target = attach.target
        self._default_outcome = default_outcome if default_outcome in _TERMINAL else Descriptor.ACCEPTED
        self._credit = 0
        self._delivery_count = 0
        self._unsettled: dict[int, object] = {}
        self._marks: list[tuple[float, int]] = []  # time, and the next delivery number then
        # A transfer up to the number of the delivery, and from its tag on: constant but for the frame's size.
        number = uint(handle)
        fields = b"\x05", number, _ID + b"....", _TAG + b"....", b"\x43", boolean(self.settles_itself)
        size = sum(map(len, fields))
        channel = session.channel.to_bytes(2, "big")
        self._head = b"\x02\x00" + channel + b"\x00\x53\x14\xc0" + bytes((size, 5)) + number + _ID
        self._single = Struct(f">I{len(self._head)}sI2sI2s")
        self._limit = session.max_frame_size - self._single.size

    # Answers to LinkAttached

    def accept(self) -> None:
        """Attach the link."""
        self.attached = True
        self._answer(self._source)
        self._session.connection.decided()

    def refuse(self, condition: Condition, description: str) -> None:
        """Detach the link: the answer names no source, then comes the reason."""
        self._answer(None)
        self._session.refused(self, condition, description)
        self._session.connection.decided()

    def _answer(self, source: bytes | None) -> None:
        session = self._session
        session.connection.send(
            attach_frame(
                session.channel,
                self.name,
                self._handle,
                is_receiver=False,
                modes=self._modes,
                source=source,
                target=self._target,
            )
        )

    def detach(self, condition: Condition, description: str) -> None:
        """Detach the link with an error."""
        self.attached = False
        session = self._session
        error = error_value(condition, description)
        session.connection.send(detach_frame(session.channel, self._handle, closed=True, error=error))

    # Sending

    @property
    def handle(self) -> int:
        """The server's handle."""
        return self._handle

    @property
    def credit(self) -> int:
        """Messages that the client still takes."""
        return self._credit

    @property
    def unsettled(self) -> int:
        """Deliveries that the client has not settled."""
        return len(self._unsettled)

    def capacity(self) -> int:
        """Return how many messages may be sent now."""
        session = self._session
        if not self.attached or session.blocked:
            return 0
        free = session.connection.capabilities.max_unsettled - len(self._unsettled)
        return max(min(self._credit, session.remote_window, free), 0)

    def send(self, message: bytes, context: object) -> None:
        """Send a message; allowed as often as `capacity` said. What the window has no room for follows in order.

        Args:
            message: its encoded sections.
            context: given back when it is settled; not kept when the link settles itself.
        """
        session = self._session
        number = session.next_delivery_id
        session.next_delivery_id = number + 1 & SERIAL_MASK
        self._credit -= 1
        self._delivery_count = self._delivery_count + 1 & SERIAL_MASK
        if not self.settles_itself:
            self._unsettled[number] = context
        size = len(message)
        if size > self._limit or session.remote_window <= 0 or session.blocked:
            # A big message may take the window that was to be for those behind it.
            self._send_in_parts(message, number)
            return
        packer = self._single
        settled = b"\x43\x41" if self.settles_itself else b"\x43\x42"
        session.output += (packer.pack(packer.size + size, self._head, number, _TAG, number, settled), message)
        session.remote_window -= 1
        session.next_outgoing_id = session.next_outgoing_id + 1 & SERIAL_MASK

    def _send_in_parts(self, message: bytes, number: int) -> None:
        session = self._session
        raw = number.to_bytes(4, "big")
        channel = session.channel.to_bytes(2, "big")
        fields = b"".join((uint(self._handle), _ID, raw, _TAG, raw, b"\x43", boolean(self.settles_itself)))
        # One field more than in a single transfer.
        head = b"\x02\x00" + channel + b"\x00\x53\x14\xc0" + bytes((len(fields) + 2, 6)) + fields
        room = session.max_frame_size - len(head) - 5
        for start in range(0, len(message), room):
            part = message[start : start + room]
            more = TRUE if start + room < len(message) else FALSE
            session.transfer((len(head) + len(part) + 5).to_bytes(4, "big") + head + more + part)

    def drained(self) -> None:
        """Say that there is nothing more to send now: the credit of a client that drains the link is used up."""
        if self.drain and self.attached:
            self._delivery_count = self._delivery_count + self._credit & SERIAL_MASK
            self._credit = 0
            self.drain = False
            self._session.send_flow(self, drain=True)

    def state(self, *, drain: bool) -> tuple[int, int, int, bool]:
        """Return what a flow frame says of the link."""
        return self._handle, self._delivery_count, self._credit, drain

    # What the client says

    def on_flow(self, delivery_count: int | None, credit: int, *, drain: bool) -> None:
        """Take the client's credit; its delivery count is None when it has not seen the answer to its attach."""
        left = ((delivery_count or 0) + credit - self._delivery_count) & SERIAL_MASK
        self._credit = left if left < SERIAL_HALF or credit >= SERIAL_HALF else 0
        self.drain = drain

    def on_disposition(
        self, first: int, last: int, *, settled: bool, state: int | None
    ) -> tuple[int, list[int]] | None:
        """Return the outcome and numbers of the deliveries that the client decided on; None for no decision."""
        if state not in _TERMINAL:
            if not settled:
                return None
            state = self._default_outcome
        unsettled = self._unsettled
        if first == last:
            return (state, [first]) if first in unsettled else None
        count = (last - first & SERIAL_MASK) + 1
        if count <= len(unsettled):
            numbers = [
                number & SERIAL_MASK for number in range(first, first + count) if number & SERIAL_MASK in unsettled
            ]
        else:
            numbers = [number for number in unsettled if number - first & SERIAL_MASK < count]
        return (state, numbers) if numbers else None

    def take(self, numbers: list[int]) -> list[object]:
        """Forget deliveries and return their contexts."""
        pop = self._unsettled.pop
        return [pop(number) for number in numbers]

    def look_up(self, numbers: list[int]) -> list[object]:
        """Return the contexts of deliveries."""
        return [self._unsettled[number] for number in numbers]

    def confirm(self, numbers: list[int], state: int) -> None:
        """Settle deliveries that the client has decided on and waits for; the state is the client's."""
        if not self.attached:
            return
        run: list[int] = []
        for number in numbers:
            if self._unsettled.pop(number, self) is self:
                continue
            if run and number != (run[-1] + 1 & SERIAL_MASK):
                self._settle(run[0], run[-1], state)
                run = []
            run.append(number)
        if run:
            self._settle(run[0], run[-1], state)

    def _settle(self, first: int, last: int, state: int) -> None:
        session = self._session
        session.connection.send(disposition_frame(session.channel, first, last, state))

    def tick(self, now: float, timeout: float) -> None:
        """Settle what the client has not settled within the time-out; `now` and the time-out in s."""
        if not self._unsettled:
            self._marks.clear()
            return
        self._marks.append((now, self._session.next_delivery_id))
        while self._marks[0][0] <= now - timeout:
            _, limit = self._marks.pop(0)
            self.confirm(list(takewhile(partial(_is_before, limit), self._unsettled)), Descriptor.RELEASED)


def _is_before(limit: int, number: int) -> bool:
    """Tell whether a serial number is less than the limit (RFC 1982)."""
    return 0 < (limit - number & SERIAL_MASK) < SERIAL_HALF
