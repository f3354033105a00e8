"""Replies of devices to what they were asked asynchronously: setting properties and calling services."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec
import structlog

from thingplane.alink import Identity, Uplink
from thingplane.storage.timeseries import GroupCommit
from thingplane.telemetry.calls import SET, Call, CallLog

_log = structlog.get_logger(__name__)


_MAX_DIGITS: Final = 20

# All of it is decoded: what goes to the history must be readable when it comes back.
_decode = msgspec.json.Decoder(dict[str, Any]).decode


def _nobody(_device: Identity, _call: Call, _reply: bytes, _uplink: Uplink | None) -> None:
    """Forward replies to nobody."""


class Replies:
    """Handlers of the topics on which devices reply."""

    def __init__(
        self,
        calls: CallLog,
        commits: GroupCommit,
        forward: Callable[[Identity, Call, bytes, Uplink | None], Awaitable[None] | None] = _nobody,
    ) -> None:
        """Take what the handlers need.

        Args:
            calls: the calls that wait for these replies.
            commits: tells when a call is durable.
            forward: takes each reply with its call.
        """
        self._forward = forward
        self._calls = calls
        self._commits = commits

    def set_reply(self, uplink: Uplink) -> Awaitable[None] | None:
        """Handle ``thing/service/property/set_reply`` (device-protocol, 5.2)."""
        return self._reply(uplink, SET)

    def service_reply(self, uplink: Uplink) -> Awaitable[None] | None:
        """Handle ``thing/service/{service}_reply`` (device-protocol, 5.5)."""
        return self._reply(uplink, uplink.capture)

    def raw_reply(self, uplink: Uplink) -> Awaitable[None] | None:
        """Handle a reply that does not say to which service: parsed from a format of the product's own (11.2)."""
        return self._reply(uplink, None)

    def _reply(self, uplink: Uplink, identifier: str | None) -> Awaitable[None] | None:
        alink_id = _alink_id(uplink.payload)
        if alink_id is None:
            _log.info("a reply of a device is not understood", device=uplink.device.name, topic=uplink.topic)
            return None
        call = self._calls.pending(uplink.device.id, alink_id)
        if call is None:
            return self._late(uplink, identifier, alink_id)
        if identifier in {call.identifier, None}:
            self._calls.finish(call, uplink.payload)
            return self._forward(uplink.device, call, uplink.payload, uplink)
        return None

    async def _late(self, uplink: Uplink, identifier: str | None, alink_id: int) -> None:
        call = await self._calls.find(uplink.device.id, identifier, alink_id)
        if call is None:
            _log.info(
                "nobody waits for a reply of a device", device=uplink.device.name, topic=uplink.topic, id=alink_id
            )
            return
        self._calls.finish(call, uplink.payload)
        pending = self._forward(uplink.device, call, uplink.payload, uplink)
        if pending is not None:
            await pending
        await self._commits.durable()


def _alink_id(payload: bytes) -> int | None:
    """Return the id a reply names; None when it is no JSON object with a number, as text or not, for an id."""
    try:
        alink_id = _decode(payload).get("id")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if type(alink_id) is int:
        return alink_id
    if type(alink_id) is str and alink_id.isascii() and alink_id.isdecimal() and len(alink_id) <= _MAX_DIGITS:
        return int(alink_id)
    return None
