"""Server side of one STOMP connection: bytes in, events out (and the other way round)."""

from collections.abc import Callable, Sequence
from enum import Enum, auto
from typing import Final

from thingplane.stomp.capabilities import Capabilities
from thingplane.stomp.errors import StompError
from thingplane.stomp.events import Acknowledged, ConnectionClosed, Event, SignIn, Subscribed, Unsubscribed
from thingplane.stomp.frames import V1_0, V1_1, V1_2, Frame, FrameReader, encode_frame, escape

_TICK = 1.0
"""Seconds between two calls of `tick`, about: what is due within the next one is done now."""
_VERSIONS: Final = (V1_2, V1_1, V1_0)
_MODES: Final = frozenset({"auto", "client", "client-individual"})


class _State(Enum):
    NEW = auto()  # only CONNECT may come
    DECIDING = auto()  # SignIn reported, answer outstanding; nothing is decoded
    OPEN = auto()
    CLOSED = auto()


class ServerConnection:
    """Protocol state of one connection.

    The owner calls `receive_data` with what it read and handles the events, calls `tick` about once a second, writes
    `data_to_send` after each, and closes the transport after writing once `closed` is set. After `SignIn` nothing more
    is decoded until it is answered: then `receive_data(b"", now)` gives what had arrived in the meantime. Whatever the
    client sends, the answer is an ERROR frame; no method raises because of it.

    Attributes:
        closed: the transport has to be closed once the output is written.
        version: that was agreed on.
        settles_itself: messages count as acknowledged when they are sent (ack:auto).
        subscribed: `send` is allowed.
    """

    __slots__ = (
        "_beat",
        "_beat_expected",
        "_capabilities",
        "_deadline",
        "_head",
        "_ids",
        "_is_cumulative",
        "_marks",
        "_output",
        "_reader",
        "_received_at",
        "_sent_at",
        "_serial",
        "_state",
        "_subscription",
        "_ticked_at",
        "_unsettled",
        "_written",
        "closed",
        "settles_itself",
        "subscribed",
        "version",
    )

    def __init__(self, capabilities: Capabilities, now: float) -> None:
        """Begin; `now` in s of any clock that only moves forward."""
        self.closed = False
        self.version = V1_0
        self.settles_itself = True
        self.subscribed = False
        self._capabilities = capabilities
        self._state = _State.NEW
        self._reader = FrameReader(capabilities.max_head, capabilities.max_body)
        self._output: list[bytes] = []
        self._subscription = ""  # its id
        self._is_cumulative = False
        self._head = ""  # of MESSAGE frames
        self._serial = 0
        self._unsettled: dict[int, tuple[str, object]] = {}  # message-id and context by number
        self._ids: dict[str, int] = {}  # numbers by message-id, for clients that name no number
        self._marks: list[tuple[float, int]] = []  # time, and the last number then
        self._beat = 0.0  # s between two signs of life of the server, 0 = none
        self._beat_expected = 0.0  # and of the client
        self._received_at = now
        self._sent_at = now
        self._ticked_at = now
        self._written = False
        self._deadline: float | None = now + capabilities.sign_in_timeout

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
        reader = self._reader
        reader.receive(data)
        try:
            self._check_patience()
            while self._state in {_State.NEW, _State.OPEN} and (frame := reader.next_frame()):
                event = self._handled(frame, now)
                if event is not None:
                    events.append(event)
        except StompError as error:
            events.append(self._fail(str(error)))
        return events

    def _handled(self, frame: Frame, now: float) -> Event | None:
        try:
            return self._on_frame(frame, now)
        except StompError as error:
            return self._fail(str(error), frame.headers.get("receipt", ""))

    def _check_patience(self) -> None:
        if self._state is _State.DECIDING and self._reader.waiting > self._capabilities.max_body:
            raise StompError("too much data before an answer")

    def _on_frame(self, frame: Frame, now: float) -> Event | None:
        if self._state is _State.NEW:
            return self._on_connect(frame)
        handler = _HANDLERS.get(frame.command)
        if handler is None or (frame.command == "NACK" and self.version == V1_0):
            raise StompError(f"{frame.command[:20]} is not supported: messages go from the server to clients only")
        return handler(self, frame, now)

    def _on_connect(self, frame: Frame) -> Event:
        if frame.command not in {"CONNECT", "STOMP"}:
            raise StompError("the first frame is no CONNECT")
        offered = {version.strip() for version in frame.headers.get("accept-version", V1_0).split(",")}
        version = next((version for version in _VERSIONS if version in offered), None)
        if version is None:
            raise StompError(f"supported versions are {', '.join(reversed(_VERSIONS))}")
        self.version = self._reader.version = version
        beat = frame.headers.get("heart-beat", "0,0").split(",")
        if len(beat) != 2 or not all(part.strip().isascii() and part.strip().isdigit() for part in beat):
            raise StompError("heart-beat must be two numbers")
        sends, wants = (int(part[:9]) for part in beat)
        own = self._capabilities.heartbeat
        if version != V1_0:
            # The interval of each direction is the longer of what one side can and the other wants.
            self._beat = own / 1_000 if wants else 0.0
            self._beat_expected = max(sends, own) / 1_000 if sends else 0.0
        self._state = _State.DECIDING
        return SignIn(frame.headers.get("login", ""), frame.headers.get("passcode", ""))

    def _on_subscribe(self, frame: Frame, now: float) -> Event:
        headers = frame.headers
        if self.subscribed:
            raise StompError("one subscription is allowed on a connection")
        destination = headers.get("destination", "")
        identifier = headers.get("id", "")
        if not destination or (not identifier and self.version != V1_0):
            raise StompError("SUBSCRIBE needs a destination and an id")
        mode = headers.get("ack", "auto")
        if mode not in _MODES:
            raise StompError("ack must be auto, client or client-individual")
        self._subscription = identifier
        self.settles_itself = mode == "auto"
        self._is_cumulative = mode == "client"
        self._head = f"MESSAGE\nsubscription:{escape(identifier, self.version)}\n" if identifier else "MESSAGE\n"
        self.subscribed = True
        self._deadline = None
        del now
        return Subscribed(destination, headers.get("receipt", ""))

    def _on_unsubscribe(self, frame: Frame, now: float) -> Event:
        identifier = frame.headers.get("id", "")
        if not self.subscribed or (identifier != self._subscription and (identifier or self.version != V1_0)):
            raise StompError("there is no such subscription")
        self._forget()
        self._deadline = now + self._capabilities.subscribe_timeout
        self._give_receipt(frame)
        return Unsubscribed()

    def _on_ack(self, frame: Frame, now: float) -> Event | None:
        del now
        headers = frame.headers
        if "transaction" in headers:
            raise StompError("transactions are not supported")
        name = "id" if self.version == V1_2 else "message-id"
        if name not in headers:
            raise StompError(f"{frame.command} needs {name}")
        accepted = frame.command == "ACK"
        receipt = headers.get("receipt", "")
        serial = self._serial_of(headers[name])
        contexts = [] if serial is None else self._take(serial)
        if not contexts:
            self._give_receipt(frame)  # late, or for ack:auto: there is nothing to decide
            return None
        return Acknowledged(contexts, accepted, receipt)

    def _serial_of(self, text: str) -> int | None:
        if self.version != V1_2:
            return self._ids.get(text)
        return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None

    def _take(self, serial: int) -> list[object]:
        if serial not in self._unsettled:
            return []
        taken = [number for number in self._unsettled if number <= serial] if self._is_cumulative else [serial]
        return [self._pop(number) for number in taken]

    def _pop(self, number: int) -> object:
        identifier, context = self._unsettled.pop(number)
        if self._ids.get(identifier) == number:
            del self._ids[identifier]
        return context

    def _on_disconnect(self, frame: Frame, now: float) -> Event:
        del now
        self._give_receipt(frame)
        self._finish()
        return ConnectionClosed("", by_peer=True)

    def _give_receipt(self, frame: Frame) -> None:
        receipt = frame.headers.get("receipt")
        if receipt is not None:
            self.send_receipt(receipt)

    # Answers

    def accept(self, now: float) -> None:
        """Answer `SignIn`: the client is connected."""
        if self._state is not _State.DECIDING:
            return  # gone in the meantime
        beat = self._capabilities.heartbeat
        headers = [("version", self.version), ("server", self._capabilities.server)]
        if self.version != V1_0:
            headers.append(("heart-beat", f"{beat},{beat if self._beat_expected else 0}"))
        # CONNECTED is exempt from escaping.
        self._output.append(encode_frame("CONNECTED", headers))
        self._state = _State.OPEN
        self._deadline = now + self._capabilities.subscribe_timeout

    def refuse(self, message: str) -> None:
        """Send an ERROR frame and end the connection."""
        if not self.closed:
            self._fail(message)

    def send_receipt(self, receipt: str) -> None:
        """Confirm a frame that asked for it; "" = it did not."""
        if receipt and not self.closed:
            self._output.append(encode_frame("RECEIPT", [("receipt-id", receipt)], version=self.version))

    # Out

    def capacity(self) -> int:
        """Return how many messages may be sent now."""
        if not self.subscribed:
            return 0
        return max(self._capabilities.max_unsettled - len(self._unsettled), 0)

    def send(self, message_id: str, headers: Sequence[tuple[str, str]], body: bytes, context: object) -> None:
        """Send a message; allowed while `capacity` is not 0.

        Args:
            message_id: of the message.
            headers: beside `subscription`, `message-id`, `ack` and `content-length`.
            body: any bytes.
            context: given back when it is acknowledged; not kept with ack:auto.
        """
        version = self.version
        lines = "".join([f"{name}:{escape(value, version)}\n" for name, value in headers])
        acknowledgement = ""
        if not self.settles_itself:
            self._serial = serial = self._serial + 1
            self._unsettled[serial] = (message_id, context)
            self._ids[message_id] = serial
            if version == V1_2:
                acknowledgement = f"ack:{serial}\n"
        head = f"{self._head}message-id:{message_id}\n{acknowledgement}{lines}content-length:{len(body)}\n\n"
        self._output += (head.encode(), body, b"\0")

    def data_to_send(self) -> bytes:
        """Return and forget the output; b"" when there is none."""
        output = self._output
        if not output:
            return b""
        self._written = True
        data = b"".join(output)
        output.clear()
        return data

    # Time

    def tick(self, now: float) -> list[Event]:
        """Let time pass: about once a second; `now` in s."""
        if self.closed:
            return []
        if self._deadline is not None and now >= self._deadline:
            what = "subscribed" if self._state is _State.OPEN else "signed in"
            return [self._fail(f"not {what} in time")]
        if self._state is _State.OPEN:
            if self._beat_expected and now - self._received_at >= 2 * self._beat_expected + _TICK:
                return [self._fail("no heart-beat in time")]
            self._forget_late(now)
            self._sign_of_life(now)
        return []

    def _sign_of_life(self, now: float) -> None:
        if self._written:
            self._written = False
            # It may have been right after the tick before.
            self._sent_at = self._ticked_at
        self._ticked_at = now
        if self._beat and not self._output and now + _TICK - self._sent_at > self._beat:
            self._output.append(b"\n")

    def _forget_late(self, now: float) -> None:
        if not self._unsettled:
            self._marks.clear()
            return
        self._marks.append((now, self._serial))
        while self._marks[0][0] <= now - self._capabilities.settle_timeout:
            _, last = self._marks.pop(0)
            for number in [number for number in self._unsettled if number <= last]:
                self._pop(number)

    # End

    def _forget(self) -> None:
        self.subscribed = False
        self._unsettled.clear()
        self._ids.clear()

    def _finish(self) -> None:
        self._forget()
        self._state = _State.CLOSED
        self.closed = True

    def _fail(self, message: str, receipt: str = "") -> ConnectionClosed:
        """Send an ERROR frame, which names the receipt that the frame at fault asked for."""
        headers = [("message", message), ("content-type", "text/plain")]
        if receipt:
            headers.append(("receipt-id", receipt))
        if self._state is _State.NEW:
            headers.insert(0, ("version", ",".join(reversed(_VERSIONS))))
        self._output.append(encode_frame("ERROR", headers, message.encode(), self.version))
        self._finish()
        return ConnectionClosed(message, by_peer=False)


_HANDLERS: Final[dict[str, Callable[[ServerConnection, Frame, float], Event | None]]] = {
    "SUBSCRIBE": ServerConnection._on_subscribe,  # noqa: SLF001 - its own
    "UNSUBSCRIBE": ServerConnection._on_unsubscribe,  # noqa: SLF001
    "ACK": ServerConnection._on_ack,  # noqa: SLF001
    "NACK": ServerConnection._on_ack,  # noqa: SLF001
    "DISCONNECT": ServerConnection._on_disconnect,  # noqa: SLF001
}
