"""Topics of devices as back ends write them."""

from typing import Final

from thingplane.topics.errors import INVALID_FORMATTED_TOPIC_NAME

MAX_BYTES: Final = 128
MAX_SLASHES: Final = 7


def is_topic(topic: str) -> bool:
    """Tell whether text is the name of a topic of at most 128 bytes and 7 slashes (device-protocol, 1.2)."""
    return (
        topic.startswith("/")
        and len(topic) > 1
        and not any(character in topic for character in "+#\0")
        and topic.count("/") <= MAX_SLASHES
        and len(topic.encode()) <= MAX_BYTES
    )


def device_topic(topic: str, product_key: str) -> tuple[str, str]:
    """Split a custom topic of a device into DeviceName and what follows it, such as ``user/get``.

    Raises:
        BusinessError: iot.messagebroker.InvalidFormattedTopicName: not a topic, or not of a device of this product.
    """
    levels = topic.split("/", 3)
    if not is_topic(topic) or len(levels) < 4 or "" in topic[1:].split("/"):
        raise INVALID_FORMATTED_TOPIC_NAME("A custom topic is /{ProductKey}/{DeviceName}/user/… without wildcards.")
    if levels[1] != product_key:
        raise INVALID_FORMATTED_TOPIC_NAME("The topic does not begin with the ProductKey of the product.")
    return levels[2], levels[3]


def fill_template(template: str, product_key: str, name: str) -> str:
    """Return a topic whose template has ``${productKey}`` and ``${deviceName}`` in place of a device's names."""
    return template.replace("${productKey}", product_key).replace("${deviceName}", name)
