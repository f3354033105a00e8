"""Every operation of the fleet, its thing models, updates and distribution: by the official SDK, and in XML."""

import asyncio
import http.client
from typing import Any, Final
from xml.etree import ElementTree as ET

import pytest
from alibabacloud_iot20180120 import models
from alibabacloud_iot20180120.client import Client

from tests.common.node import NodeProcess
from tests.e2e.operations.calls import checked_client
from tests.e2e.operations.distribution import DistributionScenario
from tests.e2e.operations.scenario import Answer, Scenario
from tests.e2e.operations.things import ThingScenario
from tests.e2e.operations.updates import UpdateScenario
from thingplane.clock import SystemClock
from thingplane.cloud.client import Signer
from thingplane.cloud.contract import CONTRACT


def operations(*groups: str) -> frozenset[str]:
    return frozenset(name for name, contract in CONTRACT.items() if contract.group in groups)


FLEET: Final = operations("products", "devices", "device-groups", "topics")
THINGS: Final = operations("tsl-models", "tsl-use", "device-shadows")
UPDATES: Final = operations("ota")
DISTRIBUTION: Final = operations("device-distribution")
SCENARIOS: Final = pytest.mark.parametrize(
    ("scenario_of", "expected"),
    [
        pytest.param(Scenario, FLEET, id="fleet"),
        pytest.param(ThingScenario, THINGS, id="things"),
        pytest.param(UpdateScenario, UPDATES, id="updates"),
        pytest.param(DistributionScenario, DISTRIBUTION, id="distribution"),
    ],
)
METHODS: Final = {
    name.replace("_", ""): name for name in vars(Client) if not name.endswith(("_async", "_with_options"))
}
"""Methods of the SDK by their names without underscores, which it does not place by a rule."""


class Parsed:
    """What the SDK has parsed, under the names of the wire."""

    def __init__(self, body: dict[str, Any]) -> None:
        self._body = body

    def text(self, path: str) -> str:
        value: Any = self._body
        for name in path.split("/"):
            value = value[name]
            if isinstance(value, list):
                value = value[0]  # as the path of an XML document means it
        return str(value)


class Xml:
    """An answer in XML."""

    def __init__(self, root: ET.Element) -> None:
        self._root = root

    def text(self, path: str) -> str:
        text = self._root.findtext(path)
        assert text is not None, path
        return text


def test_these_are_all_operations() -> None:
    assert (len(FLEET), len(THINGS), len(UPDATES), len(DISTRIBUTION)) == (70, 35, 23, 8)


@SCENARIOS
async def test_the_sdk_calls_every_operation_and_its_json_is_as_documented(
    node: NodeProcess, scenario_of: type[Scenario], expected: frozenset[str]
) -> None:
    checked: set[str] = set()
    cloud = checked_client(node, checked)

    def call_sdk(action: str, parameters: dict[str, Any]) -> Answer:
        request = getattr(models, f"{action}Request")().from_map(parameters)
        return Parsed(getattr(cloud, METHODS[action.lower()])(request).body.to_map())

    async def call(action: str, parameters: dict[str, Any]) -> Answer:
        return await asyncio.to_thread(call_sdk, action, parameters)

    scenario = scenario_of(node, call)
    await scenario.run()
    assert scenario.called == expected
    assert checked >= expected


@SCENARIOS
async def test_every_operation_answers_in_xml(
    node: NodeProcess, scenario_of: type[Scenario], expected: frozenset[str]
) -> None:
    host, port = node.address("api")
    signer = Signer(*node.credentials, scheme="acs3", host=f"{host}:{port}", clock=SystemClock())
    connection = http.client.HTTPConnection(host, port, timeout=30)

    def call_xml(action: str, parameters: dict[str, Any]) -> Answer:
        # Signing in the query would send a Format of its own.
        request = signer.sign(action, {**parameters, "Format": "XML"})
        connection.request(request.method, request.target, request.body, request.headers)
        response = connection.getresponse()
        body = response.read()
        assert response.status == 200, body
        assert response.headers.get_content_type() in ("text/xml", "application/xml")
        root = ET.fromstring(body)
        assert root.tag == f"{action}Response"
        return Xml(root)

    async def call(action: str, parameters: dict[str, Any]) -> Answer:
        return await asyncio.to_thread(call_xml, action, parameters)

    scenario = scenario_of(node, call)
    try:
        await scenario.run()
    finally:
        connection.close()
    assert scenario.called == expected
