"""What gateways and sub-devices reply to notices (device-protocol reference, 4.3, 4.5 and 4.7)."""

from collections.abc import Awaitable

import msgspec
import structlog

from thingplane.alink import Uplink
from thingplane.devices.service import DeviceService
from thingplane.topology.notices import TopologyNotices
from thingplane.topology.reports import TopologyReports

_log = structlog.get_logger(__name__)

_MAX_DIGITS = 10


class _Reply(msgspec.Struct):
    id: str | int
    code: int
    message: str = ""
    data: dict[str, msgspec.Raw] = {}


_decode = msgspec.json.Decoder(_Reply).decode


class NoticeReplies:
    """Handlers of replies; they change nothing here."""

    def __init__(self, devices: DeviceService, notices: TopologyNotices, reports: TopologyReports) -> None:
        """Take what the handlers need.

        Args:
            devices: the service of gateways.
            notices: knows what was asked.
            reports: takes the answers.
        """
        self._devices = devices
        self._notices = notices
        self._reports = reports

    def noted(self, uplink: Uplink) -> None:
        """Take a reply that nobody waits for."""
        _log.debug("a notice was answered", device=uplink.device.name, topic=uplink.topic)

    def asked(self, uplink: Uplink) -> Awaitable[None] | None:
        """Handle ``thing/topo/add/notify_reply``."""
        try:
            reply = _decode(uplink.payload)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            _log.info("a reply of a gateway is not understood", device=uplink.device.name)
            return None
        text = str(reply.id)
        is_number = text.isascii() and text.isdecimal() and len(text) <= _MAX_DIGITS
        message_id = self._notices.answered(uplink.device.id, int(text)) if is_number else None
        return None if message_id is None else self._answered(uplink, message_id, reply)

    async def _answered(self, uplink: Uplink, message_id: int, reply: _Reply) -> None:
        gateway = await self._devices.by_id(uplink.device.id)
        if gateway is not None:
            data = msgspec.json.encode(reply.data)
            await self._reports.answered(gateway, message_id, reply.code, reply.message, data)
