"""Data types in TSL: `{"type": …, "specs": …}`, all spec values as strings."""

from typing import Any, Final

from thingplane.things.model.failures import ModelError
from thingplane.things.model.reader import Node, integer
from thingplane.things.model.types import (
    ArrayType,
    BoolType,
    DataType,
    DateType,
    DoubleType,
    EnumItem,
    EnumType,
    FloatType,
    IntType,
    ItemType,
    Member,
    SimpleType,
    StructType,
    TextType,
)

_NUMBERS: Final[dict[str, type[IntType | FloatType | DoubleType]]] = {
    "int": IntType,
    "float": FloatType,
    "double": DoubleType,
}
_NAMES: Final[dict[type, str]] = {
    IntType: "int",
    FloatType: "float",
    DoubleType: "double",
    BoolType: "bool",
    EnumType: "enum",
    TextType: "text",
    DateType: "date",
    StructType: "struct",
    ArrayType: "array",
}


def read_type(node: Node) -> DataType:
    """Reads a TSL data type.

    Args:
        node: object with `type` and, except where a type needs none, `specs`.

    Raises:
        ModelError: the declaration has the wrong shape.
    """
    word = node.text("type")
    if word in _NUMBERS:
        specs = _specs(node)
        return _NUMBERS[word](
            min=specs.optional_decimal_text("min"),
            max=specs.optional_decimal_text("max"),
            step=specs.optional_decimal_text("step"),
            unit=specs.optional_text("unit"),
            unit_name=specs.optional_text("unitName"),
            precise=specs.optional_decimal_text("precise"),
            default=specs.optional_decimal_text("defaultValue"),
        )
    match word:
        case "bool":
            return BoolType(_read_items(_specs(node)))
        case "enum":
            return EnumType(_read_items(_specs(node)))
        case "text" | "date":
            specs = _specs(node)
            text = TextType if word == "text" else DateType
            return text(length=specs.optional_integer("length"), default=specs.optional_text("defaultValue"))
        case "struct":
            return StructType(tuple(_read_member(member) for member in node.nodes("specs")))
        case "array":
            return _read_array(node.node("specs"))
    raise ModelError(node.at("type"), f"must be one of {', '.join(_NAMES.values())}")


def render_type(data_type: DataType) -> dict[str, Any]:
    """The TSL form of a data type."""
    rendered: dict[str, Any] = {"type": _NAMES[type(data_type)]}
    specs = _render_specs(data_type)
    if specs is not None:
        rendered["specs"] = specs
    return rendered


def _specs(node: Node) -> Node:
    return node.node("specs") if node.has("specs") else Node({}, node.at("specs"))


def _read_items(specs: Node) -> tuple[EnumItem, ...]:
    return tuple(EnumItem(integer(value, specs.at(value)), specs.text(value)) for value in specs.members())


def _read_member(node: Node) -> Member:
    declared = read_type(node.node("dataType"))
    if not isinstance(declared, SimpleType):
        raise ModelError(node.at("dataType.type"), "a member of a struct cannot be a struct or an array")
    return Member(node.text("identifier"), node.text("name"), declared)


def _read_array(specs: Node) -> ArrayType:
    item = read_type(specs.node("item"))
    if not isinstance(item, ItemType):
        raise ModelError(specs.at("item.type"), "must be int, float, double, text or struct")
    return ArrayType(specs.integer("size"), item)


def _render_specs(data_type: DataType) -> dict[str, Any] | list[Any] | None:
    match data_type:
        case BoolType(items) | EnumType(items):
            return {str(item.value): item.name for item in items}
        case StructType(members):
            return [
                {"identifier": member.identifier, "name": member.name, "dataType": render_type(member.type)}
                for member in members
            ]
        case ArrayType(size, item):
            return {"size": str(size), "item": render_type(item)}
        case DateType(length, default):
            return _present(length=_text(length), defaultValue=default)
        case TextType(length, default):
            return _present(length=_text(length), defaultValue=default) or None
        case IntType() | FloatType() | DoubleType():
            specs = _present(
                min=data_type.min,
                max=data_type.max,
                unit=data_type.unit,
                unitName=data_type.unit_name,
                step=data_type.step,
                precise=data_type.precise,
                defaultValue=data_type.default,
            )
            return specs or None


def _text(number: int | None) -> str | None:
    return None if number is None else str(number)


def _present(**members: str | None) -> dict[str, str]:
    return {name: value for name, value in members.items() if value is not None}
