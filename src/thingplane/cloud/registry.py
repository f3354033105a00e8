"""The operations of the cloud API, found by their documented names."""

import importlib
import pkgutil
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar, get_type_hints

from thingplane.cloud.context import Context
from thingplane.cloud.schema import Request, Response

Handler = Callable[[Context, Any], Awaitable[Response]]
H = TypeVar("H", bound=Callable[..., Awaitable[Any]])


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation: its function, and the structs that its signature names."""

    name: str
    handler: Handler
    request: type[Request]
    response: type[Response]
    qps: int
    """Documented calls a second for an account with its sub-users."""
    module: str
    deep_qps: int | None = None
    """Documented calls a second for pages from ``DEEP`` entries on; None: as many as for others."""


DEEP: Final = 100_000
"""CurrentPage times PageSize from which on some lists are limited to fewer calls (guide 4.7.3, 4.8.8)."""

OPERATIONS: dict[str, Operation] = {}


def operation(*, qps: int, deep_qps: int | None = None) -> Callable[[H], H]:
    """Register an async function as the operation of the same name.

    Args:
        qps: documented calls a second for an account with its sub-users.
        deep_qps: those for pages from ``DEEP`` entries on, for a request with CurrentPage and PageSize.
    """

    def register(handler: H) -> H:
        name = handler.__name__
        if name in OPERATIONS:
            raise ValueError(f"operation {name} is declared twice: {OPERATIONS[name].module} and {handler.__module__}")
        hints = get_type_hints(handler)
        OPERATIONS[name] = Operation(
            name,
            handler,
            request=hints["req"],
            response=hints["return"],
            qps=qps,
            module=handler.__module__,
            deep_qps=deep_qps,
        )
        return handler

    return register


def discover(package: str) -> dict[str, Operation]:
    """Import every ``operations`` module below a package, which registers what it declares, and return them all."""
    root = importlib.import_module(package)
    for room in pkgutil.iter_modules(root.__path__, f"{package}."):
        if not room.ispkg:
            continue
        paths = importlib.import_module(room.name).__path__
        for module in pkgutil.iter_modules(paths, f"{room.name}."):
            if module.name != f"{room.name}.operations":
                continue
            operations = importlib.import_module(module.name)
            if module.ispkg:
                for part in pkgutil.iter_modules(operations.__path__, f"{module.name}."):
                    importlib.import_module(part.name)
    return OPERATIONS
