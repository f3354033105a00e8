"""The topics that rules listen to (guide 4.13.1)."""

import re
from typing import Final

from thingplane.rules import errors
from thingplane.rules.rule import CUSTOM, STATUS, SYSTEM
from thingplane.topics.errors import INVALID_FORMATTED_TOPIC_NAME

MAX_TOPIC: Final = 256
STATUS_PREFIX: Final = "/as/mqtt/status/"

_SYSTEM_TAILS: Final = frozenset(
    {
        *("thing/event/property/post", "thing/event/property/history/post", "thing/property/batch/post"),
        *("thing/event/batch/post", "thing/downlink/reply/message", "thing/lifecycle", "thing/topo/lifecycle"),
        *("thing/list/found", "thing/deviceinfo/update", "ota/upgrade", "ota/version/post"),
    }
)
_EVENT: Final = re.compile(r"thing/event/[\w:]+(?:/history)?/post")
_EDGE: Final = re.compile(r"edge/driver/[^/+#]+/point_post")
_JOB: Final = re.compile(r"[^/#]+/[^/#]+/ota/job/status")
_FAMILIES: Final = ("thing", "ota", "edge")


def read_topic(topic: str) -> tuple[str, str, int]:
    """Return ProductKey, ShortTopic and TopicType of a full topic.

    Raises:
        BusinessError: iot.messagebroker.InvalidFormattedTopicName, iot.ruleng.IncorrectSysTopic.
    """
    if topic.startswith(STATUS_PREFIX):
        rest, type_ = topic.removeprefix(STATUS_PREFIX), STATUS
    else:
        rest, type_ = topic.removeprefix("/sys/").removeprefix("/"), None
    product_key, _, short = rest.partition("/")
    if not topic.startswith("/") or not product_key or not short:
        raise INVALID_FORMATTED_TOPIC_NAME("A full topic is /{ProductKey}/{DeviceName}/….")
    if type_ is None and _kind(short) == STATUS:
        raise INVALID_FORMATTED_TOPIC_NAME(f"Device status is reported on {STATUS_PREFIX}….")
    if topic.startswith("/sys/") and _kind(short) != SYSTEM:
        raise errors.INCORRECT_SYS_TOPIC()
    return product_key, *check_short_topic(short, type_)


def check_short_topic(short: str, topic_type: int | None) -> tuple[str, int]:
    """Return ShortTopic and TopicType as they are stored.

    The guide's own sample gives type 1 for a thing-model topic: what the topic says then counts.

    Raises:
        BusinessError: iot.ruleng.IncorrectType, iot.ruleng.IncorrectSysTopic,
            iot.messagebroker.InvalidFormattedTopicName.
    """
    short = short.removeprefix("/")
    if topic_type not in {None, SYSTEM, CUSTOM, STATUS}:
        raise errors.INCORRECT_TYPE()
    kind = _kind(short)
    if topic_type == SYSTEM and kind != SYSTEM:
        raise errors.INCORRECT_SYS_TOPIC()
    if topic_type == STATUS and kind != STATUS:
        raise errors.INCORRECT_TYPE("Device status has a DeviceName or + as its topic, and nothing after it.")
    if len(short) > MAX_TOPIC:
        raise INVALID_FORMATTED_TOPIC_NAME(f"A topic has at most {MAX_TOPIC} characters.")
    device, _, tail = short.partition("/")
    is_job = _JOB.fullmatch(short) is not None
    if kind == SYSTEM and not is_job and not _is_system(tail):
        raise errors.INCORRECT_SYS_TOPIC()
    if not _is_level(device) or (kind == CUSTOM and not _is_custom(tail)):
        raise INVALID_FORMATTED_TOPIC_NAME()
    return short, kind


def full_topic(product_key: str, short: str, topic_type: int) -> str:
    """Return the topic of the forwarded messages that a rule listens to, wildcards included."""
    return f"{STATUS_PREFIX if topic_type == STATUS else '/'}{product_key}/{short}"


def _kind(short: str) -> int:
    if "/" not in short:
        return STATUS
    if _JOB.fullmatch(short) or short.split("/")[1] in _FAMILIES:
        return SYSTEM
    return CUSTOM


def _is_system(tail: str) -> bool:
    if tail in _SYSTEM_TAILS:
        return True
    return _EVENT.fullmatch(tail) is not None or _EDGE.fullmatch(tail) is not None


def _is_custom(tail: str) -> bool:
    *levels, last = tail.split("/")
    return all(map(_is_level, levels)) and (_is_level(last) or (last == "#" and bool(levels)))


def _is_level(level: str) -> bool:
    return level == "+" or (bool(level) and "+" not in level and "#" not in level)
