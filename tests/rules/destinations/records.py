"""Records made up for destinations."""

from typing import Any

import msgspec

from thingplane.forwarding.message import Forwarded, Kind
from thingplane.rules.actions.configurations import Configuration, read_configuration
from thingplane.rules.destinations.protocol import Record

REGION = {"regionName": "cn-shanghai", "role": {"roleArn": "acs:ram::1:role/x", "roleName": "X"}}
MESSAGE = Forwarded(
    position=1,
    message_id=1234567890123456789,
    kind=Kind.CUSTOM,
    instance_id=1,
    product_id=2,
    product_key="a1pk",
    device_id=3,
    device_name="dev1",
    topic="/a1pk/dev1/user/update",
    body=b"{}",
    generated=1_700_000_000_456,
    qos=1,
    tag="",
)


def record(columns: dict[str, Any] | None = None, payload: bytes | None = None) -> Record:
    columns = columns or {}
    return Record(msgspec.json.encode(columns) if payload is None else payload, columns, MESSAGE, "rule-1")


def configuration(type_: str, **given: Any) -> Configuration:
    return read_configuration(type_, REGION | given)
