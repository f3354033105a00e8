"""The one exception the protocol core raises for what a peer sends."""

from typing import TYPE_CHECKING

from thingplane.mqtt.numbers import ReasonCode

if TYPE_CHECKING:
    from thingplane.mqtt.packets import Event


class ProtocolError(Exception):
    """The peer broke the protocol; the connection has to be closed.

    Attributes:
        reason: why, as a reason code of MQTT 5.0; it also serves connections of 3.x, where it is only logged.
        events: what had been decoded from the same data before the offending packet. They are valid and have to be
            handled, so that it does not matter how the stream was cut into pieces.
    """

    def __init__(self, detail: str, reason: ReasonCode = ReasonCode.MALFORMED_PACKET) -> None:
        super().__init__(detail)
        self.reason = reason
        self.events: list[Event] = []
