"""The fields of device search (guide 4.8.35, table of fields)."""

from enum import Enum, auto
from typing import Final

import msgspec


class FieldType(Enum):
    """What values a field has, and so which operators it takes."""

    TEXT = auto()
    DATE = auto()
    STATUS = auto()
    """Text, of which there are four."""


class Element(Enum):
    """Where a field belongs: the device itself, or something that it may have several of."""

    DEVICE = auto()
    GROUP = auto()
    TAG = auto()
    MODULE = auto()


class Field(msgspec.Struct, frozen=True):
    """A field of statements."""

    name: str
    element: Element
    column: str
    """Name of the column in the element's table."""
    type: FieldType = FieldType.TEXT


FIELDS: Final = {
    field.name: field
    for field in (
        Field("product_key", Element.DEVICE, "product_key"),
        Field("iot_id", Element.DEVICE, "iot_id"),
        Field("name", Element.DEVICE, "name"),
        Field("nickname", Element.DEVICE, "nickname"),
        Field("active_time", Element.DEVICE, "activated_at", FieldType.DATE),
        Field("gmt_create", Element.DEVICE, "created_at", FieldType.DATE),
        Field("gmt_modified", Element.DEVICE, "modified_at", FieldType.DATE),
        Field("status", Element.DEVICE, "status", FieldType.STATUS),
        Field("group.group_id", Element.GROUP, "group_id"),
        Field("tag.tag_name", Element.TAG, "key"),
        Field("tag.tag_value", Element.TAG, "value"),
        Field("ota_module.module_name", Element.MODULE, "module"),
        Field("ota_module.firmware_version", Element.MODULE, "version"),
    )
}
"""All fields by name."""

SORTABLE: Final = frozenset({"gmt_create", "gmt_modified", "active_time"})

OPERATORS: Final = {
    FieldType.TEXT: frozenset({"=", "!=", "LIKE"}),
    FieldType.DATE: frozenset({"=", "!=", ">", "<"}),
    FieldType.STATUS: frozenset({"=", "!=", "LIKE"}),
}

STATUSES: Final = {"UNACTIVE": 0, "ONLINE": 1, "OFFLINE": 3, "DISABLE": 8}
"""Numbers in the table of devices, by the words of statements and answers."""
STATUS_WORDS: Final = {number: word for word, number in STATUSES.items()}
