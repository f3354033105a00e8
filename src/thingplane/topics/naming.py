"""Names of topic categories."""

import re

from thingplane.topics import errors

PREFIX = "user/"
"""Custom topics live below this level (guide 4.12.3, samples)."""
_LEVEL = re.compile("[A-Za-z0-9_]+")
_MAX_BYTES = 128
_MAX_SLASHES = 7


def category_name(product_key: str, short_name: str, operation: str) -> str:
    """Return the name of a category as it is stored: with ``user/`` in front, which callers may write or leave out.

    Args:
        product_key: whose category it is; counts for the length of the topic.
        short_name: levels of letters, digits, underscores, separated by slashes. In categories that only permit to
            subscribe, a level may be ``+``, and the last one ``#``.
        operation: PUB, SUB or ALL.

    Raises:
        BusinessError: iot.messagebroker.InvalidFormattedTopicName.
    """
    name = short_name if short_name.startswith(PREFIX) else PREFIX + short_name
    levels = name.split("/")
    for position, level in enumerate(levels):
        wildcard = level == "+" or (level == "#" and position == len(levels) - 1)
        if not _LEVEL.fullmatch(level) and not (wildcard and operation == "SUB"):
            raise errors.INVALID_FORMATTED_TOPIC_NAME(
                "Levels take letters, digits, underscores. Categories with the permission SUB also take + and a last #."
            )
    full = full_name(product_key, name)
    if len(full) > _MAX_BYTES or full.count("/") > _MAX_SLASHES:
        raise errors.INVALID_FORMATTED_TOPIC_NAME(
            f"A topic has at most {_MAX_BYTES} bytes and {_MAX_SLASHES} slashes: {full}"
        )
    return name


def full_name(product_key: str, name: str) -> str:
    """Return the form in which answers show a category: ``/{productKey}/${deviceName}/user/…``."""
    return f"/{product_key}/${{deviceName}}/{name}"


def split_topic(topic: str) -> tuple[str, str, str] | None:
    """Take a custom topic of a device apart.

    Returns:
        ProductKey, DeviceName, and what follows them, such as ``user/update``; None for what is no custom topic: one
        without ``user/``, with wildcards or empty levels, with more than 128 bytes or 7 slashes.
    """
    first, *levels = topic.split("/")
    is_custom = (
        not first
        and 4 <= len(levels) <= _MAX_SLASHES
        and levels[2] + "/" == PREFIX
        and "" not in levels
        and not any(character in topic for character in "+#\0")
        and len(topic.encode()) <= _MAX_BYTES
    )
    return (levels[0], levels[1], "/".join(levels[2:])) if is_custom else None
