"""Trying SQL on a message made up for it: what a rule would make of it, or where it fails."""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from thingplane.ids import message_id
from thingplane.rules.sql import EvaluationError, Row, SqlError, compile_sql
from thingplane.rules.sql.errors import Clause, PayloadError
from thingplane.rules.sql.program import Columns, DataType
from thingplane.rules.topics import STATUS_PREFIX

_NO_TAGS: Final[Mapping[str, str]] = {}


class SampleMessage(msgspec.Struct, frozen=True):
    """A message that nobody sent."""

    body: bytes
    topic: str
    """As messages are forwarded: ``/{ProductKey}/{DeviceName}/…``, or that of device status."""
    product_key: str
    device_name: str
    message_id: int
    properties: dict[str, object] | None = None
    """As ``Forwarded`` has them."""


class Failing(msgspec.Struct, frozen=True):
    """Why there is no result."""

    reason: str
    clause: Clause | None = None
    """None: the payload is wrong, not the SQL."""
    position: int = 0
    """Characters of the clause before the place."""


class Trial(msgspec.Struct, frozen=True):
    """What came of it."""

    matches: bool = False
    """Whether the condition holds."""
    payload: bytes = b""
    """What actions would get."""
    columns: Columns = {}
    failing: Failing | None = None


def try_sql(  # noqa: PLR0917 - the parts of a rule and of a message
    select: str,
    where: str,
    data_type: DataType,
    body: bytes,
    topic: str,
    now_ms: int,
    tags: Mapping[str, str] = _NO_TAGS,
    user_properties: Sequence[tuple[str, str]] = (),
) -> Trial:
    """Run SQL on a message.

    Args:
        select: what follows SELECT.
        where: what follows WHERE; empty: every message.
        data_type: JSON or BINARY.
        body: the message's payload, as it is forwarded.
        topic: the forwarded topic, which names product and device; of system topics also with ``/sys``.
        now_ms: epoch milliseconds.
        tags: of the device.
        user_properties: of the device's publish (MQTT 5).
    """
    if topic.startswith("/sys/"):
        # As the device publishes; messages are forwarded without it.
        topic = topic.removeprefix("/sys")
    levels = topic.removeprefix(STATUS_PREFIX).strip("/").split("/")
    device_name = levels[1] if len(levels) > 1 else ""
    message = SampleMessage(body, topic, levels[0], device_name, message_id(), {"user": user_properties})
    try:
        result = compile_sql(select, where, data_type).run(Row(message, now_ms, "", tags))
    except (SqlError, EvaluationError) as error:
        return Trial(failing=Failing(error.reason, error.clause, error.position))
    except PayloadError as error:
        return Trial(failing=Failing(str(error)))
    if result is None:
        return Trial()
    return Trial(matches=True, payload=result.payload, columns=result.columns)
