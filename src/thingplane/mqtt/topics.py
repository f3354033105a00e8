"""Topic names and topic filters: checks and matching (MQTT 5.0, 4.7 and 4.8)."""

from thingplane.mqtt.capabilities import Capabilities
from thingplane.mqtt.numbers import ReasonCode

SHARE = "$share/"


def split_shared(topic_filter: str) -> tuple[str, str]:
    """Return share name and filter of a `$share/{name}/{filter}`; the name is empty for any other filter."""
    if topic_filter.startswith(SHARE):
        name, _, inner = topic_filter[len(SHARE) :].partition("/")
        return name, inner
    return "", topic_filter


def is_wildcard(topic_filter: str) -> bool:
    """Return whether a valid filter contains a wildcard."""
    return "+" in topic_filter or "#" in topic_filter


def is_valid_filter(topic_filter: str) -> bool:
    """Return whether wildcards stand where they may and a shared filter has a name and a filter."""
    shared = topic_filter.startswith(SHARE)
    if shared:
        name, topic_filter = split_shared(topic_filter)
        if not name or is_wildcard(name):
            return False
    if not topic_filter:
        return False
    if not is_wildcard(topic_filter):
        return True
    levels = topic_filter.split("/")
    if "#" in topic_filter and (levels[-1] != "#" or topic_filter.count("#") > 1):
        return False
    return all(level == "+" or "+" not in level for level in levels)


def is_too_long(topic: str, capabilities: Capabilities) -> bool:
    """Return whether a topic name or filter exceeds the length or the levels a server takes."""
    return (
        len(topic) > capabilities.max_topic_length
        or len(topic.encode()) > capabilities.max_topic_length
        or topic.count("/") >= capabilities.max_topic_levels
    )


def filter_refusal(topic_filter: str, capabilities: Capabilities) -> int:
    """Return the reason code with which a server of these capabilities refuses a filter, 0 when it does not."""
    if not is_valid_filter(topic_filter) or is_too_long(topic_filter, capabilities):
        return ReasonCode.TOPIC_FILTER_INVALID
    name, inner = split_shared(topic_filter)
    if name and not capabilities.shared_subscriptions:
        return ReasonCode.SHARED_SUBSCRIPTIONS_NOT_SUPPORTED
    if is_wildcard(inner) and not capabilities.wildcard_subscriptions:
        return ReasonCode.WILDCARD_SUBSCRIPTIONS_NOT_SUPPORTED
    return 0


def matches(topic_filter: str, topic: str) -> bool:
    """Return whether a topic name matches a valid filter that is not shared."""
    if topic_filter == topic:
        return True
    if topic.startswith("$") and topic_filter[:1] in ("+", "#"):
        return False
    names = topic.split("/")
    levels = topic_filter.split("/")
    if levels[-1] == "#":
        del levels[-1]  # "a/#" also matches its parent "a"
        del names[len(levels) :]
    return len(names) == len(levels) and all(level in ("+", name) for level, name in zip(levels, names, strict=True))
