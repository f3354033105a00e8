"""The house rules that a reader relies on: who may import whom, and how long a module may be."""

import ast
import statistics
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "src" / "thingplane"

BASE = {"clock", "ids", "throttle", "x509"}
"""Modules that everyone may import: time, identifiers, how often something may happen, certificates."""

SLICES = {
    *("access", "instances", "products", "devices", "topics", "things", "telemetry", "messaging"),
    *("groups", "shadows", "desired", "rules", "subscriptions", "ota", "topology", "files", "search", "parsing"),
    *("configurations", "device_logs", "device_jobs", "distribution"),
}

ROOMS: dict[str, set[str]] = {
    "cloud": BASE,
    "mqtt": set(),
    "amqp": set(),
    "stomp": set(),
    "coap": set(),
    "coap_access": {"alink", "bus", "coap", "devices", "gateway", "mqtt", "products", *BASE},
    "alink": set(),
    "bus": set(),
    "storage": BASE,
    "forwarding": {"storage", *BASE},
    "scripts": BASE,
    "outbound": BASE,
    "simulator": set(),
    "observability": set(),
    "gateway": {"mqtt", "alink", "bus", "storage", "devices", "products", "topics", *BASE},
    "http": {"cloud", "mqtt", "alink", "bus", "gateway", "storage", "devices", "products", "topics", *BASE},
    "consumers": {"amqp", "stomp", "forwarding", "storage", "subscriptions", *BASE},
    "console": {"cloud"},
}
"""What each room may import of the others (docs/architecture.md). Slices follow the rule below."""

SLICE_IMPORTS = {"cloud", "alink", "storage", "bus", "forwarding", "scripts", "outbound", *BASE}
PUBLIC_IN_SLICES = {"service", "errors"}
"""Of each other, slices see only these modules, and those below."""

SHARED_PARTS = {"devices": {"addressing", "page_token"}, "things": {"model"}}
"""How requests name a device, the NextToken of lists, and the thing model's types and validators (pure functions)."""

STDLIB_ONLY = {"mqtt", "amqp", "stomp", "coap"}
EVERYTHING = {
    "cli",
    "node",
    "wiring",
    "settings",
    "health",
    "message_log",
    "endpoints",
    "tls",
    "certificates",
    "credentials",
    "descriptors",
}


def modules() -> Iterator[tuple[str, Path]]:
    """Give every module with its dotted name below the package."""
    for file in sorted(SOURCE.rglob("*.py")):
        name = ".".join(file.relative_to(SOURCE).with_suffix("").parts)
        yield name.removesuffix(".__init__"), file


def imports(file: Path) -> Iterator[str]:
    """Give the dotted names that a module imports, also inside functions."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def forbidden(name: str, file: Path) -> list[str]:
    room = name.split(".", maxsplit=1)[0]
    if room in EVERYTHING or name == "__init__":
        return []
    found = []
    for imported in imports(file):
        parts = imported.split(".")
        if parts[0] != "thingplane" or len(parts) < 2 or parts[1] in {room, "__version__"}:
            continue
        target = parts[1]
        if room in SLICES:
            public = len(parts) == 2 or parts[2] in PUBLIC_IN_SLICES | SHARED_PARTS.get(target, set())
            allowed = public if target in SLICES else target in SLICE_IMPORTS
        else:
            allowed = target in ROOMS.get(room, BASE | {"storage"})
            if target in SLICES and allowed:
                allowed = len(parts) == 2 or parts[2] in PUBLIC_IN_SLICES
        if not allowed:
            found.append(f"{name} imports {imported}")
    return found


def test_rooms_import_only_what_the_table_allows() -> None:
    assert [line for name, file in modules() for line in forbidden(name, file)] == []


def test_protocol_cores_use_the_standard_library_only() -> None:
    import sys

    foreign = [
        f"{name} imports {imported}"
        for name, file in modules()
        if name.split(".")[0] in STDLIB_ONLY
        for imported in imports(file)
        if imported.split(".")[0] not in {*sys.stdlib_module_names, "thingplane"}
    ]
    assert foreign == []


def test_modules_are_small() -> None:
    lengths = {name: len(file.read_text().splitlines()) for name, file in modules()}
    assert {name: length for name, length in lengths.items() if length > 500} == {}
    assert statistics.median(lengths.values()) <= 120


@pytest.mark.parametrize("room", sorted(file.parent.name for file in SOURCE.glob("*/__init__.py")))
def test_room_explains_itself(room: str) -> None:
    assert ast.get_docstring(ast.parse((SOURCE / room / "__init__.py").read_text()))


def test_every_room_is_in_the_table() -> None:
    rooms = {name.split(".")[0] for name, file in modules() if file.parent != SOURCE}
    assert rooms <= SLICES | set(ROOMS) | EVERYTHING
