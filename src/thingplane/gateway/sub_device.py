"""A device that is logged in over its gateway's connection, and how it is found by what it says."""

from collections.abc import Mapping
from itertools import pairwise
from typing import TYPE_CHECKING

from thingplane.gateway.ports import ConnectingDevice
from thingplane.mqtt import Session

if TYPE_CHECKING:
    from thingplane.gateway.connection import Connection
    from thingplane.gateway.sessions import DeviceState

_SYSTEM = "/sys/"


class SubDevice:
    """One login of a sub-device: what a connection is to a device that has one."""

    __slots__ = ("connection", "device", "identity", "prefix", "publishes", "second", "session", "state")

    def __init__(self, connection: "Connection", device: ConnectingDevice) -> None:
        self.connection = connection
        """Of its gateway."""
        self.device = device
        self.identity = f"/{device.product_key}/{device.name}"
        self.prefix = f"/sys{self.identity}/"
        self.session: Session
        """Set once the login is complete; carried by the gateway's session."""
        self.state: DeviceState | None = None
        self.second = 0
        """As of ``Connection``."""
        self.publishes = 0


def sub_device_of_system_topic(subs: Mapping[str, SubDevice], topic: str) -> SubDevice | None:
    """Return the sub-device that a topic ``/sys/{productKey}/{deviceName}/…`` names (hot path)."""
    return subs.get(topic[4 : topic.find("/", topic.find("/", 5) + 1)])


def sub_device_in(subs: Mapping[str, SubDevice], topic: str) -> SubDevice | None:
    """Return the sub-device that a topic or filter names anywhere; whether it may is another question."""
    if topic.startswith(_SYSTEM):
        return sub_device_of_system_topic(subs, topic)
    levels = topic.split("/")
    for product_key, name in pairwise(levels):
        sub = subs.get(f"/{product_key}/{name}")
        if sub is not None:
            return sub
    return None
