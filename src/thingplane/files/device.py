"""What devices send to this slice: files in blocks (device-protocol reference, 8.6)."""

import re
from typing import Any, Final

import msgspec

from thingplane.alink import Handler, Uplink, raw
from thingplane.alink.frames import ChecksumError, FrameError, read_data, read_header
from thingplane.cloud import Services
from thingplane.devices.service import Device, DeviceService
from thingplane.files.block_uploads import Announced, Block, BlockUploads
from thingplane.files.errors import BlockCode, BlockRefusedError

MAX_NAME: Final = 100
STRATEGIES: Final = {"overwrite", "append", "reject"}

_CHECKSUM: Final = re.compile("[0-9a-fA-F]{16}")
_UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_JSON_TYPES_OF_IDS: Final = b'"-0123456789'


class _Init(msgspec.Struct):
    fileName: str
    fileSize: int
    conflictStrategy: str = "overwrite"
    ficMode: str | None = None
    ficValue: str | None = None
    initUid: str | None = None
    extraParams: dict[str, Any] | None = None


class _Send(msgspec.Struct):
    uploadId: str
    offset: int
    bSize: int
    isComplete: bool = False


class _Cancel(msgspec.Struct):
    uploadId: str


class _Header(msgspec.Struct):
    id: msgspec.Raw = msgspec.Raw(b"")
    params: msgspec.Raw = msgspec.Raw(b"")


_read_init = msgspec.json.Decoder(_Init).decode
_read_send = msgspec.json.Decoder(_Send).decode
_read_cancel = msgspec.json.Decoder(_Cancel).decode
_read_envelope = msgspec.json.Decoder(_Header).decode


class UploadRequests:
    """Handlers of ``thing/file/upload/mqtt/init``, ``send`` and ``cancel``."""

    def __init__(self, uploads: BlockUploads, devices: DeviceService) -> None:
        """Take the services."""
        self._uploads = uploads
        self._devices = devices

    async def init(self, uplink: Uplink) -> None:
        """Begin or continue an upload."""
        try:
            params = _read_init(uplink.params)
        except _UNREADABLE:
            _answer(uplink, BlockCode.BAD_PARAMETER, "request parameter error")
            return
        shown: dict[str, Any] = {"fileName": params.fileName[:MAX_NAME]}
        try:
            begun = await self._uploads.begin(await self._device(uplink), _announced(params))
        except BlockRefusedError as error:
            _answer(uplink, error.code, error.message, shown)
            return
        shown |= {"uploadId": begun.upload_id, "offset": begun.offset, "fileSize": params.fileSize}
        shown["conflictStrategy"] = params.conflictStrategy
        if params.ficMode is not None:
            shown |= {"ficMode": params.ficMode, "ficValue": params.ficValue}
        if params.initUid is not None:
            shown["initUid"] = params.initUid
        _answer(uplink, 200, "success", shown)

    @raw
    async def send(self, uplink: Uplink) -> None:
        """Take a block. Whatever is wrong with it, the reply says which one it was, as far as that can be told."""
        shown: dict[str, Any] = {}
        try:
            header = _header(uplink)
            block = _read_block(uplink, header, shown)
            complete = await self._uploads.take(await self._device(uplink), block)
        except BlockRefusedError as error:
            _answer(uplink, error.code, error.message, shown)
            return
        if complete is not None:
            shown["complete"] = True
        if complete:
            shown |= {"ficModeServer": "crc64", "ficValueServer": complete}
        _answer(uplink, 200, "success", shown)

    async def cancel(self, uplink: Uplink) -> None:
        """Forget an upload."""
        try:
            upload_id = _read_cancel(uplink.params).uploadId
        except _UNREADABLE:
            _answer(uplink, BlockCode.BAD_PARAMETER, "request parameter error")
            return
        try:
            await self._uploads.cancel(await self._device(uplink), upload_id)
        except BlockRefusedError as error:
            _answer(uplink, error.code, error.message, {"uploadId": upload_id})
            return
        _answer(uplink, 200, "success", {"uploadId": upload_id})

    async def _device(self, uplink: Uplink) -> Device:
        device = await self._devices.by_id(uplink.device.id)
        if device is None:
            raise BlockRefusedError(BlockCode.DEVICE_GONE, "device not found")
        return device


def _announced(params: _Init) -> Announced:
    def refuse(why: str) -> BlockRefusedError:
        return BlockRefusedError(BlockCode.BAD_PARAMETER, why)

    if params.fileSize < 1 and params.fileSize != -1:
        raise refuse("fileSize is the number of bytes, or -1 when nobody knows")
    if params.conflictStrategy not in STRATEGIES:
        raise refuse("conflictStrategy is overwrite, append or reject")
    if params.ficMode is not None and params.ficMode != "crc64":
        raise refuse("ficMode is crc64")
    if (params.ficMode is None) != (params.ficValue is None):
        raise refuse("ficMode and ficValue go together")
    if params.ficValue is not None and _CHECKSUM.fullmatch(params.ficValue) is None:
        raise refuse("ficValue has 16 hexadecimal digits")
    if params.initUid is not None and not (1 <= len(params.initUid) <= 64 and params.initUid.isprintable()):
        raise refuse("initUid has 1 to 64 printable characters")
    if (params.extraParams or {}).get("ossOwnerType", "iot-platform") != "iot-platform":
        raise refuse("ossOwnerType: files can only be kept by the platform")
    return Announced(
        name=params.fileName,
        size=None if params.fileSize == -1 else params.fileSize,
        strategy=params.conflictStrategy,
        checksum=params.ficValue and params.ficValue.lower(),
        init_uid=params.initUid,
    )


def _header(uplink: Uplink) -> bytes:
    try:
        return read_header(uplink.payload)
    except FrameError:
        raise BlockRefusedError(BlockCode.NOT_READABLE, "the payload is no frame") from None


def _read_block(uplink: Uplink, header: bytes, shown: dict[str, Any]) -> Block:
    """Return the block of a frame; what is known of it so far is in ``shown`` when it is refused."""
    try:
        envelope = _read_envelope(header)
        request_id = bytes(envelope.id)
        if request_id[:1] in _JSON_TYPES_OF_IDS and request_id and request_id.decode():
            uplink.request_id = request_id
    except _UNREADABLE:
        raise BlockRefusedError(BlockCode.NOT_READABLE, "the header is not JSON") from None
    try:
        params = _read_send(envelope.params)
    except _UNREADABLE:
        raise BlockRefusedError(BlockCode.BAD_PARAMETER, "request parameter error") from None
    shown |= {"uploadId": params.uploadId, "offset": params.offset, "bSize": params.bSize}
    size = len(uplink.payload) - len(header) - 4
    if params.bSize != size or params.offset < 0:
        raise BlockRefusedError(BlockCode.BAD_PARAMETER, f"bSize says {params.bSize}, the block has {size} bytes")
    try:
        data = read_data(uplink.payload, header)
    except ChecksumError:
        raise BlockRefusedError(BlockCode.WRONG_BLOCK_CHECKSUM, "the block has another checksum") from None
    return Block(params.uploadId, params.offset, data, params.isComplete)


def _answer(uplink: Uplink, code: int, message: str, data: dict[str, Any] | None = None) -> None:
    """Answer with id and code in front: the SDK for C takes the first text that looks like them."""
    if not uplink.wants_reply:
        return
    shown = msgspec.json.encode(message), msgspec.json.encode(data or {})
    text = b'{"id":%b,"code":%d,"message":%b,"data":%b}' % (uplink.request_id, code, *shown)
    uplink.replies.append((uplink.topic + "_reply", text))


def handlers(services: Services) -> dict[str, Handler]:
    """Return the handlers by topic below ``/sys/{productKey}/{deviceName}/``."""
    requests = UploadRequests(services.get(BlockUploads), services.get(DeviceService))
    prefix = "thing/file/upload/mqtt/"
    return {prefix + "init": requests.init, prefix + "send": requests.send, prefix + "cancel": requests.cancel}
