"""The sessions of a connection: performatives find theirs by the channel, faults end no more than they have to."""

from typing import TYPE_CHECKING

from thingplane.amqp.codec.dispositions import DispositionReader, is_disposition
from thingplane.amqp.codec.inbound import read_performative
from thingplane.amqp.codec.outbound import end_frame, error_value
from thingplane.amqp.errors import ConnectionFault, LinkFault, SessionFault
from thingplane.amqp.events import Event, LinkDetached
from thingplane.amqp.numbers import Condition
from thingplane.amqp.performatives import (
    Attach,
    Begin,
    Close,
    Detach,
    Disposition,
    End,
    Flow,
    Open,
    Performative,
    Transfer,
)
from thingplane.amqp.session import Session

if TYPE_CHECKING:
    from thingplane.amqp.connection import ServerConnection


class Sessions:
    """All sessions of one connection, from when it is open."""

    __slots__ = ("_connection", "_dispositions", "_max_frame_size", "_of")

    def __init__(self, connection: "ServerConnection", max_frame_size: int) -> None:
        """Begin without sessions; the client takes frames of so many bytes."""
        self._connection = connection
        self._max_frame_size = max_frame_size
        self._dispositions = DispositionReader()
        self._of: dict[int, Session | None] = {}  # by channel; None: ended by this side, not yet by the client

    def receive(self, channel: int, data: bytes, start: int, end: int) -> Event | Close | None:
        """Take the body of a frame.

        Args:
            channel: of the frame.
            data: bytes that contain it.
            start: of the body.
            end: of the body.

        Raises:
            ConnectionFault: the connection has to be closed.
        """
        known = is_disposition(data, start)
        if known:
            decision = self._dispositions.read(data, start, end)
            session = self._of.get(channel)
            if decision is not None and session is not None:
                return session.settle(*decision)
        performative = read_performative(data, start, end)
        if known and isinstance(performative, Disposition):
            self._dispositions.learn(data, start, end, performative)
        if isinstance(performative, Close):
            return performative
        try:
            return self._handle(channel, performative)
        except SessionFault as fault:
            return self._end(channel, fault)
        except LinkFault as fault:
            return self._detach(channel, fault)

    def _handle(self, channel: int, performative: Performative) -> Event | None:
        if isinstance(performative, Open):
            raise ConnectionFault(Condition.ILLEGAL_STATE, "a second open")
        if isinstance(performative, Begin):
            self._on_begin(channel, performative)
            return None
        if channel not in self._of:
            raise ConnectionFault(Condition.ILLEGAL_STATE, "there is no session on this channel")
        session = self._of[channel]
        if isinstance(performative, End):
            return self._on_end(channel, performative)
        if session is None:
            return None  # on its way before the client saw the end
        match performative:
            case Flow():
                return session.on_flow(performative)
            case Disposition():
                return session.on_disposition(performative)
            case Attach():
                return session.on_attach(performative)
            case Detach():
                return session.on_detach(performative)
            case Transfer():
                session.on_transfer(performative.handle)
        return None

    def _on_begin(self, channel: int, begin: Begin) -> None:
        if channel > self._connection.capabilities.channel_max:
            raise ConnectionFault(Condition.FRAMING_ERROR, "the channel is above channel-max")
        if channel in self._of:
            raise ConnectionFault(Condition.ILLEGAL_STATE, "the channel has a session")
        if begin.remote_channel is not None:
            raise ConnectionFault(Condition.INVALID_FIELD, "the server begins no sessions")
        self._of[channel] = Session(self._connection, channel, begin, self._max_frame_size)

    def _on_end(self, channel: int, end: End) -> Event | None:
        session = self._of.pop(channel)
        if session is None:
            return None
        self._connection.send(end_frame(channel))
        return session.close(end.error)

    def _end(self, channel: int, fault: SessionFault) -> Event | None:
        session = self._of[channel]
        self._of[channel] = None
        self._connection.send(end_frame(channel, error_value(fault.condition, fault.description)))
        return None if session is None else session.close(fault.description)

    def _detach(self, channel: int, fault: LinkFault) -> Event | None:
        session = self._of[channel]
        link = None if session is None else session.link
        if session is None or link is None:
            return None
        session.refused(link, fault.condition, fault.description)
        return LinkDetached(link, fault.description)
