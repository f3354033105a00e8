"""Application messages as the broker keeps and delivers them."""

from dataclasses import dataclass, field
from enum import Enum

from thingplane.mqtt.properties import Properties


@dataclass(slots=True, eq=False)
class Message:
    """A message for any number of receivers. Treat as immutable once routed or delivered: it is shared, not copied.

    Attributes:
        topic: topic name.
        payload: application payload.
        qos: QoS of the publisher (0 to 2); a delivery may have a lower one.
        retain: RETAIN flag of the publisher.
        properties: MQTT 5 properties of the publisher, of which the application's own are passed on: payload format,
            content type, response topic, correlation data and user properties.
        expires_at: time in seconds of the broker's clock after which no delivery is started; None = never.
        tag: free for the policy, for example the key under which a store keeps the message.
    """

    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False
    properties: Properties | None = None
    expires_at: float | None = None
    tag: object | None = None
    encoded: bytes | None = field(default=None, init=False, repr=False)  # application properties, encoded once

    @property
    def size(self) -> int:
        """Bytes of topic and payload."""
        return len(self.topic) + len(self.payload)


class Delivery(Enum):
    """What became of a message that was to be delivered to a session."""

    SENT = "sent"  # it is in the output of the connection
    QUEUED = "queued"  # it waits in the session for a connection or for room in the window
    OFFLINE = "offline"  # dropped: QoS 0 and no connection, or one that does not keep up
    QUEUE_FULL = "queue full"  # dropped
    EXPIRED = "expired"  # dropped
    TOO_LARGE = "too large"  # dropped: exceeds the client's maximum packet size
    REFUSED = "refused"  # dropped: the client answered with a failure reason code

    @property
    def dropped(self) -> bool:
        """Whether the message is gone without having been handed over."""
        return self not in (Delivery.SENT, Delivery.QUEUED)
