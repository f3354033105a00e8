"""What a server connection reports."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from thingplane.amqp.link import SenderLink


@dataclass(slots=True)
class SignIn:
    """A client wants to sign in with SASL PLAIN: answer with `sign_in_outcome`; nothing is decoded until then."""

    authorization_id: str
    user_name: str
    password: str = field(repr=False)


@dataclass(slots=True)
class LinkAttached:
    """A client wants to receive: answer with `accept` or `refuse` of the link; nothing is decoded until then."""

    link: "SenderLink"


@dataclass(slots=True)
class CreditChanged:
    """A client told its window or credit, or wants a link drained (`link.drain`): send, then call `link.drained`."""

    link: "SenderLink"


@dataclass(slots=True)
class Settled:
    """A client decided on deliveries.

    Attributes:
        link: they were sent on.
        state: descriptor of their outcome: ACCEPTED, REJECTED, RELEASED or MODIFIED.
        contexts: what was given to `send` with each of them.
        unconfirmed: their numbers when the client waits for the server to settle: call `link.confirm` with them. Empty
            when the client has settled.
    """

    link: "SenderLink"
    state: int
    contexts: list[object]
    unconfirmed: list[int]


@dataclass(slots=True)
class LinkDetached:
    """A link is gone; what was not settled on it never will be."""

    link: "SenderLink"
    error: str  # what the client said, "" = an orderly detach


@dataclass(slots=True)
class ConnectionClosed:
    """The connection is over; the link, if there was one, as well. Always the last event."""

    error: str  # why, "" = an orderly close
    by_peer: bool


Event = SignIn | LinkAttached | CreditChanged | Settled | LinkDetached | ConnectionClosed
