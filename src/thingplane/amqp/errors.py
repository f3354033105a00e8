"""The exceptions by which parts of the core tell each other what a peer did wrong. None leaves the core."""

from thingplane.amqp.numbers import Condition


class AmqpError(Exception):
    """The peer broke the protocol; how far this reaches is told by the subclass."""

    def __init__(self, condition: Condition, description: str) -> None:
        super().__init__(description)
        self.condition = condition
        self.description = description


class ConnectionFault(AmqpError):  # noqa: N818 - an error of the connection's other end
    """The connection has to be closed."""


class SessionFault(AmqpError):  # noqa: N818 - an error of the session's other end
    """The session has to be ended."""


class LinkFault(AmqpError):  # noqa: N818 - an error of the link's other end
    """The link has to be detached."""


def malformed(description: str) -> ConnectionFault:
    """Return the fault of bytes that are no AMQP value."""
    return ConnectionFault(Condition.DECODE_ERROR, description)


def invalid(description: str) -> ConnectionFault:
    """Return the fault of a field whose value is not allowed."""
    return ConnectionFault(Condition.INVALID_FIELD, description)
