"""Data types in ThingModelJson: `dataType` with `dataSpecs` (one object) or `dataSpecsList` (items, members)."""

from typing import Any, Final

from thingplane.things.model.failures import ModelError
from thingplane.things.model.reader import Node
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
    "INT": IntType,
    "FLOAT": FloatType,
    "DOUBLE": DoubleType,
}
_NAMES: Final[dict[type, str]] = {
    IntType: "INT",
    FloatType: "FLOAT",
    DoubleType: "DOUBLE",
    BoolType: "BOOL",
    EnumType: "ENUM",
    TextType: "TEXT",
    DateType: "DATE",
    StructType: "STRUCT",
    ArrayType: "ARRAY",
}
_SIMPLE = "INT, FLOAT, DOUBLE, TEXT, DATE, ENUM or BOOL"
_ITEM = "INT, FLOAT, DOUBLE, TEXT or STRUCT"


def read_type(node: Node, *, key: str = "dataType", optional_specs: bool = False) -> DataType:
    """Reads the data type a node declares.

    Args:
        node: object with the type's word under `key` and dataSpecs or dataSpecsList beside it.
        key: `dataType`, or `childDataType` for items and members.
        optional_specs: whether dataSpecs may be left out (items of arrays).

    Raises:
        ModelError: the declaration has the wrong shape.
    """
    word = node.text(key)
    if word in _NUMBERS:
        return _read_number(_NUMBERS[word], _specs(node, word, optional=optional_specs))
    match word:
        case "BOOL":
            return BoolType(_read_items(node, word))
        case "ENUM":
            return EnumType(_read_items(node, word))
        case "TEXT" | "DATE":
            specs = _specs(node, word, optional=optional_specs or word == "DATE")
            text = TextType if word == "TEXT" else DateType
            return text(length=specs.optional_integer("length"), default=specs.optional_text("defaultValue"))
        case "STRUCT":
            return StructType(tuple(_read_member(member) for member in node.nodes("dataSpecsList")))
        case "ARRAY":
            return _read_array(_specs(node, word, optional=False))
    raise ModelError(node.at(key), f"must be one of {', '.join(_NAMES.values())}")


def render_type(data_type: DataType, custom: bool) -> dict[str, Any]:
    """The members `dataType` and `dataSpecs` or `dataSpecsList` of a declaration."""
    return {"dataType": _NAMES[type(data_type)], **_render_specs(data_type, custom)}


def _specs(node: Node, word: str, *, optional: bool) -> Node:
    if optional and not node.has("dataSpecs"):
        return Node({}, node.at("dataSpecs"))
    specs = node.node("dataSpecs")
    _check_word(specs, word)
    return specs


def _check_word(specs: Node, word: str) -> None:
    if specs.has("dataType") and specs.text("dataType") != word:
        raise ModelError(specs.at("dataType"), f"must be {word} as in the declaration around it")


def _read_number(number: type[IntType | FloatType | DoubleType], specs: Node) -> IntType | FloatType | DoubleType:
    return number(
        min=specs.optional_decimal_text("min"),
        max=specs.optional_decimal_text("max"),
        step=specs.optional_decimal_text("step"),
        unit=specs.optional_text("unit"),
        unit_name=specs.optional_text("unitName"),
        precise=specs.optional_decimal_text("precise"),
        default=specs.optional_decimal_text("defaultValue"),
    )


def _read_items(node: Node, word: str) -> tuple[EnumItem, ...]:
    items = []
    for item in node.nodes("dataSpecsList"):
        _check_word(item, word)
        items.append(EnumItem(item.integer("value"), item.text("name"), item.optional_text("defaultValue")))
    return tuple(items)


def _read_member(node: Node) -> Member:
    _check_word(node, "STRUCT")
    # Looked at first: a nested struct or array would otherwise be blamed for what it holds.
    nested = node.text("childDataType") in {"STRUCT", "ARRAY"}
    declared = None if nested else read_type(node, key="childDataType")
    if not isinstance(declared, SimpleType):
        raise ModelError(node.at("childDataType"), f"must be {_SIMPLE}")
    name = node.text("childName") if node.has("childName") else node.text("name")
    return Member(node.text("identifier"), name, declared)


def _read_array(specs: Node) -> ArrayType:
    item = read_type(specs, key="childDataType", optional_specs=True)
    if not isinstance(item, ItemType):
        raise ModelError(specs.at("childDataType"), f"must be {_ITEM}")
    return ArrayType(specs.integer("size"), item)


def _render_specs(data_type: DataType, custom: bool) -> dict[str, Any]:
    word = _NAMES[type(data_type)]
    head: dict[str, Any] = {"custom": custom, "dataType": word}
    match data_type:
        case BoolType(items) | EnumType(items):
            entries = [head | _present(name=i.name, value=i.value, defaultValue=i.default) for i in items]
            return {"dataSpecsList": entries}
        case StructType(members):
            return {"dataSpecsList": [head | _render_member(member, custom) for member in members]}
        case ArrayType(size, item):
            child = {} if _bare(item) else _render_specs(item, custom)
            return {"dataSpecs": head | {"childDataType": _NAMES[type(item)], "size": size} | child}
        case TextType() | DateType():
            return {"dataSpecs": head | _present(length=data_type.length, defaultValue=data_type.default)}
        case IntType() | FloatType() | DoubleType():
            return {
                "dataSpecs": head
                | _present(
                    min=data_type.min,
                    max=data_type.max,
                    step=data_type.step,
                    unit=data_type.unit,
                    unitName=data_type.unit_name,
                    precise=data_type.precise,
                    defaultValue=data_type.default,
                )
            }


def _render_member(member: Member, custom: bool) -> dict[str, Any]:
    return {
        "identifier": member.identifier,
        "name": member.name,
        "childName": member.name,
        "childDataType": _NAMES[type(member.type)],
        **_render_specs(member.type, custom),
    }


def _bare(item: ItemType) -> bool:
    """Whether the author gave no specs for the items."""
    return item == type(item)() if not isinstance(item, StructType) else False


def _present(**members: object) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}
