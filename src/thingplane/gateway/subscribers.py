"""Whose a subscription is: of the device of a connection, or of a sub-device that is logged in over it."""

from collections.abc import Mapping
from typing import NamedTuple

from thingplane.gateway.connection import Connection
from thingplane.gateway.ports import TopicPermissions
from thingplane.gateway.sub_device import SubDevice, sub_device_in
from thingplane.gateway.topics import is_broadcast_filter, is_system_filter, may_subscribe
from thingplane.mqtt import Link, Session

Permissions = Mapping[int, TopicPermissions]
"""By product."""


class Subscriber(NamedTuple):
    """Who subscribes."""

    identity: str
    session: Session
    product_id: int

    def is_present(self, link: Link) -> bool:
        """Tell whether it is still reached over a link."""
        return link.session is not None and link.session in {self.session, self.session.carrier}


def subscriber_of(connection: Connection, topic_filter: str) -> Subscriber:
    """Return whom a filter (without a ``$share`` prefix) belongs to; the connection's device if to nobody.

    Raises:
        RuntimeError: the connection is not accepted.
    """
    device, session = connection.device, connection.link.session
    if device is None or session is None:
        raise RuntimeError("the connection has no device")
    if connection.subs and not _is_own(connection.identity, topic_filter):
        sub = sub_device_in(connection.subs, topic_filter) or _of_product(connection.subs, topic_filter)
        if sub is not None:
            return Subscriber(sub.identity, sub.session, sub.device.product_id)
    return Subscriber(connection.identity, session, device.product_id)


def may(subscriber: Subscriber, topic_filter: str, permissions: Permissions) -> bool:
    """Tell whether a device may subscribe with a filter (without a ``$share`` prefix)."""
    custom = permissions.get(subscriber.product_id)
    return custom is not None and may_subscribe(subscriber.identity, topic_filter, custom)


def _is_own(identity: str, topic_filter: str) -> bool:
    if topic_filter.startswith(identity + "/"):
        return True
    return is_system_filter(identity, topic_filter) or is_broadcast_filter(identity, topic_filter)


def _of_product(subs: Mapping[str, SubDevice], topic_filter: str) -> SubDevice | None:
    """Return the first sub-device whose product a broadcast filter names: one copy is enough for a connection."""
    if not topic_filter.startswith("/broadcast/"):
        return None
    return next((sub for sub in subs.values() if is_broadcast_filter(sub.identity, topic_filter)), None)
