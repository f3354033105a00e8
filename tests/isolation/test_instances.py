"""No call about an instance reads or changes anything of another one: for every operation that is registered.

An id of another instance must look exactly like one that belongs to nothing.
"""

import json
from collections.abc import Iterator
from typing import Any, Final

import pytest

from tests.isolation.arguments import THIRD, variants
from tests.isolation.platform import RunningPlatform, running_platform
from tests.isolation.things import Populating, Things, nothing_like
from thingplane.cloud.registry import OPERATIONS, Operation, discover
from thingplane.instances.service import DEFAULT_INSTANCE

discover("thingplane")
NAMES: Final = sorted(OPERATIONS)
READING: Final = ("Query", "List", "Get", "BatchGet", "BatchQuery")
SECRETS: Final = set(Things.__struct_fields__) - {"module", "tag", "rule", "action", "apply", "topic_id"}
"""What no answer about another instance may hold; numbers could be part of other numbers."""
OTHER: Final = "iot-other"
MOVING: Final = {"ota_leases"}
"""Tables that change by themselves."""


class Two:
    """Two instances with the same things in them, and names of things that are nowhere."""

    def __init__(self, running: RunningPlatform) -> None:
        self.running = running
        self.things: dict[str, Things] = {}

    async def populate(self) -> None:
        directory: Any = self.running.platform.app._instances
        await directory.create(OTHER)
        await directory.create(THIRD)
        for instance_id, mark in ((DEFAULT_INSTANCE.instance_id, "mine"), (OTHER, "theirs")):
            self.things[instance_id] = await Populating(self.running, instance_id, mark).things()


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Two]:
    with running_platform(tmp_path_factory.mktemp("isolation")) as running:
        made = Two(running)
        running.run(made.populate())
        yield made


def attempts(operation: Operation, own: Things, foreign: Things) -> Iterator[dict[str, Any]]:
    """Give the parameters of calls that name something foreign: one thing at a time, and everything."""
    seen: list[dict[str, Any]] = []
    for mine, theirs in zip(variants(operation, own), variants(operation, foreign), strict=True):
        naming = [name for name in mine if mine[name] != theirs[name]]
        for given in [*({**mine, name: theirs[name]} for name in naming), theirs]:
            if naming and given not in seen:
                seen.append(given)
                yield given


def comparable(answer: dict[str, Any], things: Things) -> dict[str, Any]:
    """Return an answer without what belongs to the call itself, and with names instead of ids."""
    text = json.dumps(
        {name: value for name, value in answer.items() if name not in {"RequestId", "ErrorMessage", "MessageId"}}
    )
    for name in things.__struct_fields__:
        value = getattr(things, name)
        if isinstance(value, str) and not value.isdecimal():
            text = text.replace(value, name)
    found: dict[str, Any] = json.loads(text)
    return found


def leaked(answer: dict[str, Any], foreign: Things, given: dict[str, Any]) -> list[str]:
    """Return what an answer says of foreign things beyond what the call itself said."""
    text, said = json.dumps(answer), json.dumps(given)
    return [name for name in SECRETS if str(getattr(foreign, name)) in text and str(getattr(foreign, name)) not in said]


@pytest.mark.parametrize("caller", [DEFAULT_INSTANCE.instance_id, OTHER])
def test_ids_of_another_instance_are_ids_of_nothing(two: Two, caller: str) -> None:
    [own] = [things for name, things in two.things.items() if name == caller]
    [foreign] = [things for name, things in two.things.items() if name != caller]
    nothing = nothing_like(foreign)

    async def check() -> list[str]:
        wrong: list[str] = []
        for name in NAMES:
            operation = OPERATIONS[name]
            pairs = zip(attempts(operation, own, foreign), attempts(operation, own, nothing), strict=True)
            for given, unknown in pairs:
                answer = await two.running.call(name, IotInstanceId=caller, **given)
                expected = await two.running.call(name, IotInstanceId=caller, **unknown)
                if comparable(answer, foreign) != comparable(expected, nothing):
                    wrong.append(f"{name}({given}): {answer} instead of {expected}")
                if leaked(answer, foreign, given):
                    wrong.append(f"{name}({given}) tells of {leaked(answer, foreign, given)}")
        return wrong

    before = two.running.run(two.running.rows())
    wrong = two.running.run(check())
    assert not wrong, "\n".join(wrong)
    after = two.running.run(two.running.rows())
    changed = {
        table: (before[table] - rows, rows - before[table]) for table, rows in after.items() if table not in MOVING
    }
    assert {table: rows for table, rows in changed.items() if any(rows)} == {}


def test_lists_show_nothing_of_another_instance(two: Two) -> None:
    own, foreign = two.things[DEFAULT_INSTANCE.instance_id], two.things[OTHER]

    async def check() -> None:
        for name in NAMES:
            if name.startswith(READING):
                for given in variants(OPERATIONS[name], own):
                    answer = await two.running.call(name, **given)
                    assert leaked(answer, foreign, given) == [], name

    two.running.run(check())


EXPECTED: Final = {
    "CancelOTATaskByDevice": "iot.firmware.DeviceUpgradeRecordNotFound",
    "ConfirmOTATask": "iot.ota.ConfirmNotAllowedNow",
    "CreateOTAStaticUpgradeJob": "iot.firmware.NonVersionedDeviceInArray",
    "CreateOTAVerifyJob": "iot.firmware.VerifyFirmwareNoNeed",
    "DeleteClientIds": "iot.device.NotExistedDevice",
    "DeleteConsumerGroup": "iot.consumer.group.DeleteConsumerGroupFailed",
    "DeleteConsumerGroupSubscribeRelation": "iot.consumer.group.SubscribeNotExist",
    "DeleteDeviceDistributeJob": "iot.provisioning.TaskNotExist",
    "DeleteOTAFirmware": "iot.firmware.DeleteFirmwareFailure",
    "DeleteProduct": "iot.prod.UpdateProductFailed",
    "InvokeThingService": "iot.messagebroker.OFFLINE",
    "NotifyAddThingTopo": "iot.messagebroker.OFFLINE",
    # Distribution tasks are between instances: they are of the account.
    "QueryDeviceDistributeDetail": "iot.provisioning.TaskNotExist",
    "QueryDeviceDistributeJob": "iot.provisioning.TaskNotExist",
    "RRpc": "iot.messagebroker.OFFLINE",
    "ReupgradeOTATask": "iot.ota.InvalidTaskExist",
    "SetDeviceProperty": "iot.device.InactiveDevice",
    "SubscribeTopic": "iot.device.InactiveDevice",
    "TransformClientId": "iot.common.InvalidFormattedParameter",
}
"""What calls about the caller's own things answer other than success."""


LATE: Final = ("Release", "CancelRelease", "Cancel", "Remove", "DeleteThing", "Delete", "Import")


def lateness(name: str) -> tuple[int, list[int]]:
    """Sort operations so that what is needed is still there; parts go before what they are parts of."""
    late = [place for place, start in enumerate(LATE, 1) if name.startswith(start)]
    return min(late, default=0), [-ord(letter) for letter in name] + [0] if late else [ord(letter) for letter in name]


def test_the_same_calls_about_own_things_succeed(two: Two) -> None:
    """Or else the refusals above would say nothing."""
    own = two.things[DEFAULT_INSTANCE.instance_id]

    async def check() -> dict[str, str]:
        refused: dict[str, str] = {}
        for name in sorted(NAMES, key=lateness):
            for given in variants(OPERATIONS[name], own)[:1]:
                answer = await two.running.call(name, **given)
                if not answer["Success"]:
                    refused[name] = f"{answer['Code']}: {answer['ErrorMessage']} {given}"
        return refused

    refused = two.running.run(check())
    assert {name: text.partition(":")[0] for name, text in refused.items()} == EXPECTED, "\n".join(
        f"{name} {text}" for name, text in refused.items()
    )
