"""Events between slices: cache invalidation, a device that was disabled, a product that was deleted."""

from collections import defaultdict
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

import msgspec

E = TypeVar("E", bound=msgspec.Struct)


class Bus(Protocol):
    """Carries events to everyone who wants to know. An event is a struct; its class is its subject.

    An event is published after the change it tells of is durable. Handlers are plain functions that return at once and
    don't raise; one that has to wait starts a task.
    """

    def subscribe(self, kind: type[E], handler: Callable[[E], None]) -> None:
        """Call the handler with every event of this class from now on."""

    def publish(self, event: msgspec.Struct) -> None:
        """Tell everyone."""


class LocalBus:
    """The bus of a node on its own: direct calls, in the order of subscription."""

    def __init__(self) -> None:
        self._handlers: defaultdict[type, list[Callable[[Any], None]]] = defaultdict(list)

    def subscribe(self, kind: type[E], handler: Callable[[E], None]) -> None:
        self._handlers[kind].append(handler)

    def publish(self, event: msgspec.Struct) -> None:
        for handler in self._handlers[type(event)]:
            handler(event)
