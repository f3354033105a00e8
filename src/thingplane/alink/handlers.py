"""Which slice handles which topic."""

import importlib
import pkgutil
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from thingplane.alink.codes import MESSAGES, Code
from thingplane.alink.uplink import Uplink, reply_tail

Handler = Callable[[Uplink], Awaitable[None] | None]
"""Handles one message. A plain function on the hot path (its appends to the history are committed before the message is
acknowledged); a coroutine function where it has to wait: the acknowledgement waits with it. Never raises for anything a
device sends."""

H = TypeVar("H", bound=Callable[..., Awaitable[None] | None])

_MAX_CACHED = 4096


def raw(handler: H) -> H:
    """Mark a handler (function or method) whose topic does not carry Alink requests: it gets the payload as it came.

    Not needed for patterns that end with ``_reply`` or ``_raw``, which never carry requests.
    """
    handler.raw = True  # type: ignore[attr-defined]
    return handler


class Route:
    """A handler together with what is the same for all messages of its topic."""

    __slots__ = ("capture", "handler", "is_request", "method", "reply_tail")

    def __init__(self, handler: Handler, suffix: str, capture: str = "", *, is_request: bool) -> None:
        self.handler = handler
        self.capture = capture
        self.is_request = is_request
        """Whether the payload is an Alink request: it is decoded before the handler is called."""
        method = suffix.replace("/", ".")
        self.method = f'"{method}"'.encode()
        """JSON text of the method that a request on this topic has, if it has one."""
        self.reply_tail = reply_tail(method, MESSAGES[Code.SUCCESS])


class HandlerTable:
    """Handlers by topic, without regular expressions: exact suffixes first, then those with one ``+``.

    A suffix is what follows ``/sys/{productKey}/{deviceName}/``. Topics of other families are told by leaving out the
    device: ``/ota/device/inform`` for ``/ota/device/inform/{productKey}/{deviceName}``, ``/ext/session/combine/login``
    for ``/ext/session/{productKey}/{deviceName}/combine/login``; they begin with a slash and get the payload as it
    came.
    """

    def __init__(self) -> None:
        self.exact: dict[str, Route] = {}
        """Key: the suffix."""
        self._wildcard: dict[tuple[str, str], Handler] = {}
        self._cached: dict[str, Route] = {}

    def add(self, pattern: str, handler: Handler) -> None:
        """Register the handler of a suffix with at most one ``+``, which stands for a whole or part of one level.

        Raises:
            ValueError: the pattern has a handler already, or more than one ``+``.
        """
        before, plus, after = pattern.partition("+")
        if "+" in after:
            raise ValueError(f"{pattern}: more than one +")
        if pattern in self.exact or (before, after) in self._wildcard:
            raise ValueError(f"{pattern}: has a handler already")
        if plus:
            self._wildcard[before, after] = handler
        else:
            self.exact[pattern] = _route(handler, pattern, "")

    def find(self, suffix: str) -> Route | None:
        """Return the route of a topic suffix, with what ``+`` stands for; None if it is nobody's."""
        route = self.exact.get(suffix) or self._cached.get(suffix)
        if route is not None:
            return route
        for (before, after), handler in self._wildcard.items():
            if suffix.startswith(before) and suffix.endswith(after):
                capture = suffix[len(before) : len(suffix) - len(after)]
                if capture and "/" not in capture:
                    route = _route(handler, suffix, capture)
                    if len(self._cached) >= _MAX_CACHED:  # message ids and invented event ids would fill the memory
                        self._cached.clear()
                    self._cached[suffix] = route
                    return route
        return None


def _route(handler: Handler, suffix: str, capture: str) -> Route:
    no_request = suffix.startswith("/") or suffix.endswith(("_reply", "_raw")) or getattr(handler, "raw", False)
    return Route(handler, suffix, capture, is_request=not no_request)


def discover(package: str, services: Any, table: HandlerTable) -> None:
    """Add the handlers of all slices: a ``device`` module has ``handlers(services) -> dict[pattern, Handler]``."""
    root = importlib.import_module(package)
    for room in pkgutil.iter_modules(root.__path__, f"{package}."):
        if not room.ispkg:
            continue
        for module in pkgutil.iter_modules(importlib.import_module(room.name).__path__):
            if module.name == "device":
                device = importlib.import_module(f"{room.name}.device")
                for pattern, handler in device.handlers(services).items():
                    table.add(pattern, handler)
