"""The server's side of the message layer (RFC 7252, 4 and 5.2): reliability, deduplication, blocks."""

import heapq
import itertools
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from thingplane.coap.blocks import Block, BlockError, Uploads, part
from thingplane.coap.message import Code, FormatError, Message, Number, Options, Type, decode, uint_bytes

# RFC 7252, 4.8: transmission parameters, and the times derived from them.
ACK_TIMEOUT_S: Final = 2.0
ACK_RANDOM_FACTOR: Final = 1.5
MAX_RETRANSMIT: Final = 4
EXCHANGE_LIFETIME_S: Final = 247.0

PROCESSING_S: Final = 1.0
"""After so long without a response, a confirmable request gets an empty acknowledgement: its sender would repeat it."""

LARGEST_BLOCK: Final = 1024

_KNOWN: Final = {number.value for number in Number}
_METHODS: Final = range(Code.GET, 32)


@dataclass(frozen=True)
class Limits:
    """What one endpoint keeps in memory."""

    exchanges: int = 100_000
    """Requests remembered, so that a repeated one is not handled twice. The oldest makes room."""
    exchange_bytes: int = 32 * 1024 * 1024
    """Bytes of their responses."""
    body: int = 131_072
    """Bytes of a request or response in blocks."""
    transfers: int = 1_000
    """Requests that arrive in blocks, and responses that are fetched in blocks, at the same time."""
    transfer_bytes: int = 32 * 1024 * 1024
    """Bytes of them, each direction by itself. The one longest without a block makes room."""
    stranger_body: int = 2_048
    """Bytes of a request in blocks of a peer that is not known; these make no room among those of others."""
    unacknowledged: int = 10_000
    """Separate responses that wait for an acknowledgement."""


class _Exchange:
    """A request that has arrived, with its answer once there is one."""

    __slots__ = ("arrived", "datagram", "is_acknowledged", "until")

    def __init__(self, arrived: float, until: float) -> None:
        self.arrived = arrived
        self.until = until
        self.datagram = b""
        self.is_acknowledged = False


@dataclass(eq=False)
class Request:
    """A request that is complete. Hand it back to ``Endpoint.respond``."""

    peer: Hashable
    message: Message
    """As it came; of a request in blocks its last message."""
    payload: bytes
    """The whole body."""
    block1: Block | None = None
    block2: Block | None = None
    is_answered: bool = field(default=False, init=False)

    @property
    def path(self) -> list[str]:
        """Segments of the path.

        Raises:
            UnicodeDecodeError: one is not UTF-8.
        """
        return [value.decode() for value in self.message.all(Number.URI_PATH)]

    @property
    def query(self) -> dict[str, str]:
        """Arguments of the query by name; the first of several wins.

        Raises:
            UnicodeDecodeError: one is not UTF-8.
        """
        found: dict[str, str] = {}
        for value in self.message.all(Number.URI_QUERY):
            name, _, text = value.decode().partition("=")
            found.setdefault(name, text)
        return found


class _Repetition(NamedTuple):
    """A confirmable message that is sent again unless it is acknowledged."""

    key: tuple[Hashable, int]
    wait: float
    """Seconds it has waited for this time."""
    times: int
    """How often it will have been sent again then."""


class Endpoint:
    """A server for any number of peers. Times are seconds of a monotonic clock, given by the caller.

    What is to be sent gathers in ``outgoing``; whoever calls a method takes it from there.
    """

    def __init__(
        self,
        limits: Limits | None = None,
        *,
        first_message_id: int = 0,
        known: frozenset[int] = frozenset(),
        is_trusted: Callable[[Message], bool] = lambda _message: True,
    ) -> None:
        """Prepare an endpoint.

        Args:
            limits: bounds of memory.
            first_message_id: of messages that are no answers; best a random number.
            known: critical options above those of the RFCs that the application understands.
            is_trusted: tells whether a message comes from a peer that may send large bodies; a quick look.
        """
        self.outgoing: list[tuple[bytes, Hashable]] = []
        """(datagram, peer)."""
        self._limits = limits or Limits()
        self._known = _KNOWN | known
        self._message_id = first_message_id & 0xFFFF
        self._exchanges: OrderedDict[tuple[Hashable, int], _Exchange] = OrderedDict()
        self._exchange_bytes = 0
        self._slow: OrderedDict[Request, float] = OrderedDict()
        self._is_trusted = is_trusted
        count, size = self._limits.transfers, self._limits.transfer_bytes
        self._uploads = Uploads(self._limits.body, count, size, EXCHANGE_LIFETIME_S)
        self._strangers = Uploads(self._limits.stranger_body, count, size, EXCHANGE_LIFETIME_S)
        self._bodies: OrderedDict[object, tuple[float, int, Options, bytes]] = OrderedDict()
        self._body_bytes = 0
        self._unacknowledged: dict[tuple[Hashable, int], bytes] = {}
        self._due: list[tuple[float, int, _Repetition]] = []
        self._count = itertools.count()

    # Incoming

    def receive(self, data: bytes, peer: Hashable, now: float) -> Request | None:
        """Take a datagram; return the request that it completes."""
        try:
            message = decode(data)
        except FormatError as error:
            if error.reset is not None:
                self._send(Message(Type.RST, Code.EMPTY, error.reset), peer)
            return None
        if message.type in {Type.ACK, Type.RST}:
            self._unacknowledged.pop((peer, message.message_id), None)
            return None
        if message.code not in _METHODS:
            # Also a ping (an empty confirmable message), whose pong is a Reset (RFC 7252, 4.3).
            if message.type is Type.CON:
                self._send(Message(Type.RST, Code.EMPTY, message.message_id), peer)
            return None
        key = (peer, message.message_id)
        known = self._exchanges.get(key)
        if known is not None and known.until > now:
            self._repeat(known, message, peer)
            return None
        self._remember(key, now)
        return self._read(message, peer, now)

    def _repeat(self, known: _Exchange, message: Message, peer: Hashable) -> None:
        """Answer a repeated request as the first time (RFC 7252, 4.5)."""
        if message.type is not Type.CON:
            return
        if known.is_acknowledged:
            self._send(Message(Type.ACK, Code.EMPTY, message.message_id), peer)
        elif known.datagram:
            self.outgoing.append((known.datagram, peer))

    def _remember(self, key: tuple[Hashable, int], now: float) -> None:
        old = self._exchanges.pop(key, None)
        if old is not None:
            self._exchange_bytes -= len(old.datagram)
        self._exchanges[key] = _Exchange(now, now + EXCHANGE_LIFETIME_S)
        while len(self._exchanges) > self._limits.exchanges or self._exchange_bytes > self._limits.exchange_bytes:
            _, oldest = self._exchanges.popitem(last=False)
            self._exchange_bytes -= len(oldest.datagram)

    def _read(self, message: Message, peer: Hashable, now: float) -> Request | None:
        request = Request(peer, message, message.payload)
        if any(number & 1 and number not in self._known for number, _ in message.options):
            self.respond(request, Code.BAD_OPTION, now)
            return None
        try:
            one, two = message.first(Number.BLOCK1), message.first(Number.BLOCK2)
            request.block1 = None if one is None else Block.decode(one)
            request.block2 = None if two is None else Block.decode(two)
        except BlockError as error:
            self.respond(request, Code.BAD_OPTION, now, str(error).encode())
            return None
        if request.block2 is not None and request.block2.number:
            self._continue_response(request, now)
            return None
        if request.block1 is not None:
            uploads = self._uploads if self._is_trusted(message) else self._strangers
            try:
                body = uploads.add(_body_key(message, peer), request.block1, message.payload, now)
            except BlockError as error:
                self.respond(request, Code.REQUEST_ENTITY_INCOMPLETE, now, str(error).encode())
                return None
            except OverflowError:
                size = (Number.SIZE1, uint_bytes(self._limits.body))
                self.respond(request, Code.REQUEST_ENTITY_TOO_LARGE, now, options=[size])
                return None
            if body is None:
                self.respond(request, Code.CONTINUE, now)
                return None
            request.payload = body
        self._slow[request] = now + PROCESSING_S
        return request

    # Outgoing

    def respond(
        self,
        request: Request,
        code: int,
        now: float,
        payload: bytes = b"",
        options: Options | None = None,
        *,
        separate: bool = False,
    ) -> None:
        """Answer a request, piggy-backed on its acknowledgement if that has not left yet.

        Args:
            request: what ``receive`` returned; answered once only.
            code: of the response.
            now: the time.
            payload: body, cut into blocks when it is long.
            options: of the response.
            separate: acknowledge first and answer in a message of its own (RFC 7252, 5.2.2).

        Raises:
            ValueError: the request has its answer already.
        """
        if request.is_answered:
            raise ValueError("the request is answered already")
        request.is_answered = True
        self._slow.pop(request, None)
        full = list(options or [])
        if len(payload) > (LARGEST_BLOCK if request.block2 is None else request.block2.size):
            self._keep_body(request, code, full, payload, now)
        try:
            payload, more = part(payload, request.block2)
        except BlockError as error:
            code, payload, more = Code.BAD_REQUEST, str(error).encode(), []
        full = [*full, *more]
        if request.block1 is not None:
            full.append((Number.BLOCK1, request.block1.encode()))
        full.sort(key=lambda option: option[0])
        self._answer(request, code, full, payload, now, separate=separate)

    def _answer(
        self, request: Request, code: int, options: Options, payload: bytes, now: float, *, separate: bool
    ) -> None:
        message, peer = request.message, request.peer
        if message.type is Type.NON:
            self._send(Message(Type.NON, code, self._next_id(), message.token, options, payload), peer)
            return
        exchange = self._exchanges.get((peer, message.message_id))
        if separate and exchange is not None and not exchange.is_acknowledged:
            self._acknowledge(exchange, message, peer)
        if exchange is not None and exchange.is_acknowledged:
            self._send_reliably(Message(Type.CON, code, self._next_id(), message.token, options, payload), peer, now)
            return
        datagram = Message(Type.ACK, code, message.message_id, message.token, options, payload).encode()
        if exchange is not None:
            exchange.datagram = datagram
            self._exchange_bytes += len(datagram)
        self.outgoing.append((datagram, peer))

    def _acknowledge(self, exchange: _Exchange, message: Message, peer: Hashable) -> None:
        exchange.is_acknowledged = True
        self._send(Message(Type.ACK, Code.EMPTY, message.message_id), peer)

    def _keep_body(self, request: Request, code: int, options: Options, payload: bytes, now: float) -> None:
        """Keep a response that its peer will fetch block by block."""
        if len(payload) > self._limits.body:
            raise ValueError("response too large")
        key = _body_key(request.message, request.peer)
        self._forget_body(key)
        self._bodies[key] = (now + EXCHANGE_LIFETIME_S, code, options, payload)
        self._body_bytes += len(payload)
        while len(self._bodies) > self._limits.transfers or self._body_bytes > self._limits.transfer_bytes:
            self._forget_body(next(iter(self._bodies)))

    def _forget_body(self, key: object) -> None:
        known = self._bodies.pop(key, None)
        if known is not None:
            self._body_bytes -= len(known[3])

    def _continue_response(self, request: Request, now: float) -> None:
        until, code, options, payload = self._bodies.get(
            _body_key(request.message, request.peer), (0.0, Code.REQUEST_ENTITY_INCOMPLETE, [], b"")
        )
        if until <= now:
            request.block2 = None
            self.respond(request, Code.REQUEST_ENTITY_INCOMPLETE, now)
            return
        self.respond(request, code, now, payload, options)

    def _send_reliably(self, message: Message, peer: Hashable, now: float) -> None:
        key = (peer, message.message_id)
        datagram = message.encode()
        self.outgoing.append((datagram, peer))
        if len(self._unacknowledged) < self._limits.unacknowledged:
            self._unacknowledged[key] = datagram
            # The spread that keeps clients from repeating in step comes from the message ids: no random numbers here.
            wait = ACK_TIMEOUT_S * (1 + (ACK_RANDOM_FACTOR - 1) * (message.message_id % 97) / 97)
            self._repeat_at(now + wait, _Repetition(key, wait, 1))

    def _repeat_at(self, when: float, what: "_Repetition") -> None:
        heapq.heappush(self._due, (when, next(self._count), what))

    def _send(self, message: Message, peer: Hashable) -> None:
        self.outgoing.append((message.encode(), peer))

    def _next_id(self) -> int:
        self._message_id = self._message_id + 1 & 0xFFFF
        return self._message_id

    # Time

    def tick(self, now: float) -> None:
        """Let time pass: repeat what is not acknowledged, acknowledge what takes long, forget what is old."""
        while self._slow:
            request, at = next(iter(self._slow.items()))
            if at > now:
                break
            del self._slow[request]
            exchange = self._exchanges.get((request.peer, request.message.message_id))
            if request.message.type is Type.CON and exchange is not None:
                self._acknowledge(exchange, request.message, request.peer)
        while self._due and self._due[0][0] <= now:
            _, _, (key, wait, times) = heapq.heappop(self._due)
            datagram = self._unacknowledged.get(key)
            if datagram is None:
                continue
            if times > MAX_RETRANSMIT:
                del self._unacknowledged[key]
                continue
            self.outgoing.append((datagram, key[0]))
            self._repeat_at(now + 2 * wait, _Repetition(key, 2 * wait, times + 1))
        while self._exchanges:
            exchange = next(iter(self._exchanges.values()))
            if exchange.until > now:
                break
            self._exchanges.popitem(last=False)
            self._exchange_bytes -= len(exchange.datagram)
        while self._bodies and next(iter(self._bodies.values()))[0] <= now:
            self._forget_body(next(iter(self._bodies)))
        self._uploads.expire(now)
        self._strangers.expire(now)


def _body_key(message: Message, peer: Hashable) -> object:
    """Return what makes two requests parts of the same operation (RFC 7959, 2.3): peer, method, path and query."""
    names = (Number.URI_PATH, Number.URI_QUERY)
    return peer, message.code, tuple(option for option in message.options if option[0] in names)
