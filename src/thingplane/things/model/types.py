"""Structs of the thing model.

They are immutable, comparable and (de)serialized by msgspec, which is also how a model is stored. Numbers of a
definition (bounds, step, precision) stay the decimal text the author wrote, so that "0.10" is returned as "0.10".
"""

from enum import StrEnum

from msgspec import Struct


class AccessMode(StrEnum):
    """What the platform may do with a property."""

    READ = "r"
    READ_WRITE = "rw"
    WRITE = "w"


class CallType(StrEnum):
    """Whether a service call waits for the device's answer."""

    ASYNC = "async"
    SYNC = "sync"


class EventType(StrEnum):
    """Severity of an event."""

    INFO = "info"
    ALERT = "alert"
    ERROR = "error"


class _Number(Struct, frozen=True, omit_defaults=True):
    """Bounds, step and unit of a number; None where the author gave none (items of arrays)."""

    min: str | None = None
    max: str | None = None
    step: str | None = None
    unit: str | None = None
    unit_name: str | None = None
    precise: str | None = None
    default: str | None = None


class IntType(_Number, frozen=True, omit_defaults=True, tag_field="type", tag="int"):
    """32-bit signed integer."""


class FloatType(_Number, frozen=True, omit_defaults=True, tag_field="type", tag="float"):
    """IEEE 754 single precision."""


class DoubleType(_Number, frozen=True, omit_defaults=True, tag_field="type", tag="double"):
    """IEEE 754 double precision."""


class EnumItem(Struct, frozen=True, omit_defaults=True):
    """One value of a bool or an enum and its display name."""

    value: int
    name: str
    default: str | None = None


class BoolType(Struct, frozen=True, omit_defaults=True, tag_field="type", tag="bool"):
    """The numbers 0 and 1, with display names."""

    items: tuple[EnumItem, ...]


class EnumType(Struct, frozen=True, omit_defaults=True, tag_field="type", tag="enum"):
    """A closed set of integers with display names."""

    items: tuple[EnumItem, ...]


class TextType(Struct, frozen=True, omit_defaults=True, tag_field="type", tag="text"):
    """UTF-8 text; length is the most bytes a value may have, None where the author gave none (items of arrays)."""

    length: int | None = None
    default: str | None = None


class DateType(Struct, frozen=True, omit_defaults=True, tag_field="type", tag="date"):
    """Text holding UTC milliseconds."""

    length: int | None = None
    default: str | None = None


SimpleType = IntType | FloatType | DoubleType | BoolType | EnumType | TextType | DateType


class Member(Struct, frozen=True, omit_defaults=True):
    """A member of a struct."""

    identifier: str
    name: str
    type: SimpleType


class StructType(Struct, frozen=True, omit_defaults=True, tag_field="type", tag="struct"):
    """An object whose members have simple types."""

    members: tuple[Member, ...]


ItemType = IntType | FloatType | DoubleType | TextType | StructType


class ArrayType(Struct, frozen=True, omit_defaults=True, tag_field="type", tag="array"):
    """A list of at most `size` items of one type."""

    size: int
    item: ItemType


DataType = SimpleType | StructType | ArrayType


class Parameter(Struct, frozen=True, omit_defaults=True):
    """An input or output parameter of a service, or an output parameter of an event."""

    identifier: str
    name: str
    type: DataType


class Feature(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What properties, events and services share.

    Attributes:
        identifier: 1 to 50 letters, digits and underscores, unique in the module.
        name: display name, unique in the module.
        description: free text.
        required: whether the standard category demands the feature.
        custom: False for features that come from a standard category.
        created: UTC milliseconds; features are listed in this order. None until the model is stored.
        extend_config: JSON text that maps the feature to a gateway's field bus.
        config_code: identifier the platform gives to extend_config.
    """

    identifier: str
    name: str
    description: str | None = None
    required: bool = False
    custom: bool = True
    created: int | None = None
    extend_config: str | None = None
    config_code: str | None = None


class Property(Feature, frozen=True, omit_defaults=True, kw_only=True):
    """A state of the device."""

    type: DataType
    access: AccessMode


class Event(Feature, frozen=True, omit_defaults=True, kw_only=True):
    """Something the device reports when it happens."""

    type: EventType
    output: tuple[Parameter, ...] = ()


class Service(Feature, frozen=True, omit_defaults=True, kw_only=True):
    """Something the device can be asked to do."""

    call_type: CallType
    input: tuple[Parameter, ...] = ()
    output: tuple[Parameter, ...] = ()


class FunctionBlock(Struct, frozen=True, omit_defaults=True):
    """Identity of a custom module. Its features are addressed as `id:identifier`."""

    id: str
    name: str
    description: str | None = None


class ThingModel(Struct, frozen=True, omit_defaults=True):
    """One module of a product's thing model; `block` is None for the default module."""

    properties: tuple[Property, ...] = ()
    events: tuple[Event, ...] = ()
    services: tuple[Service, ...] = ()
    block: FunctionBlock | None = None

    def qualified(self, identifier: str) -> str:
        """The identifier of a feature of this module as devices and applications write it."""
        return f"{self.block.id}:{identifier}" if self.block else identifier

    @property
    def feature_count(self) -> int:
        """Properties, events and services together."""
        return len(self.properties) + len(self.events) + len(self.services)


EMPTY = ThingModel()
"""A model without features: what a product starts with."""
