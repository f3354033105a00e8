"""Functions that ask for the message itself, its device, the time."""

import base64
import codecs
import uuid
from datetime import UTC, tzinfo
from typing import Any, Final

from thingplane.cloud.times import REGION_ZONE
from thingplane.rules.sql.errors import Failure
from thingplane.rules.sql.functions.dates import date_format
from thingplane.rules.sql.functions.function import Function
from thingplane.rules.sql.row import Row, Value
from thingplane.rules.sql.values import limited, number, text

CHARSETS: Final = frozenset(
    {
        *(
            "ascii",
            "big5",
            "cp1252",
            "euc_jp",
            "euc_kr",
            "gb18030",
            "gb2312",
            "gbk",
            "iso8859-1",
            "iso8859-15",
            "koi8-r",
        ),
        *("shift_jis", "utf-16", "utf-16-be", "utf-16-le", "utf-8"),
    }
)
"""Encodings that payload() reads, by their Python names."""


def _attribute(row: Row, key: Value) -> str | None:
    return None if row.tags is None else row.tags.get(text(key))


def _charset(name: Value) -> str:
    try:
        found = codecs.lookup(text(name)).name
    except (LookupError, ValueError):
        found = ""
    if found not in CHARSETS:
        raise Failure(f"There is no charset {text(name)[:40]}.")
    return found


def _payload(row: Row, charset: Value = "utf-8") -> str:
    try:
        return limited(row.message.body.decode(_charset(charset)))
    except UnicodeDecodeError:
        raise Failure(f"The payload is not text in {text(charset)[:40]}.") from None


def _topic(row: Row, level: Value = None) -> str | None:
    topic = row.message.topic
    if level is None:
        return topic
    index = number(level)
    levels = topic.split("/")
    if index != int(index) or index < 1:
        raise Failure("Levels of a topic are counted from 1.")
    return levels[int(index)] if index < len(levels) else None


def _user_property(row: Row, key: Value) -> str | None:
    """Return the first user property with this name; MQTT 5 allows for several."""
    pairs: Any = (row.message.properties or {}).get("user", ())
    name = text(key)
    return next((value for known, value in pairs if known == name), None)


def _timestamp(zone: tzinfo) -> Any:
    def timestamp(row: Row, pattern: Value = None) -> int | str:
        if pattern is None:
            return row.now_ms
        return date_format(text(pattern))(row.now_ms, zone)

    return timestamp


def _is_pattern(pattern: Value) -> None:
    date_format(text(pattern))


FUNCTIONS: Final[dict[str, Function]] = {
    "attribute": Function(_attribute, of_row=True),
    "deviceName": Function(lambda row: row.message.device_name, 0, 0, of_row=True),
    "deviceType": Function(lambda row: row.device_type, 0, 0, of_row=True),
    "messageId": Function(lambda row: str(row.message.message_id), 0, 0, of_row=True),
    "newuuid": Function(lambda: str(uuid.uuid4()), 0, 0),
    "payload": Function(_payload, 0, 1, of_row=True, prepare=_charset),
    "productKey": Function(lambda row: row.message.product_key, 0, 0, of_row=True),
    "tag": Function(_attribute, of_row=True),
    "timestamp": Function(_timestamp(REGION_ZONE), 0, 1, of_row=True, prepare=_is_pattern),
    "timestamp_utc": Function(_timestamp(UTC), 0, 1, of_row=True, prepare=_is_pattern),
    "to_base64": Function(lambda row: base64.b64encode(row.message.body).decode(), 0, 0, of_row=True, of_payload=True),
    "to_hex": Function(lambda row: row.message.body.hex(), 0, 0, of_row=True, of_payload=True),
    "topic": Function(_topic, 0, 1, of_row=True),
    "user_property": Function(_user_property, of_row=True),
}
