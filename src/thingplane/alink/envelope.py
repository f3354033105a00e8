"""Reading Alink requests with all the liberties that devices take (device-protocol reference, 3.1 and 13)."""

import msgspec

from thingplane.alink.codes import Code
from thingplane.alink.uplink import Uplink


class Envelope(msgspec.Struct, gc=False):
    """An Alink request as devices send it; everything may be missing."""

    id: msgspec.Raw = msgspec.Raw(b"")
    params: msgspec.Raw = msgspec.Raw(b"")
    sys: msgspec.Raw = msgspec.Raw(b"")
    method: msgspec.Raw = msgspec.Raw(b"")


_decode = msgspec.json.Decoder(Envelope).decode


def read_request(uplink: Uplink, method: bytes) -> bool:
    """Fill an uplink with what its Alink request says.

    Args:
        uplink: a message whose payload should be an Alink request.
        method: JSON text of the method that belongs to the topic; empty when none does.

    Returns:
        True, or False when it is no request that could be handled; then the uplink has its reply: 6207 if the payload
        is not JSON, 460 if a member is malformed or the method is not the topic's.
    """
    try:
        envelope = _decode(uplink.payload)
        request_id = bytes(envelope.id)
        # Text and numbers go back as they came; without an id, or with one of another type, there is nothing to echo.
        if request_id and request_id[0] in b'"-0123456789' and (request_id.isascii() or request_id.decode()):
            uplink.request_id = request_id
        if envelope.sys and bytes(envelope.sys) != b'{"ack":1}':
            uplink.wants_reply = _wants_reply(envelope.sys)
        params = bytes(envelope.params)
        if params[:1] not in {b"{", b"["}:
            params = _params(params)
        sent = bytes(envelope.method)
        if not sent or not method or sent == method or _same_text(sent, method):
            uplink.params = params
            return True
    except (msgspec.ValidationError, _NotParamsError):
        uplink.reply(Code.PARAMETER_ERROR)
    # The decoder reports deep nesting as RecursionError, and skips over text without looking at its encoding.
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        uplink.reply(Code.NOT_JSON)
    else:
        uplink.reply(Code.PARAMETER_ERROR, message="method does not belong to the topic")
    return False


class _NotParamsError(Exception):
    """The params are neither an object nor an array."""


def _wants_reply(sys: msgspec.Raw) -> bool:
    """Tell whether ``sys`` lacks ``"ack": 0``; firmware also sends the number as text."""
    content = msgspec.json.decode(sys)
    if not isinstance(content, dict):
        return True
    ack = content.get("ack")
    return ack != 0 and ack != "0"  # noqa: PLR1714 - whatever the device sent need not be hashable


def _params(params: bytes) -> bytes:
    """Return the object or array meant by other JSON: nothing, null, or the text of one."""
    if params in {b"", b"null"}:
        return b"{}"
    if not params.startswith(b'"'):
        raise _NotParamsError
    text: bytes = msgspec.json.decode(params).encode().strip() or b"{}"
    if text[:1] not in {b"{", b"["}:
        raise _NotParamsError
    msgspec.json.decode(text)
    return text


def _same_text(sent: bytes, method: bytes) -> bool:
    """Compare JSON texts that may be escaped differently; null counts as left out."""
    content = msgspec.json.decode(sent)
    return content is None or content == "" or content == msgspec.json.decode(method)
