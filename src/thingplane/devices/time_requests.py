"""What time it is, for devices without a clock (device-protocol reference, 8.5)."""

import msgspec
import structlog

from thingplane.alink import Uplink, raw
from thingplane.clock import Clock

_log = structlog.get_logger(__name__)


class _Request(msgspec.Struct):
    deviceSendTime: msgspec.Raw


_decode = msgspec.json.Decoder(_Request).decode
_LONGEST = 64


class TimeRequests:
    """Handler of ``/ext/ntp/{productKey}/{deviceName}/request``.

    The device computes its time as (serverRecvTime + serverSendTime + deviceRecvTime - deviceSendTime) / 2. All times
    are epoch milliseconds, in the JSON type that the device used for its own: SDKs for C want texts.
    """

    def __init__(self, clock: Clock) -> None:
        """Take the clock."""
        self._clock = clock

    @raw
    def answer(self, uplink: Uplink) -> None:
        """Answer a request; one without the device's time cannot be answered, and is logged."""
        try:
            sent = bytes(_decode(uplink.payload).deviceSendTime)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            sent = b""
        is_text = sent.startswith(b'"')
        if len(sent) > _LONGEST or not (is_text or sent.isdigit()):
            _log.info("a request for the time has no deviceSendTime", device=uplink.device.id)
            return
        received, now = (b'"%d"' % at if is_text else b"%d" % at for at in (uplink.received, self._clock.now_ms()))
        topic = f"/ext/ntp/{uplink.device.product_key}/{uplink.device.name}/response"
        payload = b'{"deviceSendTime":%b,"serverRecvTime":%b,"serverSendTime":%b}' % (sent, received, now)
        uplink.replies.append((topic, payload))
