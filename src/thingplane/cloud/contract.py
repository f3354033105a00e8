"""The contract of the cloud API: every documented operation with its parameters and the shape of its answer.

``contract.json`` is data: per operation the group, the section of the guide (None where the operation is only listed),
calls per second, parameters and the tree of the answer.
"""

from importlib.resources import files
from typing import Any, Final, Literal

import msgspec

ScalarType = Literal["string", "integer", "number", "boolean"]


class Parameter(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A documented request parameter. ``N`` in its name stands for the number of a list entry."""

    name: str
    type: ScalarType
    form: Literal["scalar", "list", "list of structs", "JSON text", "Base64 text"] = "scalar"
    required: bool = False
    location: Literal["query", "form body"] = "query"


class Node(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A field of an answer, or the entries of a list."""

    type: Literal["string", "integer", "number", "boolean", "object", "array"]
    fields: dict[str, "Node"] = {}
    items: "Node | None" = None
    wraps_list: bool = False
    """The object has one field, a list: the JSON form of most lists."""


class OperationContract(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is documented about an operation."""

    group: str
    section: str | None
    qps: int | None
    request: list[Parameter]
    response: dict[str, Node]


def _load() -> dict[str, OperationContract]:
    data = files("thingplane.cloud").joinpath("contract.json").read_bytes()
    return msgspec.json.decode(data, type=dict[str, OperationContract])


CONTRACT: Final[dict[str, OperationContract]] = _load()
"""All documented operations by name, in the order of the guide."""

_SCALARS: Final[dict[str, tuple[type, ...]]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
}


def check(operation: str, answer: dict[str, Any]) -> list[str]:
    """Return what in a JSON answer is not as documented: names, containers, list wrappers, types of scalars."""
    contract = CONTRACT.get(operation)
    if contract is None:
        return [f"{operation}: not a documented operation"]
    violations: list[str] = []
    _check_fields(answer, contract.response, operation, violations)
    violations += [f"{operation}.{name}: missing" for name in ("RequestId", "Success") if name not in answer]
    return violations


def _check_fields(value: dict[str, Any], fields: dict[str, Node], path: str, violations: list[str]) -> None:
    for name, item in value.items():
        node = fields.get(name)
        if node is None:
            violations.append(f"{path}.{name}: unknown name")
        elif item is not None:
            _check_node(item, node, f"{path}.{name}", violations)


def _check_node(value: Any, node: Node, path: str, violations: list[str]) -> None:
    if node.type == "object":
        if isinstance(value, dict):
            _check_fields(value, node.fields, path, violations)
            return
    elif node.type == "array":
        if isinstance(value, list):
            for index, item in enumerate(value):
                if node.items is not None:
                    _check_node(item, node.items, f"{path}[{index}]", violations)
            return
    elif isinstance(value, _SCALARS[node.type]) and isinstance(value, bool) == (node.type == "boolean"):
        return
    violations.append(f"{path}: {type(value).__name__} instead of {node.type}")
