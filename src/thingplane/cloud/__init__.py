"""The RPC-style cloud API (version 2018-01-20): everything about calls, nothing about products or devices.

A slice declares an operation with a pair of structs and one async function; decoding, signatures, access policies,
quotas, rendering, the reference page and the contract test follow from that declaration.
"""

from thingplane.cloud.context import Caller, Context, Instance, Services
from thingplane.cloud.errors import BusinessError, ErrorCode, GatewayError
from thingplane.cloud.registry import OPERATIONS, Operation, discover, operation
from thingplane.cloud.schema import Field, Request, Response, Struct

__all__ = [
    "OPERATIONS",
    "BusinessError",
    "Caller",
    "Context",
    "ErrorCode",
    "Field",
    "GatewayError",
    "Instance",
    "Operation",
    "Request",
    "Response",
    "Services",
    "Struct",
    "discover",
    "operation",
]
