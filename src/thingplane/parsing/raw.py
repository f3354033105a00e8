"""Messages in a product's own format on system topics (device-protocol, 5.9 and 11.2)."""

from typing import Final

import msgspec
import structlog

from thingplane.alink import Code, HandlerTable, Identity, Uplink, read_request
from thingplane.device_logs.service import DeviceLogs
from thingplane.parsing.errors import ParsingError
from thingplane.parsing.service import ParsingService
from thingplane.scripts.outcome import Fault
from thingplane.telemetry.service import TelemetryService

METHOD_MISSING: Final = 6450
"""What the script returned is neither a request nor a reply."""
LOGGED_BYTES: Final = 256

_log = structlog.get_logger(__name__)


class _Message(msgspec.Struct):
    method: str | None = None
    id: msgspec.Raw = msgspec.Raw(b"")
    code: msgspec.Raw = msgspec.Raw(b"")


_read = msgspec.json.Decoder(_Message).decode


class RawMessages:
    """Hands what scripts make of bytes to whoever handles the Alink message, and its replies back to the script."""

    def __init__(
        self, parsing: ParsingService, table: HandlerTable, telemetry: TelemetryService, logs: DeviceLogs
    ) -> None:
        """Take what is needed.

        Args:
            parsing: runs scripts.
            table: the handlers of Alink messages.
            telemetry: takes replies to what devices were asked to do.
            logs: learn of messages that cannot be parsed.
        """
        self._logs = logs
        self._parsing = parsing
        self._table = table
        self._telemetry = telemetry

    async def receive(self, uplink: Uplink) -> None:
        """Handle ``thing/model/up_raw`` and ``thing/model/down_raw_reply``.

        A message that its product's script cannot parse is lost, and in the device's log; the script alone would
        know how to tell the device.
        """
        try:
            text = await self._parsing.decode(uplink.device.product_id, uplink.payload)
        except ParsingError as error:
            self._failed(uplink, error.code, error.reason)
            return
        try:
            message = _read(text)
        except msgspec.ValidationError:
            message = _Message()
        if message.method:
            await self._request(uplink, message.method, text)
        elif message.id and message.code:
            pending = self._telemetry.replies.raw_reply(_parsed(uplink, uplink.topic, text))
            if pending is not None:
                await pending
        else:
            self._failed(uplink, METHOD_MISSING, "the script returned neither a method nor an id with a code")

    async def _request(self, uplink: Uplink, method: str, text: bytes) -> None:
        suffix = method.replace(".", "/")
        route = self._table.find(suffix)
        request = _parsed(uplink, f"{_system(uplink.device)}/{suffix}", text)
        if route is None or not route.is_request:
            self._failed(uplink, Code.NOT_DEFINED, f"there is no Alink method {method[:128]}")
            # Only its id and sys.ack matter.
            read_request(request, b'""')
            request.replies.clear()
            request.reply(Code.TOPIC_PARSE_ERROR)
        else:
            request.capture, request.reply_tail = route.capture, route.reply_tail
            if read_request(request, route.method):
                pending = route.handler(request)
                if pending is not None:
                    await pending
        uplink.message_id = request.message_id
        for _, reply in request.replies:
            await self._reply(uplink, reply)

    async def _reply(self, uplink: Uplink, reply: bytes) -> None:
        try:
            payload = await self._parsing.encode(uplink.device.product_id, reply)
        except ParsingError as error:
            if error.code == Fault.NOTHING:
                # Its way to say that these devices want no replies.
                _log.debug("a script made no reply", code=error.code, device=uplink.device.name)
            else:
                self._failed(uplink, error.code, error.reason, reply=reply[:LOGGED_BYTES].decode(errors="replace"))
            return
        uplink.replies.append((f"{_system(uplink.device)}/thing/model/up_raw_reply", payload))

    def _failed(self, uplink: Uplink, code: int, reason: str, **details: str) -> None:
        raw = uplink.payload[:LOGGED_BYTES].hex()
        self._logs.note(uplink.device.id, "script", code, f"{reason}; topic {uplink.topic}, bytes 0x{raw}")
        _log.warning(
            "a message in the product's own format could not be parsed",
            code=int(code),
            reason=reason,
            product_key=uplink.device.product_key,
            device_name=uplink.device.name,
            topic=uplink.topic,
            raw=raw,
            **details,
        )


def _parsed(uplink: Uplink, topic: str, text: bytes) -> Uplink:
    return Uplink(uplink.device, topic, "", text, uplink.received, qos=uplink.qos)


def _system(device: Identity) -> str:
    return f"/sys/{device.product_key}/{device.name}"
