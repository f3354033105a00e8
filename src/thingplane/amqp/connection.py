"""Server side of one AMQP connection: bytes in, events out (and the other way round)."""

from enum import Enum, auto

from thingplane.amqp.capabilities import Capabilities
from thingplane.amqp.codec.inbound import read_performative
from thingplane.amqp.codec.outbound import close_frame, error_value, open_frame, outcome_frame
from thingplane.amqp.errors import AmqpError, ConnectionFault
from thingplane.amqp.events import ConnectionClosed, Event, LinkAttached
from thingplane.amqp.link import SenderLink
from thingplane.amqp.numbers import (
    AMQP_FRAME,
    AMQP_HEADER,
    EMPTY_FRAME,
    MIN_MAX_FRAME_SIZE,
    SASL_FRAME,
    SASL_HEADER,
    Condition,
    SaslCode,
)
from thingplane.amqp.performatives import Close, Open
from thingplane.amqp.sasl import CHALLENGE, MECHANISMS, SaslExchange
from thingplane.amqp.sessions import Sessions

_TICK = 1.0
"""Seconds between two calls of `tick`, about: what is due within the next one is done now."""


class _State(Enum):
    NEW = auto()  # the SASL header may come
    SIGNING_IN = auto()  # SASL frames may come
    DECIDING = auto()  # SignIn reported, answer outstanding; nothing is decoded
    SIGNED_IN = auto()  # the AMQP header may come
    OPENING = auto()  # only open may come
    OPEN = auto()
    CLOSING = auto()  # close was sent; all but the client's close is ignored
    CLOSED = auto()


class ServerConnection:
    """Protocol state of one connection.

    The owner calls `receive_data` with what it read and handles the events, calls `tick` about once a second, writes
    `data_to_send` after each, and closes the transport after writing once `closed` is set. After `SignIn` and
    `LinkAttached` nothing more is decoded until they are answered: then `receive_data(b"", now)` gives what had arrived
    in the meantime. Whatever the client sends, the answer is an orderly close; no method raises because of it.

    Attributes:
        capabilities: limits of the server.
        output: frames to be sent.
        link: the one link of the connection, if it is attached or about to be.
        container_id: as the client named itself, "" before that.
        closed: the transport has to be closed once the output is written.
    """

    __slots__ = (
        "_attach_deadline",
        "_buffer",
        "_close_deadline",
        "_heartbeat",
        "_limit",
        "_needed",
        "_received_at",
        "_sasl",
        "_sent_at",
        "_sessions",
        "_sign_in_deadline",
        "_state",
        "_ticked_at",
        "_undecided",
        "_written",
        "capabilities",
        "closed",
        "container_id",
        "link",
        "output",
    )

    def __init__(self, capabilities: Capabilities, now: float) -> None:
        """Begin; `now` in s of any clock that only moves forward."""
        self.capabilities = capabilities
        self.output: list[bytes] = []
        self.link: SenderLink | None = None
        self.container_id = ""
        self.closed = False
        self._state = _State.NEW
        self._buffer: bytearray | None = None  # start of an incomplete frame, or what waits for a decision
        self._needed = 0  # bytes the buffer must have before decoding makes sense
        self._limit = capabilities.max_sasl_frame  # bytes of the next inbound frame
        self._sasl = SaslExchange()
        self._sessions = Sessions(self, MIN_MAX_FRAME_SIZE)
        self._undecided = False  # LinkAttached reported, answer outstanding
        self._heartbeat = capabilities.heartbeat
        self._received_at = now
        self._sent_at = now
        self._ticked_at = now
        self._written = False  # something was sent since the last tick
        self._sign_in_deadline: float | None = now + capabilities.sign_in_timeout
        self._attach_deadline: float | None = None
        self._close_deadline: float | None = None

    # Out

    def send(self, frame: bytes) -> None:
        """Append a frame to the output."""
        self.output.append(frame)

    def data_to_send(self) -> bytes:
        """Return and forget the output; b"" when there is none."""
        output = self.output
        if not output:
            return b""
        self._written = True
        data = b"".join(output)
        output.clear()
        return data

    # In

    def receive_data(self, data: bytes, now: float) -> list[Event]:
        """Decode what arrived. Any cut of the stream into pieces gives the same events.

        Args:
            data: what was read; b"" after an answer.
            now: s.
        """
        events: list[Event] = []
        if data:
            self._received_at = now
        if self.closed:
            return events
        buffer = self._buffer
        if buffer is not None:
            buffer += data
            if len(buffer) < self._needed:
                return events
            data = bytes(buffer)
            self._buffer = None
        self._needed = 0
        try:
            position = self._decode(data, events, now)
        except ConnectionFault as fault:
            if self._state is not _State.CLOSING:
                events.append(self._fail(fault, now))
            return events
        if position < len(data) and not self.closed:
            self._buffer = bytearray(data[position:])
        return events

    def _decode(self, data: bytes, events: list[Event], now: float) -> int:
        """Decode everything that is complete, append the events and return the position after it."""
        size = len(data)
        position = 0
        while size - position >= 8 and not self._undecided:
            state = self._state
            if state is not _State.OPEN:
                if state is _State.DECIDING:
                    if size - position > self.capabilities.max_frame_size:
                        raise ConnectionFault(Condition.RESOURCE_LIMIT_EXCEEDED, "too much data before an answer")
                    return position
                if state is _State.CLOSED:
                    return size
                if state is _State.NEW or state is _State.SIGNED_IN:
                    self._on_header(data[position : position + 8])
                    position += 8
                    continue
            length = int.from_bytes(data[position : position + 4], "big")
            if not 8 <= length <= self._limit:
                raise ConnectionFault(Condition.FRAMING_ERROR, f"a frame of {length} bytes")
            end = position + length
            if end > size:
                self._needed = length
                return position
            start = position + 4 * data[position + 4]
            if start < position + 8 or start > end:
                raise ConnectionFault(Condition.FRAMING_ERROR, "the data offset of a frame is wrong")
            if data[position + 5] != (SASL_FRAME if state is _State.SIGNING_IN else AMQP_FRAME):
                raise ConnectionFault(Condition.FRAMING_ERROR, "the type of a frame is wrong")
            channel = data[position + 6] << 8 | data[position + 7]
            position = end
            if start == end:
                continue
            if state is _State.OPEN:
                self._on_body(channel, data, start, end, events)
            else:
                self._on_early_frame(data, start, end, events, now)
        return position

    def _on_header(self, header: bytes) -> None:
        new = self._state is _State.NEW
        expected = SASL_HEADER if new else AMQP_HEADER
        self.send(expected)
        if header != expected:
            # The standard's answer to any other protocol or version: what is spoken here, and the end (2.2).
            self._finish()
            return
        if new:
            self.send(MECHANISMS)
            self._state = _State.SIGNING_IN
        else:
            self._limit = self.capabilities.max_frame_size
            self._state = _State.OPENING

    def _on_early_frame(self, data: bytes, start: int, end: int, events: list[Event], now: float) -> None:
        """Take a frame in any state but OPEN."""
        if self._state is _State.SIGNING_IN:
            sign_in = self._sasl.receive(data, start, end)
            if sign_in is None:
                self.send(CHALLENGE)
                return
            self._state = _State.DECIDING
            events.append(sign_in)
            return
        performative = read_performative(data, start, end)
        if self._state is _State.CLOSING:
            if isinstance(performative, Close):
                self._finish()
            return
        if isinstance(performative, Close):
            self._send_open()
            events.append(self._on_close(performative))
            return
        if not isinstance(performative, Open):
            raise ConnectionFault(Condition.ILLEGAL_STATE, "the first frame is no open")
        if performative.max_frame_size < MIN_MAX_FRAME_SIZE:
            raise ConnectionFault(Condition.INVALID_FIELD, "max-frame-size is below 512")
        self._sessions = Sessions(self, performative.max_frame_size)
        self.container_id = performative.container_id
        if performative.idle_time_out:
            self._heartbeat = min(self._heartbeat, performative.idle_time_out / 2_000)
        self._state = _State.OPEN
        self._send_open()
        self._attach_deadline = now + self.capabilities.attach_timeout

    def _send_open(self) -> None:
        own = self.capabilities
        self.send(open_frame(own.container_id, own.max_frame_size, own.channel_max, own.idle_time_out))

    def _on_body(self, channel: int, data: bytes, start: int, end: int, events: list[Event]) -> None:
        """Take a frame in the state OPEN."""
        event = self._sessions.receive(channel, data, start, end)
        if event is None:
            return
        if isinstance(event, Close):
            event = self._on_close(event)
        self._undecided = isinstance(event, LinkAttached)
        events.append(event)

    def _on_close(self, close: Close) -> ConnectionClosed:
        self.send(close_frame())
        self._finish()
        return ConnectionClosed(close.error, by_peer=True)

    # Faults

    def _fail(self, fault: AmqpError, now: float) -> ConnectionClosed:
        """Tell the client what it did wrong and close."""
        if self._state is _State.NEW:
            self._finish()
        elif self._state in {_State.SIGNING_IN, _State.DECIDING}:
            denied = fault.condition is Condition.UNAUTHORIZED_ACCESS
            self.send(outcome_frame(SaslCode.AUTH if denied else SaslCode.SYS_PERM))
            self._finish()
        else:
            self._close(error_value(fault.condition, fault.description), now)
        return ConnectionClosed(fault.description, by_peer=False)

    def _close(self, error: bytes, now: float) -> None:
        if self._state is not _State.OPEN:
            if self._state is _State.SIGNED_IN:
                self.send(AMQP_HEADER)
            self._send_open()
        self.send(close_frame(error))
        self._forget_link()
        self._state = _State.CLOSING
        self._close_deadline = now + self.capabilities.close_timeout

    def _finish(self) -> None:
        self._forget_link()
        self._state = _State.CLOSED
        self._buffer = None
        self.closed = True

    def _forget_link(self) -> None:
        if self.link is not None:
            self.link.attached = False
            self.link = None
        self._undecided = False

    # Answers

    def sign_in_outcome(self, code: SaslCode) -> None:
        """Answer `SignIn`."""
        if self._state is not _State.DECIDING:
            return  # gone in the meantime
        self.send(outcome_frame(code))
        if code is SaslCode.OK:
            self._state = _State.SIGNED_IN
            self._sign_in_deadline = None
        else:
            self._finish()

    def decided(self) -> None:
        """Go on decoding: `LinkAttached` is answered."""
        self._undecided = False

    def close(self, condition: Condition, description: str, now: float) -> None:
        """Close the connection; `closed` is set when the client has answered, or too late to wait for it."""
        if self._state in {_State.CLOSING, _State.CLOSED}:
            return
        if self._state in {_State.NEW, _State.SIGNING_IN, _State.DECIDING}:
            self._finish()
            return
        self._close(error_value(condition, description), now)

    # Time

    def tick(self, now: float) -> list[Event]:
        """Let time pass: about once a second; `now` in s."""
        if self.closed:
            return []
        own = self.capabilities
        if self._state is _State.CLOSING:
            if self._close_deadline is not None and now >= self._close_deadline:
                self._finish()
            return []
        if self._sign_in_deadline is not None and now >= self._sign_in_deadline:
            return self._give_up(ConnectionFault(Condition.UNAUTHORIZED_ACCESS, "not signed in in time"), now)
        if self._state in {_State.OPEN, _State.OPENING, _State.SIGNED_IN}:
            silent = now - self._received_at
            if silent >= 2 * own.idle_time_out / 1_000:
                return self._give_up(ConnectionFault(Condition.RESOURCE_LIMIT_EXCEEDED, "nothing heard in time"), now)
            self._watch_link(now)
            if self._attach_deadline is not None and now >= self._attach_deadline:
                return self._give_up(ConnectionFault(Condition.NOT_ALLOWED, "no link attached in time"), now)
            self._beat(now)
        return []

    def _watch_link(self, now: float) -> None:
        if self.link is not None:
            self._attach_deadline = None
            self.link.tick(now, self.capabilities.settle_timeout)
        elif self._attach_deadline is None:
            self._attach_deadline = now + self.capabilities.attach_timeout

    def _beat(self, now: float) -> None:
        if self._written:
            self._written = False
            # It may have been right after the tick before.
            self._sent_at = self._ticked_at
        self._ticked_at = now
        if self._state is _State.OPEN and not self.output and now + _TICK - self._sent_at > self._heartbeat:
            self.send(EMPTY_FRAME)

    def _give_up(self, fault: ConnectionFault, now: float) -> list[Event]:
        return [self._fail(fault, now)]
