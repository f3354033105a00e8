"""What devices send to this slice, and what they get back (device-protocol, 7.1 and 7.3)."""

import re
from typing import Any, Final, cast

import msgspec

from thingplane.alink import Handler, Uplink, raw
from thingplane.alink.frames import write_frame
from thingplane.cloud import Services
from thingplane.devices.service import Device
from thingplane.ota.ota import OtaService
from thingplane.ota.package import DEFAULT_MODULE
from thingplane.ota.reports import Report
from thingplane.ota.streams import StreamError

MAX_DESCRIPTION: Final = 256
NONE: Final = "none upgrade operation of the device."
"""Answer of the old way to ask, when there is nothing to install."""
NO_BLOCK: Final = 400

_VERSION: Final = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
_TRAILING_COMMA: Final = re.compile(rb",\s*}")
_UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class _Params(msgspec.Struct, frozen=True):
    version: str | int | float | None = None
    module: str | None = None
    step: str | int | float | None = None
    desc: str | None = None


class _Message(msgspec.Struct):
    params: _Params = _Params()
    id: msgspec.Raw = msgspec.Raw(b'"0"')


class _FileInfo(msgspec.Struct, frozen=True, rename="camel"):
    stream_id: int = -1
    file_id: int = 1


class _FileBlock(msgspec.Struct):
    size: int
    offset: int = 0


class _Wanted(msgspec.Struct, rename="camel"):
    file_block: _FileBlock
    file_info: _FileInfo = _FileInfo()
    file_token: str | None = None


class _Request(msgspec.Struct):
    params: _Wanted
    id: msgspec.Raw = msgspec.Raw(b'"0"')


_read: Final = msgspec.json.Decoder(_Message).decode
_read_params: Final = msgspec.json.Decoder(_Params).decode
_read_request: Final = msgspec.json.Decoder(_Request).decode


class OtaMessages:
    """The handlers. What cannot be understood is dropped where the protocol knows no answer."""

    def __init__(self, ota: OtaService) -> None:
        """Take the service."""
        self._ota = ota

    @raw
    async def inform(self, uplink: Uplink) -> None:
        """Take a version report; there is no answer."""
        try:
            params = _read(uplink.payload).params
        except _UNREADABLE:
            return
        await self._version(uplink, params)

    async def _version(self, uplink: Uplink, params: _Params) -> None:
        version, module = str(params.version or ""), params.module or DEFAULT_MODULE
        if _VERSION.fullmatch(version) and _VERSION.fullmatch(module):
            device = uplink.device
            report = Report(device_id=device.id, product_id=device.product_id, module=module, version=version)
            await self._ota.report(report)

    @raw
    async def progress(self, uplink: Uplink) -> None:
        """Take a progress report; there is no answer."""
        try:
            params = _read(uplink.payload).params
            step = int(float(params.step)) if params.step is not None else None
        except (*_UNREADABLE, ValueError, OverflowError):
            return
        if step is not None:
            device = uplink.device
            report = Report(
                device_id=device.id,
                product_id=device.product_id,
                module=params.module or DEFAULT_MODULE,
                step=step,
                # PostgreSQL has no place for a zero character.
                description=(params.desc or "").replace("\0", "")[:MAX_DESCRIPTION],
            )
            await self._ota.report(report)

    async def get(self, uplink: Uplink) -> None:
        """Tell a device what it is to install."""
        try:
            params = _read_params(uplink.params)
        except _UNREADABLE:
            params = _Params()
        data = await self._wanted(uplink, params.module or DEFAULT_MODULE)
        uplink.reply(data=data or b"{}")

    @raw
    async def request(self, uplink: Uplink) -> None:
        """Answer the old way to ask, on the same topic; the version that the device names counts as reported."""
        try:
            message = _read(uplink.payload)
        except _UNREADABLE:
            message = _Message()
        await self._version(uplink, message.params)
        data = await self._wanted(uplink, message.params.module or DEFAULT_MODULE)
        request_id = bytes(message.id)
        if data is None:
            answer = b'{"code":500,"id":%b,"message":%b}' % (request_id, msgspec.json.encode(NONE))
        else:
            answer = b'{"code":"1000","id":%b,"message":"success","data":%b}' % (request_id, data)
        uplink.replies.append((uplink.topic, answer))

    async def _wanted(self, uplink: Uplink, module: str) -> bytes | None:
        batch = await self._ota.fetch(cast("Device", uplink.device), module)
        return None if batch is None else self._ota.describe(batch)

    @raw
    async def download(self, uplink: Uplink) -> None:
        """Give a device a block of a file, in a frame: length of the JSON, JSON, block, checksum of the block."""
        try:
            # The SDK for C leaves a comma before a closing brace.
            request = _read_request(_TRAILING_COMMA.sub(b"}", uplink.payload))
        except _UNREADABLE:
            answer: dict[str, Any] = {"id": "0", "code": NO_BLOCK, "msg": "the request cannot be read", "data": {}}
            uplink.replies.append((uplink.topic + "_reply", write_frame(msgspec.json.encode(answer))))
            return
        wanted = request.params
        try:
            block = await self._ota.streams.block(
                uplink.device.id,
                wanted.file_info.stream_id,
                wanted.file_info.file_id,
                wanted.file_block.offset,
                wanted.file_block.size,
            )
        except StreamError as error:
            answer = {"id": request.id, "code": NO_BLOCK, "msg": str(error), "data": {}}
            uplink.replies.append((uplink.topic + "_reply", write_frame(msgspec.json.encode(answer))))
            return
        data: dict[str, Any] = {} if wanted.file_token is None else {"fileToken": wanted.file_token}
        data |= {"fileLength": block.file_size, "bSize": len(block.data), "bOffset": block.offset}
        answer = {"id": request.id, "code": 200, "data": data}
        uplink.replies.append((uplink.topic + "_reply", write_frame(msgspec.json.encode(answer), block.data)))


def handlers(services: Services) -> dict[str, Handler]:
    """Return the handlers by topic (``alink.HandlerTable``)."""
    messages = OtaMessages(services.get(OtaService))
    return {
        "/ota/device/inform": messages.inform,
        "/ota/device/progress": messages.progress,
        "/ota/device/request": messages.request,
        "thing/ota/firmware/get": messages.get,
        "thing/file/download": messages.download,
    }
