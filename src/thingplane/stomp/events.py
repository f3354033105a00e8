"""What a server connection reports."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class SignIn:
    """A client wants to sign in: answer with `accept` or `refuse`; nothing is decoded until then."""

    user_name: str
    password: str = field(repr=False)


@dataclass(slots=True)
class Subscribed:
    """A client subscribed: send from now on, or `refuse`."""

    destination: str
    receipt: str  # answer it with `send_receipt`, "" = none is wanted


@dataclass(slots=True)
class Unsubscribed:
    """A client unsubscribed; what it did not acknowledge it never will."""


@dataclass(slots=True)
class Acknowledged:
    """A client decided on messages.

    Attributes:
        contexts: what was given to `send` with each of them.
        accepted: acknowledged; False = refused (NACK).
        receipt: wanted once the decision is durable, "" = none: answer with `send_receipt`.
    """

    contexts: list[object]
    accepted: bool
    receipt: str


@dataclass(slots=True)
class ConnectionClosed:
    """The connection is over. Always the last event."""

    error: str  # why, "" = an orderly close
    by_peer: bool


Event = SignIn | Subscribed | Unsubscribed | Acknowledged | ConnectionClosed
