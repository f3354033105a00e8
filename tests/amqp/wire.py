"""The client's side of the wire: frames to send, and what a server sent."""

from typing import Any, NamedTuple

from thingplane.amqp import Capabilities, LinkAttached, SaslCode, SenderLink, ServerConnection, SignIn
from thingplane.amqp.codec.composite import read_composite
from thingplane.amqp.codec.encode import (
    NULL,
    binary,
    boolean,
    composite,
    described,
    sequence,
    string,
    symbol,
    uint,
)
from thingplane.amqp.codec.outbound import frame
from thingplane.amqp.events import Event
from thingplane.amqp.numbers import AMQP_HEADER, SASL_FRAME, SASL_HEADER, Descriptor

D = Descriptor
SOURCE = composite(D.SOURCE, [string("default")])
TARGET = composite(D.TARGET, [])
ACCEPTED = described(D.ACCEPTED, sequence([]))
RELEASED = described(D.RELEASED, sequence([]))


class Sent(NamedTuple):
    """A frame of the server; a protocol header has the name of its protocol and no fields."""

    name: str
    fields: list[Any]
    channel: int = 0
    payload: bytes = b""
    size: int = 0

    def field(self, index: int) -> Any:
        return self.fields[index] if index < len(self.fields) else None

    @property
    def error(self) -> str:
        """The condition of its error, "" without one."""
        last = self.fields[-1] if self.fields else None
        return "" if last is None else last.value[0]


def read_output(data: bytes) -> list[Sent]:
    """Split what a server sent; it has to be complete and well-formed."""
    found: list[Sent] = []
    position = 0
    while position < len(data):
        if data.startswith(b"AMQP", position):
            found.append(Sent("sasl" if data[position + 4] == 3 else "amqp", [], 0, data[position : position + 8]))
            position += 8
            continue
        size = int.from_bytes(data[position : position + 4], "big")
        end = position + size
        assert 8 <= size <= len(data) - position
        assert data[position + 4] == 2
        channel = data[position + 6] << 8 | data[position + 7]
        if size == 8:
            found.append(Sent("heartbeat", [], channel, b"", 8))
        else:
            fields, after = read_composite(data, position + 8, end)
            values = [fields.get(index) for index in range(len(fields))]
            name = Descriptor(fields.descriptor).name.lower()
            found.append(Sent(name, values, channel, data[after:end], size))
        position = end
    return found


# Frames


def sasl_init(response: bytes | None = b"\0user\0password", mechanism: str = "PLAIN") -> bytes:
    body = composite(D.SASL_INIT, [symbol(mechanism), NULL if response is None else binary(response)])
    return frame(0, body, SASL_FRAME)


def opening(
    container: str = "client", max_frame_size: int | None = None, idle: int | None = None, host: str = ""
) -> bytes:
    fields = [
        string(container),
        string(host) if host else NULL,
        NULL if max_frame_size is None else uint(max_frame_size),
        NULL,
        NULL if idle is None else uint(idle),
    ]
    return frame(0, composite(D.OPEN, fields))


def begin(channel: int = 0, window: int = 2048, remote_channel: bytes = NULL) -> bytes:
    return frame(channel, composite(D.BEGIN, [remote_channel, uint(0), uint(window), uint(2048)]))


def attach(
    handle: int = 0,
    channel: int = 0,
    *,
    name: str = "link",
    receiver: bool = True,
    modes: tuple[bytes, bytes] = (NULL, NULL),
    source: bytes = SOURCE,
    target: bytes = TARGET,
    more: tuple[bytes, ...] = (),
) -> bytes:
    fields = [string(name), uint(handle), boolean(receiver), *modes, source, target, *more]
    return frame(channel, composite(D.ATTACH, fields))


def flow(
    credit: int | None = 100,
    *,
    channel: int = 0,
    handle: int | None = 0,
    seen: int | None = 0,
    window: int = 2048,
    count: int | None = 0,
    drain: bool = False,
    echo: bool = False,
) -> bytes:
    def number(value: int | None) -> bytes:
        return NULL if value is None else uint(value)

    fields = [number(seen), uint(window), uint(0), uint(2048), number(handle), number(count), number(credit)]
    fields += [NULL, boolean(drain), boolean(echo)]
    return frame(channel, composite(D.FLOW, fields))


def disposition(
    first: int,
    last: int | None = None,
    state: bytes = ACCEPTED,
    *,
    settled: bool = True,
    receiver: bool = True,
    wide: bool = False,
) -> bytes:
    """Settle deliveries; with ``wide`` in a list of 32 bits."""
    fields = [boolean(receiver), uint(first), NULL if last is None else uint(last), boolean(settled), state]
    if not wide:
        return frame(0, composite(D.DISPOSITION, fields))
    content = b"".join(fields)
    sizes = (len(content) + 4).to_bytes(4, "big") + len(fields).to_bytes(4, "big")
    return frame(0, b"\x00\x53\x15\xd0" + sizes + content)


def detach(handle: int = 0, *, closed: bool = True) -> bytes:
    return frame(0, composite(D.DETACH, [uint(handle), boolean(closed)]))


def ending(channel: int = 0) -> bytes:
    return frame(channel, composite(D.END, []))


def closing() -> bytes:
    return frame(0, composite(D.CLOSE, []))


CONNECTED = opening() + begin()


class Client:
    """A client and the server connection it talks to, without a network; everybody may sign in and attach."""

    def __init__(self, capabilities: Capabilities | None = None) -> None:
        self.server = ServerConnection(capabilities or Capabilities(), 0.0)
        self.events: list[Event] = []
        self.now = 0.0

    def send(self, *frames: bytes, decide: bool = True) -> list[Sent]:
        """Send, answer what has to be answered, and return what the server sent."""
        events = self.server.receive_data(b"".join(frames), self.now)
        while events:
            self.events += events
            for event in events:
                if decide and isinstance(event, SignIn):
                    self.server.sign_in_outcome(SaslCode.OK)
                elif decide and isinstance(event, LinkAttached):
                    event.link.accept()
            events = self.server.receive_data(b"", self.now)
        return read_output(self.server.data_to_send())

    def tick(self, now: float) -> list[Sent]:
        self.now = now
        self.events += self.server.tick(now)
        return read_output(self.server.data_to_send())

    def take_events(self) -> list[Event]:
        events, self.events = self.events, []
        return events

    def is_closed(self) -> bool:
        return self.server.closed

    @property
    def link(self) -> SenderLink:
        assert self.server.link is not None
        return self.server.link

    def output(self) -> list[Sent]:
        return read_output(self.server.data_to_send())


def signed_in(capabilities: Capabilities | None = None) -> Client:
    """Return a client that may open its connection."""
    client = Client(capabilities)
    client.send(SASL_HEADER, sasl_init(), AMQP_HEADER)
    client.take_events()
    return client


def attached(
    *,
    credit: int = 100,
    window: int = 2048,
    max_frame_size: int | None = None,
    capabilities: Capabilities | None = None,
    modes: tuple[bytes, bytes] = (NULL, NULL),
    source: bytes = SOURCE,
) -> Client:
    """Return a client that receives."""
    client = signed_in(capabilities)
    client.send(
        opening(max_frame_size=max_frame_size),
        begin(window=window),
        attach(modes=modes, source=source),
        flow(credit, window=window),
    )
    client.take_events()
    return client
