"""Which slice handles which topic."""

import importlib
import pkgutil
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import msgspec


class Identity(Protocol):
    """What the Alink layer has to know about a device."""

    @property
    def id(self) -> int:
        """Key in the database; also the device's key in the history."""

    @property
    def product_id(self) -> int:
        """Key of its product in the database."""

    @property
    def product_key(self) -> str:
        """ProductKey."""

    @property
    def name(self) -> str:
        """DeviceName."""


class Uplink:
    """One message from a device. Its replies leave when everything that was stored for it is durable."""

    __slots__ = ("capture", "device", "params", "payload", "received", "replies", "request_id", "topic", "wants_reply")

    def __init__(self, device: Identity, topic: str, capture: str, payload: bytes, received: int) -> None:
        self.device = device
        self.topic = topic
        """Full topic, as published."""
        self.capture = capture
        """What stands in the place of ``+`` in the handler's pattern (event id, message id …); empty without one."""
        self.payload = payload
        self.received = received
        """Arrival in epoch milliseconds."""
        self.params: bytes = b""
        """JSON text of the Alink request's ``params``; for handlers of Alink requests only."""
        self.request_id: bytes = b'"0"'
        """JSON text of the Alink request's ``id``: echoed exactly, be it text or number (device-protocol, 3.1)."""
        self.wants_reply = True
        """False when the request said ``sys.ack`` 0."""
        self.replies: list[tuple[str, bytes]] = []
        """(topic, payload) of what goes back to the device at QoS 0, after the commit."""


Handler = Callable[[Uplink], Awaitable[None] | None]
"""Handles one message. A plain function on the hot path (its appends to the history are committed before the message is
acknowledged); a coroutine function where it has to wait: the acknowledgement waits with it. Never raises for anything a
device sends."""


class HandlerTable:
    """Handlers by topic, without regular expressions: exact suffixes first, then those with one ``+``."""

    def __init__(self) -> None:
        self.exact: dict[str, Handler] = {}
        """Key: topic below ``/sys/{productKey}/{deviceName}/``, or the start of others (``/ota/device/inform``)."""
        self.wildcard: dict[tuple[str, str], Handler] = {}
        """Key: what stands before and after ``+``, such as ``("thing/event/", "/post")``."""

    def add(self, pattern: str, handler: Handler) -> None:
        """Register a handler for a topic pattern below ``/sys/{productKey}/{deviceName}/`` with at most one ``+``."""
        if "+" in pattern:
            before, after = pattern.split("+")
            self.wildcard[before, after] = handler
        else:
            self.exact[pattern] = handler

    def find(self, suffix: str) -> tuple[Handler, str] | None:
        """Return the handler of a topic suffix and what ``+`` matched (one level, never empty); None if nobody's."""
        handler = self.exact.get(suffix)
        if handler is not None:
            return handler, ""
        for (before, after), candidate in self.wildcard.items():
            if suffix.startswith(before) and suffix.endswith(after):
                capture = suffix[len(before) : len(suffix) - len(after)] if after else suffix[len(before) :]
                if capture and "/" not in capture:
                    return candidate, capture
        return None


def discover(package: str, services: Any) -> HandlerTable:
    """Collect the handlers of all slices: a ``device`` module has ``handlers(services) -> dict[pattern, Handler]``."""
    table = HandlerTable()
    root = importlib.import_module(package)
    for room in pkgutil.iter_modules(root.__path__, f"{package}."):
        if not room.ispkg:
            continue
        for module in pkgutil.iter_modules(importlib.import_module(room.name).__path__):
            if module.name == "device":
                handlers = importlib.import_module(f"{room.name}.device").handlers
                for pattern, handler in handlers(services).items():
                    table.add(pattern, handler)
    return table


class Envelope(msgspec.Struct, gc=False):
    """An Alink request as devices send it; everything may be missing (device-protocol, 3.1)."""

    id: msgspec.Raw = msgspec.Raw(b'"0"')
    params: msgspec.Raw = msgspec.Raw(b"{}")
    sys: msgspec.Raw = msgspec.Raw(b"")
    method: msgspec.Raw = msgspec.Raw(b"")
