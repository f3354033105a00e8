"""MQTT 5 properties of messages: those of applications, by the names that slices use (device-protocol, 1.12)."""

from collections.abc import Mapping
from typing import Any, Final

from thingplane.mqtt import Properties

MAX_USER_PROPERTIES: Final = 20
"""User properties of one message that are passed on (rules and subscription reference, 2.5); further ones are not."""


def application_properties(properties: Properties) -> dict[str, object] | None:
    """Return what an application said with a publish; None if it said nothing."""
    said: dict[str, object] = {
        "payload_format": properties.payload_format_indicator,
        "expiry": properties.message_expiry_interval,
        "content_type": properties.content_type,
        "response_topic": properties.response_topic,
        "correlation_data": properties.correlation_data,
        "user": properties.user_properties[:MAX_USER_PROPERTIES] or None,
    }
    return {name: value for name, value in said.items() if value is not None} or None


def publish_properties(given: Mapping[str, Any]) -> Properties | None:
    """Return the properties of a publish to a device from those of a ``DownlinkMessage``."""
    if not given:
        return None
    return Properties(
        payload_format_indicator=given.get("payload_format"),
        content_type=given.get("content_type"),
        response_topic=given.get("response_topic"),
        correlation_data=given.get("correlation_data"),
        topic_alias=given.get("topic_alias"),
        user_properties=[(key, value) for key, value in given.get("user", ())],
    )
