"""Sans-IO MQTT 3.1, 3.1.1 and 5.0: bytes in, events out; a broker that asks a policy; no sockets, no clock.

`ServerConnection` is one connection's protocol state, `Session` what survives it, `Broker` with its `Link`s the server,
and `Policy` the application's side of every decision.
"""

from thingplane.mqtt.broker import Broker
from thingplane.mqtt.capabilities import Capabilities
from thingplane.mqtt.connection import ServerConnection
from thingplane.mqtt.errors import ProtocolError
from thingplane.mqtt.link import Link
from thingplane.mqtt.message import Delivery, Message
from thingplane.mqtt.numbers import NEVER, ConnackCode, PacketType, PropertyId, ReasonCode, connack_code
from thingplane.mqtt.policy import AllowAllPolicy, Closed, ClosedBy, Policy
from thingplane.mqtt.properties import Properties
from thingplane.mqtt.session import Outbound, Session

__all__ = [
    "NEVER",
    "AllowAllPolicy",
    "Broker",
    "Capabilities",
    "Closed",
    "ClosedBy",
    "ConnackCode",
    "Delivery",
    "Link",
    "Message",
    "Outbound",
    "PacketType",
    "Policy",
    "Properties",
    "PropertyId",
    "ProtocolError",
    "ReasonCode",
    "ServerConnection",
    "Session",
    "connack_code",
]
