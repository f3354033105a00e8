"""Server side of one MQTT connection: bytes in, events out (and the other way round)."""

from collections.abc import Sequence

from thingplane.mqtt.capabilities import Capabilities
from thingplane.mqtt.packets import Event
from thingplane.mqtt.properties import Properties


class ServerConnection:
    """Protocol state of one connection: framing, decoding, order of packets, topic aliases, flow control.

    After a `Connect` event nothing more is decoded until it is answered with `connack` (or `auth`); what arrives in
    the meantime is kept, at most one maximum packet. Call `receive_data(b"")` after the answer to get its events.

    Attributes:
        version: protocol level of the client, 3, 4 or 5; 0 before CONNECT.
        keepalive: s, as the client asked for; 0 = off.
        client_id: as the client gave it.
    """

    version: int
    keepalive: int
    client_id: str

    def __init__(self, capabilities: Capabilities) -> None:
        raise NotImplementedError

    def receive_data(self, data: bytes) -> list[Event]:
        """Decode what arrived. Any cut of the stream into pieces gives the same events.

        Raises:
            ProtocolError: malformed, oversized or out of order; its `events` came before. Only ever this exception.
        """
        raise NotImplementedError

    def data_to_send(self) -> bytes:
        """Return and forget the output; b"" when there is none."""
        raise NotImplementedError

    def connack(self, code: int, *, session_present: bool = False, properties: Properties | None = None) -> None:
        """Answer CONNECT; `code` in terms of the client's version."""
        raise NotImplementedError

    def puback(self, packet_id: int, reason: int = 0, properties: Properties | None = None) -> None:
        """Acknowledge a QoS 1 message."""
        raise NotImplementedError

    def pubrec(self, packet_id: int, reason: int = 0, properties: Properties | None = None) -> None:
        """Acknowledge a QoS 2 message, first step."""
        raise NotImplementedError

    def pubrel(self, packet_id: int, reason: int = 0, properties: Properties | None = None) -> None:
        """Release a QoS 2 packet identifier."""
        raise NotImplementedError

    def pubcomp(self, packet_id: int, reason: int = 0, properties: Properties | None = None) -> None:
        """Complete a QoS 2 exchange."""
        raise NotImplementedError

    def suback(self, packet_id: int, codes: Sequence[int], properties: Properties | None = None) -> None:
        """Answer SUBSCRIBE; failures become 0x80 for 3.x."""
        raise NotImplementedError

    def unsuback(self, packet_id: int, codes: Sequence[int], properties: Properties | None = None) -> None:
        """Answer UNSUBSCRIBE."""
        raise NotImplementedError

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
    ) -> bool:
        """Send a message; `properties` encoded without their length. False when too large for the client."""
        raise NotImplementedError

    def disconnect(self, reason: int, properties: Properties | None = None) -> None:
        """Announce the end to an MQTT 5 client; nothing is sent to a 3.x client."""
        raise NotImplementedError

    def auth(self, reason: int, properties: Properties | None = None) -> None:
        """Send a step of extended authentication to an MQTT 5 client."""
        raise NotImplementedError
