"""Sans-IO AMQP 1.0 for a server that messages only leave from: bytes in, events out; no sockets, no clock.

`ServerConnection` is one connection's protocol state: SASL PLAIN, sessions, one link to the client with its credit and
settlement. What its `Event`s ask is answered by whoever owns the connection.
"""

from thingplane.amqp.capabilities import Capabilities
from thingplane.amqp.connection import ServerConnection
from thingplane.amqp.events import (
    ConnectionClosed,
    CreditChanged,
    Event,
    LinkAttached,
    LinkDetached,
    Settled,
    SignIn,
)
from thingplane.amqp.link import SenderLink
from thingplane.amqp.numbers import Condition, Descriptor, SaslCode

__all__ = [
    "Capabilities",
    "Condition",
    "ConnectionClosed",
    "CreditChanged",
    "Descriptor",
    "Event",
    "LinkAttached",
    "LinkDetached",
    "SaslCode",
    "SenderLink",
    "ServerConnection",
    "Settled",
    "SignIn",
]
