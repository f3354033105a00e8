"""Bodies of forwarded messages (rules-and-subscription reference, chapter 3).

Pure functions. Values of devices are JSON text here and go out as they came in: no number is rounded.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from typing import Any, Final, Literal

import msgspec

from thingplane.forwarding.message import Source

LOCAL: Final = timezone(timedelta(hours=8))
"""Time zone of ``time`` and ``lastTime``: the vendor's in all its regions."""
NO_FAILURE: Final = b"{}"

Action = Literal["create", "delete", "enable", "disable"]
Reading = tuple[str, int, bytes]
"""Identifier, time in epoch ms, JSON text of the value."""
DeviceName = tuple[str, str, str]
"""IotId, ProductKey, DeviceName."""

_encode = msgspec.json.encode


@lru_cache(maxsize=4096)
def _quoted(identifier: str) -> bytes:
    return _encode(identifier)


# 3.3 Device status


def status(
    source: Source, *, online: bool, at: int, last: int, ip: str, reason: int | None = None, local: timezone = LOCAL
) -> bytes:
    """Return a change of a device's state.

    Args:
        source: the device.
        online: what it is now.
        at: when the message is made, in epoch ms.
        last: last communication before the change, in epoch ms.
        ip: address of the device.
        reason: offlineReasonCode: 427 connected elsewhere, 521 deleted, 522 disabled, 400 all others.
        local: time zone of the local times.
    """
    body: dict[str, Any] = {"status": "online" if online else "offline", "iotId": source.iot_id}
    if reason is not None and not online:
        body["offlineReasonCode"] = reason
    return _encode(
        body
        | {
            "productKey": source.product_key,
            "deviceName": source.device_name,
            "time": _local(at, local),
            "utcTime": _utc(at),
            "lastTime": _local(last, local),
            "utcLastTime": _utc(last),
            "clientIp": ip,
        }
    )


def _local(ms: int, local: timezone) -> str:
    return datetime.fromtimestamp(ms // 1000, local).strftime("%Y-%m-%d %H:%M:%S") + f".{ms % 1000:03d}"


def _utc(ms: int) -> str:
    return datetime.fromtimestamp(ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S") + f".{ms % 1000:03d}Z"


# 3.4 and 3.11 Property report, also of the past


def properties(
    source: Source, request_id: bytes, created: int, items: Iterable[Reading], failed: bytes = NO_FAILURE
) -> bytes:
    """Return a report of properties (hot path).

    Args:
        source: the device.
        request_id: JSON text of the Alink id, as ``Uplink.request_id``.
        created: when the message is made, in epoch ms.
        items: the values.
        failed: JSON text of checkFailedData, see ``failed_properties``.
    """
    text = b",".join([b'%b:{"value":%b,"time":%d}' % (_quoted(name), value, time) for name, time, value in items])
    return posted(source, request_id, created, b"{%b}" % text, failed)


def posted(source: Source, request_id: bytes, created: int, items: bytes, failed: bytes = NO_FAILURE) -> bytes:
    """Return a report of properties whose ``items`` are JSON text already: as ``properties`` (hot path)."""
    return b'{"deviceType":%b,"iotId":%b,"requestId":%b,"checkFailedData":%b,%b,"gmtCreate":%d,"items":%b}' % (
        _quoted(source.category),
        _encode(source.iot_id),
        as_text(request_id),
        failed,
        _names(source),
        created,
        items,
    )


def failed_properties(failures: Iterable[tuple[str, int, bytes, int, str]]) -> bytes:
    """Return the checkFailedData of properties.

    Args:
        failures: identifier, time in epoch ms, JSON text of the value, code and message of each.
    """
    return b"{%b}" % b",".join(
        [
            b'%b:{"value":%b,"time":%d,"code":%d,"message":%b}' % (_encode(name), value, time, code, _encode(message))
            for name, time, value, code, message in failures
        ]
    )


def failed_value(value: bytes, code: int, message: str) -> bytes:
    """Return the checkFailedData of an event or a reply."""
    return b'{"value":%b,"code":%d,"message":%b}' % (value, code, _encode(message))


# 3.5 and 3.11 Event report, also of the past


def event(  # noqa: PLR0917 - in the order of the reference
    source: Source,
    request_id: bytes,
    created: int,
    identifier: str,
    name: str,
    level: str,
    value: bytes,
    time: int,
    failed: bytes = NO_FAILURE,
) -> bytes:
    """Return a report of an event.

    Args:
        source: the device.
        request_id: as for ``properties``.
        created: when the message is made, in epoch ms.
        identifier: of the event.
        name: of the event in the thing model.
        level: info, alert or error.
        value: JSON text of the output parameters, an object.
        time: when it happened, in epoch ms.
        failed: JSON text of checkFailedData, see ``failed_value``.
    """
    return (
        b'{"identifier":%b,"name":%b,"type":%b,"deviceType":%b,"iotId":%b,"requestId":%b,"checkFailedData":%b,%b,'
        b'"gmtCreate":%d,"value":%b,"time":%d}'
        % (
            _encode(identifier),
            _encode(name),
            _encode(level),
            _quoted(source.category),
            _encode(source.iot_id),
            as_text(request_id),
            failed,
            _names(source),
            created,
            value,
            time,
        )
    )


# 3.6 Batches


def batch(
    source: Source,
    request_id: bytes,
    created: int,
    payload: Mapping[str, Sequence[tuple[int, bytes]]],
    failed: bytes = NO_FAILURE,
) -> bytes:
    """Return a batch of properties or of events.

    Args:
        source: the device.
        request_id: as for ``properties``.
        created: when the message is made, in epoch ms.
        payload: by identifier the times in epoch ms with JSON texts: values of a property, or outputs of an event.
        failed: JSON text of checkFailedData.
    """
    text = b",".join(
        [
            b"%b:[%b]"
            % (_encode(name), b",".join([b'{"time":%d,"value":%b}' % (time, value) for time, value in samples]))
            for name, samples in payload.items()
        ]
    )
    return b'{"deviceType":%b,"iotId":%b,"requestId":%b,"checkFailedData":%b,%b,"gmtCreate":%d,"payload":{%b}}' % (
        _quoted(source.category),
        _encode(source.iot_id),
        as_text(request_id),
        failed,
        _names(source),
        created,
        text,
    )


# 3.7 Downlink reply


def reply(  # noqa: PLR0917 - in the order of the reference
    source: Source,
    created: int,
    request_id: int,
    code: int,
    message: str,
    topic: str,
    data: bytes = b"{}",
    failed: bytes = NO_FAILURE,
) -> bytes:
    """Return the reply to an asynchronous downlink.

    Args:
        source: the device.
        created: when the message is made, in epoch ms.
        request_id: the MessageId that the caller of the cloud API got.
        code: of the device, or of the platform.
        message: that goes with the code.
        topic: of the command.
        data: JSON text of what the device answered, an object.
        failed: JSON text of checkFailedData, see ``failed_value``.
    """
    return (
        b'{"gmtCreate":%d,"iotId":%b,%b,"requestId":%d,"code":%d,"message":%b,"topic":%b,"data":%b,"checkFailedData":%b}'
        % (
            created,
            _encode(source.iot_id),
            _names(source),
            request_id,
            code,
            _encode(message),
            _encode(topic),
            data,
            failed,
        )
    )


# 3.8 Lifecycle, topology, found


def lifecycle(source: Source, action: Action, at: int, secret: str | None = None) -> bytes:
    """Return what happened to a device.

    Args:
        source: the device.
        action: what.
        at: when, in epoch ms.
        secret: DeviceSecret, of a device that was created.
    """
    body: dict[str, Any] = {"action": action, "iotId": source.iot_id}
    body |= {"productKey": source.product_key, "deviceName": source.device_name}
    if action == "create":
        body["deviceSecret"] = secret or ""
    return _encode(body | {"messageCreateTime": at})


def topology(gateway: Source, action: Action, devices: Iterable[DeviceName], at: int) -> bytes:
    """Return what happened to sub-devices of a gateway, at ``at`` in epoch ms."""
    return _encode({"action": action} | _gateway(gateway, devices) | {"messageCreateTime": at})


def found(gateway: Source, devices: Iterable[DeviceName]) -> bytes:
    """Return which sub-devices a gateway has found."""
    return _encode(_gateway(gateway, devices))


def _gateway(gateway: Source, devices: Iterable[DeviceName]) -> dict[str, Any]:
    return {
        "gwIotId": gateway.iot_id,
        "gwProductKey": gateway.product_key,
        "gwDeviceName": gateway.device_name,
        "devices": [
            {"iotId": iot_id, "productKey": product_key, "deviceName": name} for iot_id, product_key, name in devices
        ],
    }


# 3.9 OTA


def ota_status(  # noqa: PLR0917 - in the order of the reference
    source: Source,
    outcome: str,
    at: int,
    src_version: str,
    dest_version: str,
    description: str,
    job_id: str,
    task_id: str,
    module: str,
) -> bytes:
    """Return how the update of a device ended, ``SUCCEEDED`` or ``FAILED``, at ``at`` in epoch ms."""
    return _encode(
        {
            **_device(source),
            "status": outcome,
            "messageCreateTime": at,
            "srcVersion": src_version,
            "destVersion": dest_version,
            "desc": description,
            "jobId": job_id,
            "taskId": task_id,
            "moduleName": module,
        }
    )


def ota_version(source: Source, module: str, version: str | None, at: int) -> bytes:
    """Return the version of a module that a device reports, at ``at`` in epoch ms."""
    return _encode({**_device(source), "moduleName": module, "moduleVersion": version, "messageCreateTime": at})


def ota_job(  # noqa: PLR0917 - in the order of the reference
    product_key: str,
    module: str,
    package_id: str,
    job_id: str,
    state: str,
    at: int,
) -> bytes:
    """Return the state of an update job, at ``at`` in epoch ms; ``package_id`` is the firmware's id.

    States are PLANNED, IN_PROGRESS, COMPLETED and CANCELED.
    """
    return _encode(
        {
            "productKey": product_key,
            "moduleName": module,
            "packageId": package_id,
            "jobId": job_id,
            "status": state,
            "messageCreateTime": at,
        }
    )


# 3.10 Tags


def tags(source: Source, changed: Mapping[str, str | None], at: int) -> bytes:
    """Return tags of a device that changed, at ``at`` in epoch ms; None: it was removed, which is an empty value."""
    value = [{"attrKey": key, "attrValue": text or ""} for key, text in changed.items()]
    return _encode({**_device(source), "value": value, "messageCreateTime": at})


# What they share


def as_text(request_id: bytes) -> bytes:
    """Return the JSON text of a requestId: the Alink id as text, also when the device sent a number."""
    return request_id if request_id.startswith(b'"') else b'"%b"' % request_id


def _device(source: Source) -> dict[str, str]:
    return {"iotId": source.iot_id, "productKey": source.product_key, "deviceName": source.device_name}


def _names(source: Source) -> bytes:
    return b'"productKey":%b,"deviceName":%b' % (_quoted(source.product_key), _encode(source.device_name))
