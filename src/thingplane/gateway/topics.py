"""Which topics belong to a device (device-protocol reference, 1.8, 1.9, 9.1 to 9.3).

An identity is the text ``/{productKey}/{deviceName}``. Names hold neither slashes nor wildcards, so comparing texts is
enough to keep every filter inside its device.
"""

from collections.abc import Collection

from thingplane.gateway.ports import TopicPermissions
from thingplane.mqtt.topics import matches

MAX_CUSTOM_LENGTH = 128
"""Bytes of a custom topic (device-protocol, 1.2)."""
MAX_CUSTOM_SLASHES = 7

# Families in which the identity stands at the end, or in front of further levels.
_FAMILIES = ("/ota/device/", "/shadow/", "/ext/session/", "/ext/ntp/", "/ext/error/")
_UNIDENTIFIED = ("/ext/register", "/ext/regnwl", "/ext/auth/identity/response")
_PROBE = "/ext/network/probe/"
_RRPC = "/ext/rrpc/"


def is_system_filter(identity: str, topic_filter: str) -> bool:
    """Tell whether a filter matches nothing but system topics of the device."""
    if topic_filter.startswith("/sys" + identity + "/"):
        return True
    if topic_filter.startswith(_RRPC):
        # /ext/rrpc/{message id or +}/{topic of the device}
        target = topic_filter[len(_RRPC) :].partition("/")[2]
        return ("/" + target).startswith((identity + "/", "/sys" + identity + "/"))
    if topic_filter in _UNIDENTIFIED:
        return True
    if topic_filter.startswith(_PROBE):
        return "/" not in topic_filter[len(_PROBE) :]
    return family_of(identity, topic_filter) is not None


def family_of(identity: str, topic: str) -> str | None:
    """Return a topic or filter of a family without the identity it holds, such as ``/ota/device/inform``.

    What stands before the identity must be free of wildcards.

    Returns:
        None if it is of no family, or holds another identity or none.
    """
    if not topic.startswith(_FAMILIES):
        return None
    head, found, tail = topic.partition(identity)
    if not found or (tail and not tail.startswith("/")) or "+" in head or "#" in head:
        return None
    return head + tail


def may_subscribe(identity: str, topic_filter: str, custom: TopicPermissions) -> bool:
    """Tell whether a device may subscribe with a filter (without a ``$share`` prefix)."""
    if topic_filter.startswith(identity + "/"):
        return is_custom_size(topic_filter) and custom.may_subscribe(topic_filter[len(identity) + 1 :])
    if is_system_filter(identity, topic_filter):
        return True
    return is_broadcast_filter(identity, topic_filter)


def is_broadcast_filter(identity: str, topic_filter: str) -> bool:
    """Tell whether a filter matches nothing but broadcasts of the device's product."""
    prefix = "/broadcast" + identity[: identity.index("/", 1) + 1]
    return topic_filter.startswith(prefix) and len(topic_filter) > len(prefix)


def identity_in(topic: str) -> tuple[str, str] | None:
    """Return the ProductKey and DeviceName that a topic names where topics of its kind name them; None without."""
    levels = topic.split("/")
    match levels:
        case ["", "sys", product_key, name, _, *_]:
            pass
        case ["", "ota", "device", _, product_key, name]:
            pass
        case ["", "ext", "rrpc", _, "sys", product_key, name, _, *_]:
            pass
        case ["", "ext", "rrpc", _, product_key, name, _, *_]:
            pass
        case ["", "shadow", _, product_key, name]:
            pass
        case ["", "ext", "session" | "ntp", product_key, name, _, *_]:
            pass
        case ["", "sys" | "ext" | "ota" | "shadow" | "broadcast", *_]:
            return None
        case ["", product_key, name, _, *_]:
            pass
        case _:
            return None
    return (product_key, name) if product_key and name else None


def is_custom_size(topic: str) -> bool:
    """Tell whether a custom topic keeps the documented limits of length and depth."""
    return len(topic.encode()) <= MAX_CUSTOM_LENGTH and topic.count("/") <= MAX_CUSTOM_SLASHES


def any_matches(filters: Collection[str], topic: str) -> bool:
    """Tell whether one of the filters, none of them shared, matches a topic."""
    return topic in filters or any(matches(item, topic) for item in filters)
