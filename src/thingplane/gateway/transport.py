"""How layers of a connection are stacked: each is a protocol to the one below and a transport to the one above."""

import asyncio
from abc import abstractmethod
from typing import NamedTuple, Protocol


class Peer(NamedTuple):
    """What a connection knows of its peer before the first byte of MQTT."""

    ip: str
    secure: bool = False
    """Whether it is encrypted."""
    certificate: bytes | None = None
    """Its certificate (DER), checked against the authorities of devices."""
    psk: tuple[str, str] | None = None
    """ProductKey and DeviceName of its pre-shared key."""


class Transport(Protocol):
    """What a layer needs of the one below: TCP, TLS or a WebSocket."""

    def write(self, data: bytes) -> None:
        """Send; never blocks."""

    def close(self) -> None:
        """Close after what was written has left."""

    def abort(self) -> None:
        """Close at once."""

    def get_write_buffer_size(self) -> int:
        """Return the bytes that wait."""

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Set when ``pause_writing`` and ``resume_writing`` are called."""

    def pause_reading(self) -> None:
        """Call ``data_received`` no more."""

    def resume_reading(self) -> None:
        """Call ``data_received`` again."""


class Upper(asyncio.Protocol):
    """A layer on top of a transport that is already there."""

    __slots__ = ()

    @abstractmethod
    def attach(self, transport: Transport) -> None:
        """Start with a transport that is ready."""
