"""Sans-IO STOMP 1.0 to 1.2 for a server that messages only leave from: bytes in, events out; no sockets, no clock.

`ServerConnection` is one connection's protocol state: signing in, one subscription, acknowledgements, heart-beats. What
its `Event`s ask is answered by whoever owns the connection.
"""

from thingplane.stomp.capabilities import Capabilities
from thingplane.stomp.connection import ServerConnection
from thingplane.stomp.events import Acknowledged, ConnectionClosed, Event, SignIn, Subscribed, Unsubscribed

__all__ = [
    "Acknowledged",
    "Capabilities",
    "ConnectionClosed",
    "Event",
    "ServerConnection",
    "SignIn",
    "Subscribed",
    "Unsubscribed",
]
