"""A session: windows of both directions, and the links on its channel."""

from collections import deque
from typing import TYPE_CHECKING, Final

from thingplane.amqp.codec.outbound import attach_frame, begin_frame, detach_frame, error_value, flow_frame
from thingplane.amqp.codec.terminus import accepted_source
from thingplane.amqp.errors import ConnectionFault, LinkFault, SessionFault
from thingplane.amqp.events import CreditChanged, Event, LinkAttached, LinkDetached, Settled
from thingplane.amqp.link import SenderLink
from thingplane.amqp.numbers import SERIAL_HALF, SERIAL_MASK, Condition
from thingplane.amqp.performatives import Attach, Begin, Detach, Disposition, Flow

if TYPE_CHECKING:
    from thingplane.amqp.connection import ServerConnection

INCOMING_WINDOW: Final = 2_048
"""Transfers that the client may send: none will come, as it gets no credit for any."""
OUTGOING_WINDOW: Final = 0x7FFF_FFFF

_TRANSACTIONAL_STATE: Final = 0x34


class Session:
    """One session of a client, on the channel of the same number in both directions.

    Attributes:
        channel: its number.
        connection: it belongs to.
        output: of the connection.
        link: that messages leave on, if it is on this session.
        blocked: transfer frames of a message that the client's window has no room for.
        remote_window: transfer frames that the client takes.
        next_outgoing_id: number of the next transfer frame.
        next_delivery_id: number of the next delivery.
        max_frame_size: of the client.
    """

    __slots__ = (
        "_handles",
        "_next_incoming_id",
        "blocked",
        "channel",
        "connection",
        "link",
        "max_frame_size",
        "next_delivery_id",
        "next_outgoing_id",
        "output",
        "remote_window",
    )

    def __init__(self, connection: "ServerConnection", channel: int, begin: Begin, max_frame_size: int) -> None:
        self.channel = channel
        self.connection = connection
        self.output = connection.output
        self.link: SenderLink | None = None
        self.blocked: deque[bytes] = deque()
        self.remote_window = begin.incoming_window
        self.next_outgoing_id = 0
        self.next_delivery_id = 0
        self.max_frame_size = max_frame_size
        self._next_incoming_id = begin.next_outgoing_id
        self._handles: dict[int, SenderLink | None] = {}  # the client's handles; None: refused
        handle_max = connection.capabilities.handle_max
        connection.send(begin_frame(channel, 0, INCOMING_WINDOW, OUTGOING_WINDOW, handle_max))

    # Links

    def on_attach(self, attach: Attach) -> Event | None:
        """Take a link or refuse it."""
        if attach.handle > self.connection.capabilities.handle_max:
            raise ConnectionFault(Condition.FRAMING_ERROR, "the handle is above handle-max")
        if attach.handle in self._handles:
            raise SessionFault(Condition.HANDLE_IN_USE, "the handle is in use")
        self._handles[attach.handle] = None
        if not attach.is_receiver:
            self._refuse(attach, "messages go from the server to clients only")
            return None
        if self.connection.link is not None:
            self._refuse(attach, "one link is allowed on a connection")
            return None
        source, default_outcome = accepted_source(attach.source)
        link = SenderLink(self, 0, attach, source, default_outcome)
        self._handles[attach.handle] = self.link = self.connection.link = link
        return LinkAttached(link)

    def _refuse(self, attach: Attach, reason: str) -> None:
        # A handle of its own, as that of the link may be in use.
        self.connection.send(
            attach_frame(
                self.channel,
                attach.name,
                1,
                is_receiver=not attach.is_receiver,
                modes=(attach.snd_settle_mode, attach.rcv_settle_mode),
                source=attach.source if not attach.is_receiver else None,
                target=attach.target if attach.is_receiver else None,
            )
        )
        self.connection.send(
            detach_frame(self.channel, 1, closed=True, error=error_value(Condition.NOT_ALLOWED, reason))
        )

    def refused(self, link: SenderLink, condition: Condition, description: str) -> None:
        """Detach the link that was just answered without a source."""
        self.drop_link(link)
        link.detach(condition, description)

    def drop_link(self, link: SenderLink) -> None:
        """Forget a link that this side detaches; the client's answer is still to come."""
        for handle, known in self._handles.items():
            if known is link:
                self._handles[handle] = None
        self._forget(link)

    def _forget(self, link: SenderLink) -> None:
        link.attached = False
        self.blocked.clear()
        self.link = self.connection.link = None

    def on_detach(self, detach: Detach) -> Event | None:
        """Answer the client's detach, or take it as the answer to one."""
        if detach.handle not in self._handles:
            raise SessionFault(Condition.UNATTACHED_HANDLE, "the handle is not attached")
        link = self._handles.pop(detach.handle)
        if link is None:
            return None
        self._forget(link)
        self.connection.send(detach_frame(self.channel, link.handle, closed=detach.closed))
        return LinkDetached(link, detach.error)

    def close(self, error: str) -> Event | None:
        """Forget everything; the session has ended."""
        link = self.link
        if link is None:
            return None
        self._forget(link)
        return LinkDetached(link, error)

    # Flow

    def on_flow(self, flow: Flow) -> Event | None:
        """Take windows and credit."""
        seen = flow.next_incoming_id if flow.next_incoming_id is not None else 0
        window = (seen + flow.incoming_window - self.next_outgoing_id) & SERIAL_MASK
        self.remote_window = window if window < SERIAL_HALF or flow.incoming_window >= SERIAL_HALF else 0
        self._next_incoming_id = flow.next_outgoing_id
        link = self.link
        if flow.handle is not None:
            if flow.handle not in self._handles:
                raise SessionFault(Condition.UNATTACHED_HANDLE, "the handle is not attached")
            addressed = self._handles[flow.handle]
            if addressed is None:
                link = None
            elif flow.link_credit is not None:
                addressed.on_flow(flow.delivery_count, flow.link_credit, drain=flow.drain)
        if self.blocked:
            self._send_blocked()
        if flow.echo:
            self.send_flow(link if flow.handle is not None else None)
        return None if link is None else CreditChanged(link)

    def send_flow(self, link: SenderLink | None, *, drain: bool = False) -> None:
        """Tell the client windows, and the state of a link."""
        state = None if link is None else link.state(drain=drain)
        windows = self._next_incoming_id, INCOMING_WINDOW, self.next_outgoing_id, OUTGOING_WINDOW
        self.connection.send(flow_frame(self.channel, windows, state))

    # Transfers

    def transfer(self, data: bytes) -> None:
        """Send a transfer frame as soon as the client's window allows."""
        if self.remote_window <= 0 or self.blocked:
            self.blocked.append(data)
            return
        self.remote_window -= 1
        self.next_outgoing_id = self.next_outgoing_id + 1 & SERIAL_MASK
        self.output.append(data)

    def _send_blocked(self) -> None:
        waiting, self.blocked = self.blocked, deque()
        while waiting and self.remote_window > 0:
            self.transfer(waiting.popleft())
        self.blocked = waiting

    def on_transfer(self, handle: int) -> None:
        """Ignore what comes for a link that was refused; nothing may come for others."""
        self._next_incoming_id = self._next_incoming_id + 1 & SERIAL_MASK
        if handle not in self._handles:
            raise SessionFault(Condition.UNATTACHED_HANDLE, "the handle is not attached")
        if self._handles[handle] is not None:
            raise SessionFault(Condition.NOT_ALLOWED, "messages go from the server to clients only")

    def on_disposition(self, disposition: Disposition) -> Event | None:
        """Take what the client decided on deliveries."""
        if not disposition.is_receiver:
            return None
        if disposition.state == _TRANSACTIONAL_STATE:
            raise LinkFault(Condition.NOT_IMPLEMENTED, "there are no transactions")
        return self.settle(disposition.first, disposition.last, disposition.settled, disposition.state)

    def settle(self, first: int, last: int, settled: bool, state: int | None) -> Event | None:
        """Take what the client decided on a range of deliveries."""
        link = self.link
        if link is None:
            return None
        decided = link.on_disposition(first, last, settled=settled, state=state)
        if decided is None:
            return None
        outcome, numbers = decided
        if settled:
            return Settled(link, outcome, link.take(numbers), [])
        return Settled(link, outcome, link.look_up(numbers), numbers)
