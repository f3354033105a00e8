"""Compares the declaration of an operation with the contract, without calling it."""

from typing import Any, Final, Literal, get_args, get_origin, get_type_hints

import msgspec

from thingplane.cloud.contract import CONTRACT, Node, OperationContract
from thingplane.cloud.hints import is_list, parameter_type, struct_of
from thingplane.cloud.registry import Operation
from thingplane.cloud.schema import Struct

_SCALARS: Final = {str: "string", int: "integer", float: "number", bool: "boolean"}
# Accepted everywhere, whether a request declares them or not.
_COMMON: Final = {"IotInstanceId", "RegionId", "ResourceGroupId"}


def violations(operation: Operation) -> list[str]:
    """Return where a declaration differs from the contract.

    Parameters must all be declared, with their types, and be mandatory only where they are documented to be. (A
    documented mandatory parameter may be declared optional: an operation may have to raise a code of its own. Of
    operations without a section in the guide nobody says what is mandatory.) Answers may declare only documented
    fields, with their types.
    """
    contract = CONTRACT.get(operation.name)
    if contract is None:
        return [f"{operation.name} is not a documented operation"]
    found = _requests(operation, contract)
    if contract.qps is not None and contract.qps != operation.qps:
        found.append(f"qps {operation.qps} instead of {contract.qps}")
    _answers(operation.response, contract.response, "", found)
    return found


def _requests(operation: Operation, contract: OperationContract) -> list[str]:
    declared = dict(_parameters(operation.request))
    found = []
    for parameter in contract.request:
        have = declared.pop(parameter.name, None)
        if have is None:
            if parameter.name not in _COMMON:
                found.append(f"parameter {parameter.name} is not declared")
        elif have[0] != parameter.type:
            found.append(f"parameter {parameter.name} is {have[0]} instead of {parameter.type}")
        elif have[1] and not parameter.required and contract.section is not None:
            found.append(f"parameter {parameter.name} is mandatory without being documented so")
    found += [f"parameter {name} is not documented" for name in declared if name not in _COMMON]
    return found


def _parameters(struct: type[Struct], prefix: str = "") -> list[tuple[str, tuple[str, bool]]]:
    hints = get_type_hints(struct, include_extras=True)
    found: list[tuple[str, tuple[str, bool]]] = []
    for item in msgspec.structs.fields(struct):
        kind, many, *_ = parameter_type(hints[item.name])
        name = prefix + item.encode_name + (".N" if many else "")
        if issubclass(kind, Struct):
            found += _parameters(kind, f"{name}.")
        else:
            found.append((name, (_SCALARS[kind], item.required)))
    return found


def _answers(struct: type[Struct], nodes: dict[str, Node], path: str, found: list[str]) -> None:
    hints = get_type_hints(struct)
    for item in msgspec.structs.fields(struct):
        name = f"{path}{item.encode_name}"
        node = nodes.get(item.encode_name)
        if node is None:
            found.append(f"answer {name} is not documented")
            continue
        hint = hints[item.name]
        if is_list(hint) != (node.type == "array"):
            found.append(f"answer {name} is {'a' if is_list(hint) else 'no'} list")
            continue
        entry = node.items if node.type == "array" and node.items is not None else node
        inner = struct_of(hint)
        if (inner is None) == (entry.type == "object"):
            found.append(f"answer {name} must be {entry.type}")
        elif inner is not None:
            _answers(inner, entry.fields, f"{name}.", found)
        elif (kind := _scalar(hint)) not in (entry.type, "any"):
            found.append(f"answer {name} is {kind} instead of {entry.type}")


def _scalar(hint: Any) -> str:
    if get_origin(hint) is Literal:
        return _SCALARS[type(get_args(hint)[0])]
    for kind in (hint, *getattr(hint, "__args__", ())):
        if kind in _SCALARS:
            return _SCALARS[kind]
        if getattr(kind, "__args__", ()) and kind is not hint:
            return _scalar(kind)
    return "any" if hint is Any else repr(hint)
