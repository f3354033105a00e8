"""The sending half of a server connection: encoding, topic aliases and the client's packet size limit."""

from collections.abc import Sequence

from thingplane.mqtt.codec.encode import encode, encode_publish
from thingplane.mqtt.numbers import MQTT_5
from thingplane.mqtt.packets import Puback, Pubcomp, Pubrec, Pubrel, Suback, Unsuback
from thingplane.mqtt.properties import Properties


class Outgoing:
    """What a server connection sends. Every method only appends to the output.

    Attributes:
        version: protocol level of the client, 3, 4 or 5; 0 before CONNECT.
        receive_maximum: unacknowledged QoS 1 and 2 messages the client takes.
    """

    __slots__ = (
        "_aliases_out",
        "_aliases_out_maximum",
        "_out",
        "_peer_aliases",
        "_peer_limit",
        "_pending_qos_1",
        "_pending_qos_2",
        "receive_maximum",
        "version",
    )

    def __init__(self) -> None:
        self.version = 0
        self.receive_maximum = 0xFFFF
        self._out: list[bytes] = []
        self._peer_limit: int | None = None  # bytes of an outbound packet
        self._peer_aliases = 0  # topic aliases the client takes
        self._pending_qos_1 = 0  # inbound messages without an answer
        self._pending_qos_2: dict[int, None] = {}
        self._aliases_out: dict[str, int] = {}
        self._aliases_out_maximum = 0

    @property
    def unacknowledged(self) -> int:
        """Inbound QoS 1 and 2 messages without an answer."""
        return self._pending_qos_1 + len(self._pending_qos_2)

    @property
    def has_output(self) -> bool:
        """Whether `data_to_send` would return something."""
        return bool(self._out)

    def data_to_send(self) -> bytes:
        """Return and forget the output; b"" when there is none."""
        out = self._out
        if not out:
            return b""
        self._out = []
        return out[0] if len(out) == 1 else b"".join(out)

    def puback(self, packet_id: int, reason: int = 0, properties: Properties | None = None) -> None:
        """Acknowledge a QoS 1 message."""
        if self._pending_qos_1:
            self._pending_qos_1 -= 1
        if reason or properties:
            self._send_ack(Puback(packet_id, reason, properties))
        else:
            self._out.append(b"\x40\x02" + packet_id.to_bytes(2, "big"))

    def pubrec(self, packet_id: int, reason: int = 0, properties: Properties | None = None) -> None:
        """Acknowledge a QoS 2 message, first step; with a reason from 0x80 it is also the last."""
        if reason >= 0x80:
            self._pending_qos_2.pop(packet_id, None)
        self._send_ack(Pubrec(packet_id, reason, properties))

    def pubrel(self, packet_id: int, reason: int = 0, properties: Properties | None = None) -> None:
        """Release a QoS 2 packet identifier."""
        self._send_ack(Pubrel(packet_id, reason, properties))

    def pubcomp(self, packet_id: int, reason: int = 0, properties: Properties | None = None) -> None:
        """Complete a QoS 2 exchange."""
        self._pending_qos_2.pop(packet_id, None)
        self._send_ack(Pubcomp(packet_id, reason, properties))

    def _send_ack(self, packet: Puback | Pubrec | Pubrel | Pubcomp) -> None:
        encoded = encode(packet, self.version)
        if self._peer_limit is not None and len(encoded) > self._peer_limit:
            # Reason string and user properties are left out rather than exceed the client's limit (3.4.2.2).
            packet.properties = None
            encoded = encode(packet, self.version)
        self._out.append(encoded)

    def suback(self, packet_id: int, codes: Sequence[int], properties: Properties | None = None) -> None:
        """Answer SUBSCRIBE; failures become 0x80 for 3.x."""
        self._out.append(encode(Suback(packet_id, list(codes), properties), self.version))

    def unsuback(self, packet_id: int, codes: Sequence[int], properties: Properties | None = None) -> None:
        """Answer UNSUBSCRIBE."""
        self._out.append(encode(Unsuback(packet_id, list(codes), properties), self.version))

    def publish(
        self,
        topic: str,
        payload: bytes,
        qos: int = 0,
        *,
        retain: bool = False,
        dup: bool = False,
        packet_id: int = 0,
        properties: bytes = b"",
        alias: int = 0,
    ) -> bool:
        """Send a message; False when it is too large for the client.

        Args:
            topic: topic name.
            payload: application payload.
            qos: 0 to 2.
            retain: RETAIN flag.
            dup: DUP flag.
            packet_id: for QoS 1 and 2.
            properties: encoded without their length.
            alias: topic alias that the publisher wants, 0 for none; ignored when the client takes no such alias.
        """
        raw = topic.encode()
        first = 0x30 | qos << 1 | retain | dup << 3
        if self.version != MQTT_5:
            self._out.append(encode_publish(first, raw, payload, packet_id, None))
            return True
        if alias:
            alias, raw = self._wanted_alias(topic, alias, raw)
        elif self._aliases_out_maximum:
            alias = self._aliases_out.get(topic, 0)
            if alias:
                raw = b""
            elif len(self._aliases_out) < self._aliases_out_maximum:
                alias = len(self._aliases_out) + 1
        if alias:
            properties += b"\x23" + alias.to_bytes(2, "big")
        encoded = encode_publish(first, raw, payload, packet_id, properties)
        if self._peer_limit is not None and len(encoded) > self._peer_limit:
            return False
        if alias and raw:
            self._define(topic, alias)
        self._out.append(encoded)
        return True

    def _wanted_alias(self, topic: str, alias: int, raw: bytes) -> tuple[int, bytes]:
        """Return the alias to send, 0 for none, and the topic to send with it."""
        if alias > self._peer_aliases:
            return 0, raw
        return alias, b"" if self._aliases_out.get(topic) == alias else raw

    def _define(self, topic: str, alias: int) -> None:
        """Take note of what an alias means from now on (3.3.2.3.4)."""
        for other in [known for known, number in self._aliases_out.items() if number == alias]:
            del self._aliases_out[other]
        self._aliases_out[topic] = alias
