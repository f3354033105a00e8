"""CoAP (RFC 7252) and its block-wise transfers (RFC 7959), server side, without sockets: datagrams in, datagrams out.

``Endpoint`` takes datagrams and the time, gives requests and takes their responses; ``Message`` is what is on the wire.
"""

from thingplane.coap.endpoint import Endpoint, Limits, Request
from thingplane.coap.message import Code, FormatError, Message, Number, Type

__all__ = ["Code", "Endpoint", "FormatError", "Limits", "Message", "Number", "Request", "Type"]
