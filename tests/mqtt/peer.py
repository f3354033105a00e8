"""A client without a socket: packets in, packets out, on a link of a broker under test."""

from typing import TypeVar

from tests.mqtt.wire import read_packets, write_packets
from thingplane.mqtt import (
    AllowAllPolicy,
    Broker,
    Capabilities,
    Closed,
    Delivery,
    Link,
    Message,
    Session,
)
from thingplane.mqtt.packets import (
    Connack,
    Connect,
    Packet,
    Publish,
    Suback,
    Subscribe,
    Subscription,
    Unsuback,
    Unsubscribe,
    Will,
)
from thingplane.mqtt.properties import Properties

P = TypeVar("P")


class RecordingPolicy(AllowAllPolicy):
    """The open policy, with a memory."""

    def __init__(self, capabilities: Capabilities | None = None) -> None:
        super().__init__(capabilities)
        self.published: list[Publish] = []
        self.closings: list[tuple[Link, Closed]] = []
        self.deliveries: list[tuple[str, bytes]] = []
        self.drops: list[tuple[str, bytes, Delivery]] = []
        self.endings: list[str] = []

    def publish(self, link: Link, packet: Publish) -> None:
        self.published.append(packet)
        super().publish(link, packet)

    def closed(self, link: Link, closed: Closed) -> None:
        self.closings.append((link, closed))

    def delivered(self, session: Session, message: Message) -> None:
        self.deliveries.append((session.key, message.payload))

    def dropped(self, session: Session, message: Message, why: Delivery) -> None:
        self.drops.append((session.key, message.payload, why))

    def ended(self, session: Session) -> None:
        self.endings.append(session.key)


class Peer:
    """One network connection of a client."""

    def __init__(self, broker: Broker, version: int = 4) -> None:
        self.version = version
        self.link = broker.open(self._woken)
        self.wakes = 0
        self._rest = b""

    def _woken(self, _: Link) -> None:
        self.wakes += 1

    def send(self, *packets: Packet) -> None:
        self.link.receive_data(write_packets(packets, self.version))

    def receive(self) -> list[Packet]:
        packets, self._rest = read_packets(self._rest + self.link.data_to_send(), self.version)
        assert self._rest == b""
        return packets

    def expect(self, kind: type[P]) -> P:
        """Return the one packet that has come."""
        packets = self.receive()
        assert len(packets) == 1, packets
        assert isinstance(packets[0], kind), packets
        return packets[0]

    def messages(self) -> list[Publish]:
        """Return the messages that have come, leaving other packets out."""
        return [packet for packet in self.receive() if isinstance(packet, Publish)]

    def connect(
        self,
        client_id: str = "c",
        *,
        clean_start: bool = True,
        keepalive: int = 0,
        will: Will | None = None,
        properties: Properties | None = None,
    ) -> Connack:
        self.send(Connect(client_id, self.version, clean_start, keepalive, will=will, properties=properties))
        packets = self.receive()
        assert isinstance(packets[0], Connack), packets
        self.early = packets[1:]  # what came along with CONNACK
        return packets[0]

    def subscribe(self, topic_filter: str, qos: int = 2, *, identifier: int = 0, **options: object) -> list[Publish]:
        """Subscribe; returns the retained messages."""
        item = Subscription(topic_filter, qos, identifier=identifier, **options)  # type: ignore[arg-type]
        properties = Properties(subscription_identifiers=[identifier]) if identifier else None
        self.send(Subscribe(1, [item], properties))
        first, *rest = self.receive()
        assert isinstance(first, Suback)
        assert first.codes == [qos], first
        assert all(isinstance(packet, Publish) for packet in rest)
        return rest  # type: ignore[return-value]

    def unsubscribe(self, *topic_filters: str) -> Unsuback:
        self.send(Unsubscribe(2, list(topic_filters)))
        return self.expect(Unsuback)

    def publish(
        self,
        topic: str,
        payload: bytes = b"x",
        qos: int = 0,
        *,
        retain: bool = False,
        packet_id: int = 9,
        properties: Properties | None = None,
    ) -> None:
        self.send(Publish(topic, payload, qos, retain, packet_id=packet_id if qos else 0, properties=properties))

    def closing(self) -> bool:
        """Tell whether the server wants the connection closed."""
        return self.link.closing

    def lose(self) -> None:
        """Lose the network."""
        self.link.connection_lost()


def connected(broker: Broker, client_id: str = "c", version: int = 4, **options: object) -> Peer:
    peer = Peer(broker, version)
    connack = peer.connect(client_id, **options)  # type: ignore[arg-type]
    assert connack.code == 0
    return peer
