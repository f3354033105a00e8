"""Pages about the cloud API, made from the declarations of its operations and the contract."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, get_type_hints

import msgspec

from thingplane.cloud.constraints import describe
from thingplane.cloud.contract import CONTRACT
from thingplane.cloud.hints import is_list, parameter_type, struct_of
from thingplane.cloud.registry import DEEP, OPERATIONS, Operation
from thingplane.cloud.schema import Field, Struct

COVERAGE_PAGE = "coverage.md"
REFERENCE_PAGE = "api.md"
_TYPE_NAMES = {str: "text", int: "integer", float: "number", bool: "boolean"}


def write_reference(directory: Path, operations: dict[str, Operation] = OPERATIONS) -> list[Path]:
    """Write the pages into a directory, which is made if needed, and return their paths.

    Args:
        directory: where to.
        operations: the implemented operations; they must have been discovered.
    """
    directory.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, text in pages(operations).items():
        path = directory / name
        path.write_text(text, encoding="utf-8")
        paths.append(path)
    return paths


def pages(operations: dict[str, Operation] = OPERATIONS) -> dict[str, str]:
    """Return the pages (Markdown) by file name."""
    return {COVERAGE_PAGE: coverage(operations), REFERENCE_PAGE: reference(operations)}


def coverage(operations: dict[str, Operation]) -> str:
    """Return the page that says which documented operations are implemented."""
    groups: dict[str, list[str]] = defaultdict(list)
    for name, contract in CONTRACT.items():
        groups[contract.group].append(name)
    done = sum(name in operations for name in CONTRACT)
    lines = [
        "# Implemented operations",
        "",
        f"{done} of {len(CONTRACT)} documented operations are implemented."
        + (" The others answer `iot.common.APINotSupportedInInstance`." if done < len(CONTRACT) else ""),
        "",
        "| group | implemented | of |",
        "|---|---|---|",
        *(
            f"| {group} | {sum(name in operations for name in names)} | {len(names)} |"
            for group, names in groups.items()
        ),
    ]
    for group, names in groups.items():
        lines += ["", f"## {group}", ""]
        lines += [f"- [{'x' if name in operations else ' '}] {name}" for name in names]
    extra = sorted(set(operations) - set(CONTRACT))
    if extra:
        lines += ["", "## beyond the documented operations", "", *(f"- [x] {name}" for name in extra)]
    return "\n".join(lines) + "\n"


def reference(operations: dict[str, Operation]) -> str:
    """Return the page that describes the implemented operations."""
    order = {name: number for number, name in enumerate(CONTRACT)}
    lines = [
        "# Cloud API reference",
        "",
        (
            "Version 2018-01-20, RPC style. Every answer has RequestId and Success; Code and ErrorMessage when Success "
            "is false. A mandatory parameter that is absent is refused with HTTP 400 and `Missing` and its name."
        ),
    ]
    for operation in sorted(operations.values(), key=lambda item: (order.get(item.name, len(order)), item.name)):
        lines += ["", *_operation(operation)]
    return "\n".join(lines) + "\n"


def _operation(operation: Operation) -> Iterator[str]:
    yield f"## {operation.name}"
    yield ""
    if operation.handler.__doc__:
        yield operation.handler.__doc__.strip().splitlines()[0]
        yield ""
    section = CONTRACT[operation.name].section if operation.name in CONTRACT else None
    deep = f", {operation.deep_qps} where CurrentPage times PageSize is {DEEP} or more" if operation.deep_qps else ""
    yield f"{operation.qps} calls a second{deep}" + (f"; guide section {section}." if section else ".")
    yield ""
    yield "| parameter | type | mandatory | constraints | refused with |"
    yield "|---|---|---|---|---|"
    for row in _parameters(operation.request):
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |"
    yield ""
    fields = ", ".join(f"`{path}`" for path in _answer(operation.response))
    yield f"Answer: {fields}." if fields else "Answer: no further fields."


def _parameters(struct: type[Struct], prefix: str = "") -> Iterator[tuple[str, ...]]:
    hints = get_type_hints(struct, include_extras=True)
    for item in msgspec.structs.fields(struct):
        kind, many, field, entry_field = parameter_type(hints[item.name])
        name = prefix + item.encode_name + (".N" if many else "")
        if issubclass(kind, Struct):
            yield name, "struct", _yes(item.required), "; ".join(_count(field)), _codes(field)
            yield from _parameters(kind, f"{name}.")
            continue
        constraints = [
            *_count(field),
            *(f"`{text}`" if "must match" in text else text for text in describe(kind, entry_field)),
        ]
        if field.doc:
            constraints.insert(0, field.doc)
        if not item.required and item.default not in (None, msgspec.NODEFAULT):
            constraints.append(f"default {item.default}")
        yield name, _TYPE_NAMES[kind], _yes(item.required), "; ".join(constraints), _codes(field, entry_field)


def _yes(required: bool) -> str:
    return "yes" if required else "no"


def _count(field: Field) -> list[str]:
    counts = []
    if field.min_items is not None:
        counts.append(f"at least {field.min_items} entries")
    if field.max_items is not None:
        counts.append(f"at most {field.max_items} entries")
    if field.unique:
        counts.append("entries must differ")
    return counts


def _codes(*fields: Field) -> str:
    codes: Iterable[str] = dict.fromkeys(
        code.code for field in fields for code in (field.empty, field.invalid, field.too_many) if code
    )
    return ", ".join(f"`{code}`" for code in codes)


def _answer(hint: Any, path: str = "") -> Iterator[str]:
    struct = struct_of(hint)
    if struct is None:
        yield path
        return
    hints = get_type_hints(struct)
    for item in msgspec.structs.fields(struct):
        inner = hints[item.name]
        brackets = "[]" if is_list(inner) else ""
        yield from _answer(inner, f"{path}.{item.encode_name}{brackets}".removeprefix("."))
