"""Bodies of forwarded messages, beside chapter 3 of the rules-and-subscription reference."""

from datetime import UTC
from typing import Any

import msgspec
import pytest
from tests.common.forwarding import SOURCE

from thingplane.forwarding import bodies

NOW = 1_709_287_201_500  # 2024-03-01 10:00:01.500 UTC
NAMES = {"iotId": "iot3000000", "productKey": "a1pk", "deviceName": "dev1"}
COMMON = {**NAMES, "deviceType": "CustomCategory", "requestId": "123", "gmtCreate": NOW}
GATEWAY = {"gwIotId": "iot3000000", "gwProductKey": "a1pk", "gwDeviceName": "dev1"}
SUB = {"iotId": "s1", "productKey": "a1sub", "deviceName": "meter"}

CASES: dict[str, tuple[bytes, dict[str, Any]]] = {
    "3.3 online": (
        bodies.status(SOURCE, online=True, at=NOW, last=NOW, ip="198.51.100.7", reason=400),
        {
            **NAMES,
            "status": "online",
            "time": "2024-03-01 18:00:01.500",
            "utcTime": "2024-03-01T10:00:01.500Z",
            "lastTime": "2024-03-01 18:00:01.500",
            "utcLastTime": "2024-03-01T10:00:01.500Z",
            "clientIp": "198.51.100.7",
        },
    ),
    "3.3 offline": (
        bodies.status(SOURCE, online=False, at=NOW, last=NOW - 1380, ip="198.51.100.7", reason=427, local=UTC),
        {
            **NAMES,
            "status": "offline",
            "offlineReasonCode": 427,
            "time": "2024-03-01 10:00:01.500",
            "utcTime": "2024-03-01T10:00:01.500Z",
            "lastTime": "2024-03-01 10:00:00.120",
            "utcLastTime": "2024-03-01T10:00:00.120Z",
            "clientIp": "198.51.100.7",
        },
    ),
    "3.4 properties": (
        bodies.properties(
            SOURCE,
            b'"123"',
            NOW,
            [("Power", 1, b"1"), ("Position", 2, b'{"latitude":1.50}'), ("Battery:Volt", 3, b'"\xc3\xa9"')],
            bodies.failed_properties([("Level", 4, b'"high"', 6306, 'not "int"')]),
        ),
        {
            **COMMON,
            "items": {
                "Power": {"value": 1, "time": 1},
                "Position": {"value": {"latitude": 1.5}, "time": 2},
                "Battery:Volt": {"value": "é", "time": 3},
            },
            "checkFailedData": {"Level": {"value": "high", "time": 4, "code": 6306, "message": 'not "int"'}},
        },
    ),
    "3.2 a number as id, nothing failed": (
        bodies.properties(SOURCE, b"123", NOW, []),
        {**COMMON, "items": {}, "checkFailedData": {}},
    ),
    "3.2 no id": (
        bodies.properties(SOURCE, b'"null"', NOW, []),
        {**COMMON, "requestId": "null", "items": {}, "checkFailedData": {}},
    ),
    "3.5 event": (
        bodies.event(SOURCE, b'"123"', NOW, "hot", "Too hot", "alert", b'{"t":99}', 5),
        {
            **COMMON,
            "identifier": "hot",
            "name": "Too hot",
            "type": "alert",
            "value": {"t": 99},
            "time": 5,
            "checkFailedData": {},
        },
    ),
    "3.5 event that failed": (
        bodies.event(
            SOURCE,
            b'"123"',
            NOW,
            "hot",
            "Too hot",
            "alert",
            b"{}",
            5,
            bodies.failed_value(b'{"t":"x"}', 6306, "no int"),
        ),
        {
            **COMMON,
            "identifier": "hot",
            "name": "Too hot",
            "type": "alert",
            "value": {},
            "time": 5,
            "checkFailedData": {"value": {"t": "x"}, "code": 6306, "message": "no int"},
        },
    ),
    "3.6 batch": (
        bodies.batch(SOURCE, b'"123"', NOW, {"Power": [(1, b"0"), (2, b"1")], "hot": [(3, b'{"t":1}')]}),
        {
            **COMMON,
            "payload": {
                "Power": [{"time": 1, "value": 0}, {"time": 2, "value": 1}],
                "hot": [{"time": 3, "value": {"t": 1}}],
            },
            "checkFailedData": {},
        },
    ),
    "3.7 reply": (
        bodies.reply(SOURCE, NOW, 1234, 200, "success", "/sys/a1pk/dev1/thing/service/property/set", b'{"x":1}'),
        {
            **NAMES,
            "gmtCreate": NOW,
            "requestId": 1234,
            "code": 200,
            "message": "success",
            "topic": "/sys/a1pk/dev1/thing/service/property/set",
            "data": {"x": 1},
            "checkFailedData": {},
        },
    ),
    "3.8 created": (
        bodies.lifecycle(SOURCE, "create", NOW, "secret"),
        {**NAMES, "action": "create", "deviceSecret": "secret", "messageCreateTime": NOW},
    ),
    "3.8 deleted": (
        bodies.lifecycle(SOURCE, "delete", NOW, "secret"),
        {**NAMES, "action": "delete", "messageCreateTime": NOW},
    ),
    "3.8 topology": (
        bodies.topology(SOURCE, "create", [("s1", "a1sub", "meter")], NOW),
        {**GATEWAY, "action": "create", "devices": [SUB], "messageCreateTime": NOW},
    ),
    "3.8 found": (bodies.found(SOURCE, [("s1", "a1sub", "meter")]), {**GATEWAY, "devices": [SUB]}),
    "3.9 status": (
        bodies.ota_status(SOURCE, "SUCCEEDED", NOW, "1.0", "1.1", "done", "job", "task", "default"),
        {
            **NAMES,
            "status": "SUCCEEDED",
            "messageCreateTime": NOW,
            "srcVersion": "1.0",
            "destVersion": "1.1",
            "desc": "done",
            "jobId": "job",
            "taskId": "task",
            "moduleName": "default",
        },
    ),
    "3.9 version": (
        bodies.ota_version(SOURCE, "mcu", "2", NOW),
        {**NAMES, "moduleName": "mcu", "moduleVersion": "2", "messageCreateTime": NOW},
    ),
    "3.9 job": (
        bodies.ota_job("a1pk", "mcu", "package", "job", "IN_PROGRESS", NOW),
        {
            "productKey": "a1pk",
            "moduleName": "mcu",
            "packageId": "package",
            "jobId": "job",
            "status": "IN_PROGRESS",
            "messageCreateTime": NOW,
        },
    ),
    "3.10 tags": (
        bodies.tags(SOURCE, {"floor": "3", "gone": None}, NOW),
        {
            **NAMES,
            "value": [{"attrKey": "floor", "attrValue": "3"}, {"attrKey": "gone", "attrValue": ""}],
            "messageCreateTime": NOW,
        },
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_body(name: str) -> None:
    body, expected = CASES[name]
    assert msgspec.json.decode(body) == expected


def test_values_keep_the_text_that_the_device_sent() -> None:
    assert b'{"value":1.50,"time":2}' in bodies.properties(SOURCE, b'"1"', NOW, [("x", 2, b"1.50")])
