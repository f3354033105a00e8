"""Answers as JSON or XML.

JSON carries RequestId, Success, Code and ErrorMessage, then the fields of the answer. XML has the same names as
elements below ``<OperationResponse>``: a list repeats its element, except a list of texts that has no wrapper, whose
entries are ``<e>`` (guide: QuerySubscribeRelation). Fields that are None are left out of both.
"""

import re
from typing import Any, Final, Literal, get_args, get_type_hints
from xml.sax.saxutils import escape

import msgspec

from thingplane.cloud.errors import BusinessError, GatewayError
from thingplane.cloud.hints import struct_of
from thingplane.cloud.schema import Response

Format = Literal["JSON", "XML"]
CONTENT_TYPES: Final[dict[Format, bytes]] = {
    "JSON": b"application/json;charset=utf-8",
    "XML": b"text/xml;charset=utf-8",
}

_encode = msgspec.json.Encoder().encode
_PROLOGUE: Final = '<?xml version="1.0" encoding="UTF-8"?>'
# XML 1.0 has no way to write these, not even escaped.
_UNPRINTABLE = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_only_none: dict[type, bool] = {}


def answer_body(form: Format, operation: str, request_id: str, response: Response) -> bytes:
    """Return the answer of a successful call."""
    if form == "XML":
        return _xml(f"{operation}Response", {"RequestId": request_id, "Success": True}, response)
    fields = _encode(response if _drops_only_none(type(response)) else _builtins(response))
    end = b"}" if fields == b"{}" else b"," + fields[1:]
    return f'{{"RequestId":"{request_id}","Success":true'.encode() + end


def business_error_body(form: Format, operation: str, request_id: str, error: BusinessError) -> bytes:
    """Return the answer of a call that its operation refused."""
    if form == "JSON":
        return _encode(business_error_builtins(request_id, error))
    return _xml(f"{operation}Response", _failure(request_id, error), error.answer)


def gateway_error_body(form: Format, request_id: str, host_id: str, error: GatewayError) -> bytes:
    """Return the answer of a call that was refused before its operation."""
    head = {"RequestId": request_id, "HostId": host_id, "Code": error.code, "Message": error.message}
    return _encode(head) if form == "JSON" else _xml("Error", head)


def answer_builtins(request_id: str, response: Response) -> dict[str, Any]:
    """Return what the JSON answer of a successful call decodes to."""
    return {"RequestId": request_id, "Success": True, **_builtins(response)}


def business_error_builtins(request_id: str, error: BusinessError) -> dict[str, Any]:
    """Return what the JSON answer of a refused call decodes to."""
    head = _failure(request_id, error)
    return head if error.answer is None else {**head, **_builtins(error.answer)}


def _failure(request_id: str, error: BusinessError) -> dict[str, Any]:
    return {"RequestId": request_id, "Success": False, "Code": error.code, "ErrorMessage": error.message}


def _builtins(value: Any) -> Any:
    if isinstance(value, msgspec.Struct):
        pairs = zip(value.__struct_encode_fields__, value.__struct_fields__, strict=True)
        return {wire: _builtins(item) for wire, name in pairs if (item := getattr(value, name)) is not None}
    if isinstance(value, list):
        return [_builtins(item) for item in value]
    return value


def _drops_only_none(struct: type) -> bool:
    """Tell whether the encoder, which leaves out fields equal to their defaults, leaves out exactly those with None.

    It does when every field that may be None has the default None, and no field has another default.
    """
    known = _only_none.get(struct)
    if known is None:
        _only_none[struct] = True  # for structs that contain themselves
        hints = get_type_hints(struct)
        known = _only_none[struct] = all(
            (item.default is None or (item.required and type(None) not in get_args(hints[item.name])))
            and ((inner := struct_of(hints[item.name])) is None or _drops_only_none(inner))
            for item in msgspec.structs.fields(struct)
        )
    return known


def _xml(root: str, head: dict[str, Any], response: msgspec.Struct | None = None) -> bytes:
    parts = [_PROLOGUE, f"<{root}>"]
    for name, value in head.items():
        _element(parts, name, value)
    if response is not None:
        _fields(parts, response)
    parts.append(f"</{root}>")
    return "".join(parts).encode()


def _fields(parts: list[str], struct: msgspec.Struct) -> None:
    is_wrapper = len(struct.__struct_fields__) == 1 and not isinstance(struct, Response)
    for wire, name in zip(struct.__struct_encode_fields__, struct.__struct_fields__, strict=True):
        value = getattr(struct, name)
        if isinstance(value, list) and not is_wrapper and not any(isinstance(item, msgspec.Struct) for item in value):
            parts.append(f"<{wire}>")
            for item in value:
                _element(parts, "e", item)
            parts.append(f"</{wire}>")
        elif isinstance(value, list):
            for item in value:
                _element(parts, wire, item)
        elif value is not None:
            _element(parts, wire, value)


def _element(parts: list[str], name: str, value: Any) -> None:
    parts.append(f"<{name}>")
    if isinstance(value, msgspec.Struct):
        _fields(parts, value)
    elif isinstance(value, bool):
        parts.append("true" if value else "false")
    else:
        parts.append(escape(_UNPRINTABLE.sub("\ufffd", str(value)), {"\r": "&#13;"}))
    parts.append(f"</{name}>")
