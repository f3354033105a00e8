"""The SASL layer of a server that offers PLAIN and nothing else (5.3; RFC 4616)."""

from thingplane.amqp.codec.composite import read_composite
from thingplane.amqp.codec.outbound import challenge_frame, mechanisms_frame
from thingplane.amqp.errors import ConnectionFault
from thingplane.amqp.events import SignIn
from thingplane.amqp.numbers import Condition, Descriptor

MECHANISMS = mechanisms_frame(["PLAIN"])
CHALLENGE = challenge_frame()


class SaslExchange:
    """What a client says before it is let in."""

    __slots__ = ("_challenged",)

    def __init__(self) -> None:
        self._challenged = False

    def receive(self, data: bytes, position: int, end: int) -> SignIn | None:
        """Return what the client signs in with; None when it has to be challenged for it.

        Raises:
            ConnectionFault: the frame's body is malformed, out of order, or names another mechanism
                (`amqp:unauthorized-access`).
        """
        fields, after = read_composite(data, position, end)
        expected = Descriptor.SASL_RESPONSE if self._challenged else Descriptor.SASL_INIT
        if fields.descriptor != expected or after != end:
            raise ConnectionFault(Condition.DECODE_ERROR, f"{expected.name} was expected")
        if self._challenged:
            return read_plain(fields.binary(0) or b"")
        if fields.text(0) != "PLAIN":
            raise ConnectionFault(Condition.UNAUTHORIZED_ACCESS, "the mechanism is not offered")
        response = fields.binary(1)
        if response is None:
            self._challenged = True
            return None
        return read_plain(response)


def read_plain(response: bytes) -> SignIn:
    """Split the message of the PLAIN mechanism. Raises ConnectionFault (`amqp:unauthorized-access`) for any other."""
    parts = response.split(b"\0")
    try:
        authorization_id, user_name, password = (part.decode() for part in parts)
    except ValueError:  # too few, too many or no UTF-8
        raise ConnectionFault(Condition.UNAUTHORIZED_ACCESS, "the response is no PLAIN message") from None
    return SignIn(authorization_id, user_name, password)
