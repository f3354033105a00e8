"""Reading in portions: who sends a lot holds up nobody else, and who asks too much is not heard for a while."""

import asyncio
from abc import abstractmethod
from typing import Final

from thingplane.gateway.transport import Transport, Upper

PORTION: Final = 8_192
"""Bytes that are handled before all others had their turn: some milliseconds, if they are the smallest packets."""


class Portioned(Upper):
    """A layer that handles what it gets in portions, one each turn of the loop; reading waits for it."""

    __slots__ = ("_held", "_loss", "_rest", "_scheduled", "_transport")

    def __init__(self) -> None:
        self._transport: Transport | None = None
        self._rest: bytearray | None = None  # what is left to handle; None: the last portion was a small one
        self._held = False
        self._scheduled = False  # the next portion
        self._loss: tuple[Exception | None] | None = None  # why the transport is gone, while something is left

    @abstractmethod
    def handle(self, data: bytes) -> None:
        """Handle some bytes."""

    @property
    @abstractmethod
    def is_over(self) -> bool:
        """Whether nothing comes of what is still handled."""

    @abstractmethod
    def lost_connection(self, exc: Exception | None) -> None:
        """Take note that the connection is lost, and that all it brought is handled."""

    def data_received(self, data: bytes) -> None:
        if self._rest is not None:
            self._rest += data
        elif len(data) < PORTION and not self._held:
            self.handle(data)
        else:
            self._rest = bytearray(data)
            if not self._held:
                self._pause()
                self._go_on()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if not self._rest:
            self._rest = None
            self.lost_connection(exc)
            return
        self._loss = (exc,)
        self._schedule()

    def hold(self) -> None:
        """Handle nothing more for now; what has been read already waits."""
        if not self._held:
            self._held = True
            if self._rest is None:
                self._pause()

    def release(self) -> None:
        """Handle again what comes."""
        if self._held:
            self._held = False
            if self._rest is None:
                self._resume()
            else:
                self._schedule()

    def give_up(self) -> None:
        """Take note that the layer is over: what a lost connection has brought waits for nothing any more."""
        if self._loss is not None:
            self._schedule()

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._go_on)

    def _go_on(self) -> None:
        self._scheduled = False
        rest = self._rest
        if rest is None or (self._held and not self.is_over):
            return
        if not rest:
            self._rest = None
            if self._loss is None:
                self._resume()
            else:
                self.lost_connection(*self._loss)
            return
        portion = bytes(rest[:PORTION])
        del rest[:PORTION]
        self.handle(portion)
        self._schedule()

    def _pause(self) -> None:
        if self._transport is not None:
            self._transport.pause_reading()

    def _resume(self) -> None:
        if self._transport is not None:
            self._transport.resume_reading()
