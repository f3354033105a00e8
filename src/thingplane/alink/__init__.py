"""The Alink layer: message envelope, codes, and the table of who handles what devices send."""

from thingplane.alink.codes import MESSAGES, Code
from thingplane.alink.envelope import read_request
from thingplane.alink.handlers import Handler, HandlerTable, Route, discover, raw
from thingplane.alink.requests import request_id, write_request
from thingplane.alink.signature import SignedItem, is_signed, read_fields, read_signed_item, signature
from thingplane.alink.uplink import Identity, Uplink, method_of, reply_tail

__all__ = [
    "MESSAGES",
    "Code",
    "Handler",
    "HandlerTable",
    "Identity",
    "Route",
    "SignedItem",
    "Uplink",
    "discover",
    "is_signed",
    "method_of",
    "raw",
    "read_fields",
    "read_request",
    "read_signed_item",
    "reply_tail",
    "request_id",
    "signature",
    "write_request",
]
