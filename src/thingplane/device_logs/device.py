"""What devices send to this slice (device-protocol reference, 8.3 and 8.4)."""

from typing import Any, Final

import msgspec

from thingplane.alink import Code, Handler, Uplink
from thingplane.cloud import Services
from thingplane.device_logs.notices import mode
from thingplane.device_logs.service import LEVELS, OTHER, DeviceLogs, Entry, Source, clean

MAX_ENTRIES: Final = 40
"""Entries of one message."""
MAX_CONTENT_BYTES: Final = 4096
MAX_TEXT: Final = 256
"""Characters of the other texts."""
MAX_SAMPLES: Final = 100
"""Measurements of the network in one message."""
NOT_CONTENT: Final = 6717
NOT_DEVICE: Final = 6718

_UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class _Wanted(msgspec.Struct):
    configScope: Any = "device"
    getType: Any = "content"


class _Posted(msgspec.Struct):
    logContent: str
    utcTime: str | int = ""
    logLevel: str = ""
    module: str = ""
    code: str | int | None = None
    traceContext: str | int | None = None


class _Network(msgspec.Struct):
    p: dict[str, Any] | list[dict[str, Any]]
    model: str = ""


_read_wanted = msgspec.json.Decoder(_Wanted).decode
_read_posted = msgspec.json.Decoder(list[_Posted]).decode
_read_network = msgspec.json.Decoder(_Network).decode


class LogRequests:
    """Handlers of ``thing/config/log/get``, ``thing/log/post`` and ``_thing/diag/post``."""

    def __init__(self, logs: DeviceLogs) -> None:
        """Take the service."""
        self._logs = logs

    async def get(self, uplink: Uplink) -> None:
        """Tell a device whether its log is wanted."""
        try:
            wanted = _read_wanted(uplink.params)
        except _UNREADABLE:
            uplink.reply(Code.PARAMETER_ERROR)
            return
        if wanted.getType != "content":
            uplink.reply(NOT_CONTENT, message="getType is content")
        elif wanted.configScope != "device":
            uplink.reply(NOT_DEVICE, message="configScope is device")
        else:
            uplink.reply(data=mode(enabled=await self._logs.wanted(uplink.device.id)))

    async def post(self, uplink: Uplink) -> None:
        """Add entries to a device's log, all or none of a message."""
        try:
            posted = _read_posted(uplink.params)
        except _UNREADABLE:
            uplink.reply(Code.PARAMETER_ERROR)
            return
        if not 1 <= len(posted) <= MAX_ENTRIES:
            uplink.reply(Code.PARAMETER_ERROR, message=f"1 to {MAX_ENTRIES} entries")
            return
        if any(len(item.logContent.encode()) > MAX_CONTENT_BYTES for item in posted):
            uplink.reply(Code.PARAMETER_ERROR, message=f"logContent has at most {MAX_CONTENT_BYTES} bytes")
            return
        entries = [_entry(item, uplink.received) for item in posted]
        if any(len(text) > MAX_TEXT for item in entries for text in (item.time, item.module, item.code, item.trace)):
            uplink.reply(Code.PARAMETER_ERROR, message=f"texts beside logContent have at most {MAX_TEXT} characters")
            return
        await self._append(uplink, entries)

    async def network(self, uplink: Uplink) -> None:
        """Add what a device tells of its network to its log, as JSON."""
        try:
            told = _read_network(uplink.params)
        except _UNREADABLE:
            uplink.reply(Code.PARAMETER_ERROR)
            return
        samples = told.p if isinstance(told.p, list) else [told.p]
        texts = [msgspec.json.encode(sample) for sample in samples]
        if not 1 <= len(texts) <= MAX_SAMPLES or any(len(text) > MAX_CONTENT_BYTES for text in texts):
            uplink.reply(Code.PARAMETER_ERROR, message=f"1 to {MAX_SAMPLES} objects of up to {MAX_CONTENT_BYTES} bytes")
            return
        entries = [
            Entry(
                source=Source.NETWORK,
                received_at=uplink.received,
                time=clean(str(sample.get("_time", ""))[:MAX_TEXT]),
                level="INFO",
                module=clean(told.model[:MAX_TEXT]),
                content=text.decode(),
            )
            for sample, text in zip(samples, texts, strict=True)
        ]
        await self._append(uplink, entries)

    async def _append(self, uplink: Uplink, entries: list[Entry]) -> None:
        if await self._logs.append(uplink.device.id, entries):
            uplink.reply()
        else:
            uplink.reply(Code.DEVICE_NOT_FOUND)


def _entry(posted: _Posted, received: int) -> Entry:
    def text(value: str | int | None) -> str:
        return "" if value is None else clean(str(value))

    return Entry(
        received_at=received,
        time=text(posted.utcTime),
        level=posted.logLevel if posted.logLevel in LEVELS else OTHER,
        module=text(posted.module),
        code=text(posted.code),
        trace=text(posted.traceContext),
        content=clean(posted.logContent),
    )


def handlers(services: Services) -> dict[str, Handler]:
    """Return the handlers by topic below ``/sys/{productKey}/{deviceName}/``."""
    requests = LogRequests(services.get(DeviceLogs))
    return {
        "thing/config/log/get": requests.get,
        "thing/log/post": requests.post,
        "_thing/diag/post": requests.network,
    }
