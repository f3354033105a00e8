"""Server side of one MQTT connection: bytes in, events out (and the other way round)."""

from enum import Enum, auto
from typing import cast

from thingplane.mqtt.capabilities import Capabilities
from thingplane.mqtt.codec.connect import decode_connect, read_version
from thingplane.mqtt.codec.decode import check_topic_name, decode
from thingplane.mqtt.codec.encode import encode
from thingplane.mqtt.codec.primitives import decode_text
from thingplane.mqtt.errors import ProtocolError
from thingplane.mqtt.numbers import MQTT_5, ReasonCode
from thingplane.mqtt.outgoing import Outgoing
from thingplane.mqtt.packets import (
    Auth,
    Connack,
    Connect,
    Disconnect,
    Event,
    Packet,
    Ping,
    Pong,
    Publish,
    Suback,
    Unsuback,
)
from thingplane.mqtt.properties import Properties
from thingplane.mqtt.topics import is_too_long


class _State(Enum):
    NEW = auto()  # nothing but CONNECT may come
    DECIDING = auto()  # CONNECT or AUTH reported, answer outstanding; nothing is decoded
    AUTHENTICATING = auto()  # AUTH sent, AUTH or DISCONNECT may come
    OPEN = auto()
    CLOSED = auto()  # refused, broken or DISCONNECT received; what arrives is ignored


_SERVER_ONLY = frozenset({Connack, Suback, Unsuback, Pong})


class ServerConnection(Outgoing):
    """Protocol state of one connection: framing, decoding, order of packets, topic aliases, flow control.

    After a `Connect` event nothing more is decoded until it is answered with `connack` (or `auth`); what arrives in
    the meantime is kept, at most one maximum packet. Call `receive_data(b"")` after the answer to get its events.

    Attributes:
        version: protocol level of the client, 3, 4 or 5; 0 before CONNECT.
        keepalive: s, as the client asked for; 0 = off.
        client_id: as the client gave it.
        receive_maximum: unacknowledged QoS 1 and 2 messages the client takes.
        unacknowledged: inbound QoS 1 and 2 messages not answered yet. MQTT 5 clients that exceed the maximum are
            disconnected; the owner of a 3.x connection may stop reading instead.
    """

    __slots__ = (
        "_aliases_in",
        "_aliases_in_maximum",
        "_authentication",
        "_buffer",
        "_capabilities",
        "_inbound",
        "_limit",
        "_needed",
        "_state",
        "_topic",
        "_topic_raw",
        "client_id",
        "keepalive",
    )

    def __init__(self, capabilities: Capabilities) -> None:
        super().__init__()
        self.keepalive = 0
        self.client_id = ""
        self._capabilities = capabilities
        self._state = _State.NEW
        self._limit = capabilities.max_connect_size  # bytes of the next inbound packet
        self._buffer: bytearray | None = None  # start of an incomplete packet, or what waits for a decision
        self._needed = 0  # bytes the buffer must have before decoding makes sense
        self._authentication = False
        self._topic = ""  # the topic seen last and its bytes: a device repeats the same few
        self._topic_raw: bytes | None = None
        self._inbound = capabilities.receive_maximum
        self._aliases_in: dict[int, str] = {}
        self._aliases_in_maximum = capabilities.topic_alias_maximum

    @property
    def is_open(self) -> bool:
        """Whether the client is connected: accepted, and neither side has ended the connection."""
        return self._state is _State.OPEN

    # In

    def receive_data(self, data: bytes) -> list[Event]:
        """Decode what arrived. Any cut of the stream into pieces gives the same events.

        Raises:
            ProtocolError: malformed, oversized or out of order; its `events` came before. Only ever this exception.
        """
        if self._buffer is not None:
            self._buffer += data
            if len(self._buffer) < self._needed and self._state is not _State.DECIDING:
                return []
            data = bytes(self._buffer)
            self._buffer = None
        events: list[Event] = []
        try:
            position = self._decode(data, events)
        except ProtocolError as error:
            self._state = _State.CLOSED
            error.events = [*events]
            raise
        if position < len(data) and self._state is not _State.CLOSED:
            self._buffer = bytearray(data[position:])
        return events

    def _decode(self, data: bytes, events: list[Event]) -> int:
        """Decode all complete packets, append their events and return the position after them."""
        size = len(data)
        position = 0
        while size - position >= 2 and self._state is _State.OPEN:
            first = data[position]
            length = data[position + 1]
            start = position + 2
            if length > 0x7F:
                if size > start and data[start] < 0x80:
                    length = length & 0x7F | data[start] << 7
                    start += 1
                else:
                    length, start = self._long_header(data, position)
                    if not start:
                        return position
            end = start + length
            if end > size:
                self._wait(end - position)
                return position
            if end - position > self._limit:
                self._wait(end - position)
            # Hot path: QoS 0 and 1 without DUP, RETAIN and properties, and an unchanged topic.
            if (first == 0x32 or first == 0x30) and length > 1:  # noqa: PLR1714 - two comparisons beat a container
                topic_end = start + 2 + (data[start] << 8 | data[start + 1])
                payload_start = topic_end
                packet_id = 0
                if first == 0x32 and topic_end + 2 <= end:
                    packet_id = data[topic_end] << 8 | data[topic_end + 1]
                    payload_start += 2
                if self.version == 5:
                    properties_length = data[payload_start] if payload_start < end else 1
                    payload_start += 1
                else:
                    properties_length = 0
                if properties_length == 0 and payload_start <= end and (packet_id or first == 0x30):
                    raw = data[start + 2 : topic_end]
                    if raw != self._topic_raw:
                        self._topic = self._new_topic(raw)
                        self._topic_raw = raw
                    payload = data[payload_start:end]
                    if packet_id:
                        self._pending_qos_1 += 1
                        if self._pending_qos_1 > self._inbound or self._pending_qos_2:
                            self._check_window()
                        events.append(Publish(self._topic, payload, 1, False, False, packet_id))
                    else:
                        events.append(Publish(self._topic, payload))
                    position = end
                    continue
            events.append(self._event(decode(first, data, start, end, self.version)))
            position = end
        if position < size and self._state is not _State.OPEN:
            return self._decode_one(data, position, events)
        self._needed = 2
        return position

    def _decode_one(self, data: bytes, position: int, events: list[Event]) -> int:
        """Decode at most one packet in any state but OPEN."""
        size = len(data)
        if self._state is _State.CLOSED:
            return size
        if self._state is _State.DECIDING:
            if size - position > self._capabilities.max_packet_size:
                raise ProtocolError("too much data before the connection was accepted", ReasonCode.PACKET_TOO_LARGE)
            return position
        first = data[position]
        if self._state is _State.NEW and first != 0x10:
            raise ProtocolError("the first packet is no CONNECT", ReasonCode.PROTOCOL_ERROR)
        if self._state is _State.AUTHENTICATING and first not in (0xF0, 0xE0):
            raise ProtocolError("neither AUTH nor DISCONNECT follows AUTH", ReasonCode.PROTOCOL_ERROR)
        length, start = self._long_header(data, position)
        if not start:
            return position
        end = start + length
        self._wait(end - position)
        if end > size:
            return position
        self._needed = 0
        event = self._connect(data, start, end) if self._state is _State.NEW else self._step(first, data, start, end)
        events.append(event)
        return size if type(event) is Disconnect else end

    def _long_header(self, data: bytes, position: int) -> tuple[int, int]:
        """Return the remaining length and where the body starts; 0 for the latter while the header is incomplete."""
        length = 0
        start = position + 1
        for shift in (0, 7, 14, 21):
            if start >= len(data):
                self._needed = start - position + 1
                return 0, 0
            byte = data[start]
            start += 1
            length |= (byte & 0x7F) << shift
            if byte < 0x80:
                return length, start
        raise ProtocolError("the remaining length has more than four bytes")

    def _wait(self, packet_size: int) -> None:
        """Check the announced size of a packet, as soon as it is known, and wait for all of it."""
        if packet_size > self._limit:
            raise ProtocolError(f"a packet of {packet_size} bytes exceeds {self._limit}", ReasonCode.PACKET_TOO_LARGE)
        self._needed = packet_size

    def _connect(self, data: bytes, start: int, end: int) -> Connect:
        # The version is kept first: it tells how to say what is wrong with the rest.
        _, self.version, _ = read_version(data, start, end)
        packet = decode_connect(data, start, end)
        self.keepalive = packet.keepalive
        self.client_id = packet.client_id
        properties = packet.properties
        if properties is not None:
            self._peer_limit = properties.maximum_packet_size
            self.receive_maximum = properties.receive_maximum or 0xFFFF
            self._peer_aliases = properties.topic_alias_maximum or 0
            self._aliases_out_maximum = min(self._peer_aliases, self._capabilities.topic_aliases_out)
            self._authentication = properties.authentication_method is not None
        self._limit = self._capabilities.max_packet_size
        self._state = _State.DECIDING
        return packet

    def _step(self, first: int, data: bytes, start: int, end: int) -> Event:
        packet = cast("Auth | Disconnect", decode(first, data, start, end, self.version))
        self._state = _State.CLOSED if type(packet) is Disconnect else _State.DECIDING
        return packet

    def _event(self, packet: Packet) -> Event:
        """Check a packet that is well-formed against the state of the connection."""
        kind = type(packet)
        if kind is Publish:
            self._inbound_publish(cast("Publish", packet))
        elif kind is Ping:
            self._out.append(b"\xd0\0")
        elif kind is Disconnect:
            self._state = _State.CLOSED
        elif kind is Connect:
            raise ProtocolError("a second CONNECT", ReasonCode.PROTOCOL_ERROR)
        elif kind is Auth and not self._authentication:
            raise ProtocolError("AUTH without an authentication method in CONNECT", ReasonCode.PROTOCOL_ERROR)
        elif kind in _SERVER_ONLY:
            raise ProtocolError(f"{kind.__name__} is for servers to send", ReasonCode.PROTOCOL_ERROR)
        return cast("Event", packet)

    def _inbound_publish(self, packet: Publish) -> None:
        properties = packet.properties
        if properties is not None:
            if properties.subscription_identifiers:
                raise ProtocolError("a client sends a subscription identifier", ReasonCode.PROTOCOL_ERROR)
            if properties.topic_alias is not None:
                self._resolve_alias(packet, properties.topic_alias)
                properties.topic_alias = None
        self._check_topic(packet.topic)
        if packet.qos == 1:
            self._pending_qos_1 += 1
        elif packet.qos == 2:
            self._pending_qos_2[packet.packet_id] = None
        if packet.qos:
            self._check_window()

    def _resolve_alias(self, packet: Publish, alias: int) -> None:
        if not 1 <= alias <= self._aliases_in_maximum:
            raise ProtocolError(f"topic alias {alias} is out of range", ReasonCode.TOPIC_ALIAS_INVALID)
        if packet.topic:
            self._aliases_in[alias] = packet.topic
        elif alias in self._aliases_in:
            packet.topic = self._aliases_in[alias]
        else:
            raise ProtocolError(f"topic alias {alias} is not defined", ReasonCode.PROTOCOL_ERROR)

    def _check_window(self) -> None:
        if self.version == MQTT_5 and self.unacknowledged > self._inbound:
            raise ProtocolError("more messages in flight than announced", ReasonCode.RECEIVE_MAXIMUM_EXCEEDED)

    def _new_topic(self, raw: bytes) -> str:
        topic = check_topic_name(decode_text(raw))
        if not topic:
            raise ProtocolError("a message has neither topic nor topic alias", ReasonCode.PROTOCOL_ERROR)
        self._check_topic(topic)
        return topic

    def _check_topic(self, topic: str) -> None:
        if is_too_long(topic, self._capabilities):
            raise ProtocolError("a topic name is too long", ReasonCode.TOPIC_NAME_INVALID)

    # Answers that change what may come

    def connack(self, code: int, *, session_present: bool = False, properties: Properties | None = None) -> None:
        """Answer CONNECT; `code` in terms of the client's version. Limits in the properties are enforced from now."""
        self._out.append(encode(Connack(session_present, code, properties), self.version))
        if code:
            self._state = _State.CLOSED
            return
        self._state = _State.OPEN
        if properties is not None:
            self._inbound = properties.receive_maximum or self._inbound
            self._limit = properties.maximum_packet_size or self._limit
            if properties.topic_alias_maximum is not None:
                self._aliases_in_maximum = properties.topic_alias_maximum

    def disconnect(self, reason: int, detail: str = "") -> None:
        """End the connection; an MQTT 5 client is told the reason, nothing is sent to a 3.x client.

        Args:
            reason: code.
            detail: the same in words, left out where the capabilities or the client's packet size limit say so.
        """
        if self.version == MQTT_5:
            told = Properties(reason_string=detail) if detail and self._capabilities.reason_strings else None
            encoded = encode(Disconnect(reason, told), self.version)
            if self._peer_limit is not None and len(encoded) > self._peer_limit:
                encoded = encode(Disconnect(reason), self.version)
            self._out.append(encoded)
        self._state = _State.CLOSED

    def auth(self, reason: int, properties: Properties | None = None) -> None:
        """Send a step of extended authentication to an MQTT 5 client and wait for its next one."""
        self._out.append(encode(Auth(reason, properties), self.version))
        if self._state is _State.DECIDING:
            self._state = _State.AUTHENTICATING
