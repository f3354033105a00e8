"""What an operation knows about the call it serves."""

from dataclasses import dataclass, field
from typing import Any, TypeVar

T = TypeVar("T")


class Services:
    """The node's services, found by their type. Filled once when the node is wired."""

    def __init__(self, *services: object) -> None:
        self._by_type: dict[type, object] = {}
        self.add(*services)

    def add(self, *services: object) -> None:
        self._by_type.update((type(service), service) for service in services)

    def get(self, kind: type[T]) -> T:
        """Return the service of this type; KeyError when the node was wired without it."""
        service: Any = self._by_type[kind]
        return service  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True)
class Instance:
    """A platform instance: a world of its own for products and devices."""

    id: int
    """Key in the database; the default instance is 1."""
    instance_id: str
    """IotInstanceId; the default instance is addressed by leaving it out."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who signed the call."""

    account_id: str
    access_key_id: str
    user: str | None = None
    """Name of the sub-user (RAM user) whose key it is; None for the account itself."""


@dataclass(frozen=True, slots=True)
class Context:
    """One call of an operation."""

    request_id: str
    caller: Caller
    instance: Instance
    services: Services = field(repr=False)
    client_ip: str = ""

    def service(self, kind: type[T]) -> T:
        """Return the node's service of this type."""
        return self.services.get(kind)
