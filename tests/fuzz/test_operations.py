"""Whatever a parameter of a call says, the answer is a documented one: on a platform that has one of everything."""

import copy
import json
import zlib
from collections.abc import Iterator
from typing import Any, Final

import pytest

from tests.common.postgres import create_database
from tests.fuzz.mutation import lines
from tests.fuzz.test_messages import ODD, paths, replaced
from tests.isolation.arguments import variants
from tests.isolation.platform import RunningPlatform, running_platform
from tests.isolation.things import MODEL, Populating, Things
from thingplane.cloud.client import CallError
from thingplane.cloud.registry import OPERATIONS, discover
from thingplane.instances.service import DEFAULT_INSTANCE

discover("thingplane")
NAMES: Final = sorted(OPERATIONS, key=lambda name: (name.startswith(("Delete", "Remove", "Cancel")), name))
LONG: Final = ("[" * 3000, '{"a":' * 1500, "x" * 5000)
VALUES: Final = (*map(json.loads, lines("values.txt")), *LONG)
CALLS: Final = [
    (action, name, json.loads(value)) for action, name, value in (line.split("\t") for line in lines("calls.txt"))
]
SHARE: Final = 8
"""One of so many values is tried with each parameter: others with others, the same in every run."""


class Platform:
    """A platform with things, and calls that must not fail."""

    def __init__(self, running: RunningPlatform) -> None:
        self.running = running
        self.things: Things = running.run(Populating(running, DEFAULT_INSTANCE.instance_id, "fuzzed").things())

    async def check(self, action: str, parameters: dict[str, Any]) -> None:
        """Call, and check that the answer is one of those that are documented."""
        try:
            answer = await self.running.call(action, **parameters)
        except CallError as error:
            answer = {"Code": error.code if error.status < 500 else "iot.system.SystemException"}
        assert answer.get("Code") != "iot.system.SystemException", (action, parameters, answer)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def platform(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    given: dict[str, object] = {}
    if request.param == "postgresql":
        given["database_url"] = create_database(request.getfixturevalue("postgres_server_url"), "fuzz_operations")
    with running_platform(tmp_path_factory.mktemp("operations"), **given) as running:
        yield Platform(running)


def forms(value: str, usual: Any) -> Iterator[Any]:
    """Give a value in the place of the usual one: as it is, as an item of a list, or in each member of an object."""
    if isinstance(usual, list) and usual and isinstance(usual[0], dict):
        for member in usual[0]:
            yield [{**usual[0], member: value}]
    else:
        yield [value] if isinstance(usual, list) else value


def test_calls_that_have_failed(platform: Platform) -> None:
    for action, name, value in CALLS:
        for usual in variants(OPERATIONS[action], platform.things):
            platform.running.run(platform.check(action, {**usual, name: value}))


def test_every_parameter_with_values_that_make_no_sense(platform: Platform) -> None:
    async def check() -> None:
        for action in NAMES:
            operation = OPERATIONS[action]
            [usual, *_] = variants(operation, platform.things)
            for name in operation.request.__struct_fields__:
                first = zlib.crc32(f"{action} {name}".encode()) % SHARE
                for value in VALUES[first::SHARE]:
                    for form in forms(value, usual.get(name)):
                        await platform.check(action, {**usual, name: form})

    platform.running.run(check())


def test_every_member_of_every_document_as_something_else(platform: Platform) -> None:
    """Parameters that are JSON texts themselves."""

    async def check() -> None:
        model = json.dumps(documents()["ThingModelJson"])
        await platform.running.ok("CreateThingModel", ProductKey=platform.things.bare_product, ThingModelJson=model)
        found = await platform.running.ok("GetThingModelTsl", ProductKey=platform.things.bare_product)
        given = {**documents(), "TslStr": json.loads(found["Data"]["TslStr"])}
        for action in NAMES:
            for usual in variants(OPERATIONS[action], platform.things)[:1]:
                for name, text in usual.items():
                    document = given.get(name) or parsed(text)
                    for path in paths(document) if isinstance(document, dict | list) else ():
                        odd = ODD[zlib.crc32(f"{action} {path}".encode()) % len(ODD)]
                        changed = json.dumps(replaced(copy.deepcopy(document), path, odd))
                        await platform.check(action, {**usual, name: changed})

    platform.running.run(check())


def parsed(text: Any) -> Any:
    """Return the value of a JSON text, None for anything else."""
    try:
        return json.loads(text) if isinstance(text, str) else None
    except ValueError:
        return None


def documents() -> dict[str, Any]:
    """Return documents of every kind of value."""
    whole = copy.deepcopy(MODEL)
    specs: list[dict[str, Any]] = [
        {"dataType": "TEXT", "dataSpecs": {"dataType": "TEXT", "length": 64}},
        {"dataType": "DATE", "dataSpecs": {"dataType": "DATE"}},
        {
            "dataType": "DOUBLE",
            "dataSpecs": {"dataType": "DOUBLE", "min": "-1", "max": "1", "step": "0.1", "unit": "m"},
        },
        {"dataType": "ENUM", "dataSpecsList": [{"dataType": "ENUM", "name": "a", "value": 1}]},
        {
            "dataType": "BOOL",
            "dataSpecsList": [
                {"dataType": "BOOL", "name": text, "value": bit} for bit, text in enumerate(("off", "on"))
            ],
        },
        {
            "dataType": "ARRAY",
            "dataSpecs": {
                "dataType": "ARRAY",
                "size": 5,
                "childDataType": "INT",
                "dataSpecs": {"dataType": "INT", "min": "0", "max": "9", "step": "1"},
            },
        },
        {
            "dataType": "STRUCT",
            "dataSpecsList": [
                {
                    "dataType": "STRUCT",
                    "identifier": "inner",
                    "name": "inner",
                    "childDataType": "TEXT",
                    "dataSpecs": {"dataType": "TEXT", "length": 8},
                }
            ],
        },
    ]
    for number, spec in enumerate(specs):
        head = {"identifier": f"p{number}", "name": f"p{number}", "required": False, "rwFlag": "READ_ONLY"}
        whole["properties"].append({**head, **spec})
    return {"ThingModelJson": whole}
