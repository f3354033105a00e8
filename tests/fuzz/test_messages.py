"""Whatever a device publishes, nothing raises, nothing grows, and nobody else hears of it: on a whole platform."""

import asyncio
import copy
import json
import re
from collections.abc import Iterator
from typing import Any, Final

import pytest
import uvloop
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.common.postgres import create_database
from tests.fuzz.mutation import changed, lines
from thingplane.devices.service import Device
from thingplane.gateway.entrance import Outcome
from thingplane.node import Node
from thingplane.products.service import NewProduct
from thingplane.settings import load_settings
from thingplane.wiring import Platform

PORTS: Final = ("api", "api_tls", "mqtt", "mqtt_ws", "amqp", "stomp", "coap", "coaps")
NAMES: Final = ("device", "gateway", "raw-device")
ODD: Final[tuple[Any, ...]] = ("\0", 2**70, [], {"\0": "\0"})
MAX_REPLY: Final = 300_000
"""Bytes of a reply: a whole thing model is the longest."""

_ESCAPE: Final = re.compile(rb"\\x([0-9a-f]{2})")


def cases() -> list[tuple[str, bytes]]:
    """Return topics with payloads; the names of the device are still to be filled in."""
    found = []
    for line in lines("alink.txt"):
        topic, _, payload = line.partition("\t")
        found.append((topic, _ESCAPE.sub(lambda match: bytes([int(match[1], 16)]), payload.encode())))
    return found


CASES: Final = cases()
PAYLOADS: Final = [payload for _, payload in CASES]


class Fleet:
    """A platform with a device, a gateway, and a device with a format of its own."""

    def __init__(self, runner: asyncio.Runner, node: Node) -> None:
        assert node.platform is not None
        self.platform: Platform = node.platform
        self.devices: dict[str, Device] = {}
        self._runner = runner

    async def start(self) -> None:
        products, devices = self.platform.products, self.platform.devices
        for name, node_type, data_format in zip(NAMES, (0, 1, 0), (1, 1, 0), strict=True):
            new = NewProduct(
                name=f"Fuzzed_{node_type}{data_format}", node_type=node_type, data_format=data_format, senior=True
            )
            self.devices[name] = await devices.register(await products.create(1, new), name)

    def publish(self, name: str, topic: str, payload: bytes) -> Outcome:
        """Publish as a device by the entrance that all transports share."""
        device = self.devices[name]
        own = {"{pk}": device.product_key, "{dn}": device.name}
        for placeholder, text in own.items():
            topic = topic.replace(placeholder, text)
            payload = payload.replace(placeholder.encode(), text.encode())
        return self._runner.run(self.platform.gateway.entrance.publish(device, topic, payload))

    def check(self, name: str, outcome: Outcome, sent: int) -> None:
        """Check that nothing failed, and that only the device itself is answered, briefly and in JSON."""
        device = self.devices[name]
        assert self.platform.gateway.reading().get("mqtt_dropped_total:handler failed", 0) == 0
        assert len(outcome.replies) <= 2
        for topic, payload in outcome.replies:
            assert f"/{device.product_key}/{device.name}" in topic
            assert len(payload) <= max(MAX_REPLY, 2 * sent)
            if not topic.endswith(("file/download_reply", "up_raw_reply")) and not topic.startswith("/ext/rrpc/"):
                # Ids are repeated as they came: numbers may be too large for stricter decoders.
                assert isinstance(json.loads(payload), dict)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def fleet(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    given: dict[str, object] = {f"{name}_port": 0 for name in PORTS}
    if request.param == "postgresql":
        # It refuses texts that SQLite takes.
        given["database_url"] = create_database(request.getfixturevalue("postgres_server_url"), "fuzz")
    node = Node(load_settings({"data_dir": tmp_path_factory.mktemp("node"), **given}, {}), lambda: None)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(node.start())
        try:
            made = Fleet(runner, node)
            runner.run(made.start())
            yield made
        finally:
            runner.run(node.stop())


def test_every_handler_has_a_case(fleet: Fleet) -> None:
    table = fleet.platform.gateway._uplinks._table
    covered = set()
    for topic, _ in CASES:
        suffix = topic.removeprefix("/sys/{pk}/{dn}/").replace("/{pk}/{dn}", "")
        route = table.find(suffix)
        if route is not None:
            covered.add(route.handler)
    missing = [pattern for pattern, route in table.exact.items() if route.handler not in covered]
    # Of a handler that two patterns share one is enough.
    assert missing == [], "add a request of each to corpus/alink.txt"


@pytest.mark.parametrize("name", NAMES)
def test_the_corpus_as_it_is(fleet: Fleet, name: str) -> None:
    for topic, payload in CASES:
        fleet.check(name, fleet.publish(name, topic, payload), len(payload))


def test_every_member_of_every_request_as_something_else(fleet: Fleet) -> None:
    for topic, payload in CASES:
        try:
            request = json.loads(payload)
        except ValueError:
            continue
        for path in paths(request):
            for value in ODD:
                changed_payload = json.dumps(replaced(request, path, value)).encode()
                fleet.check("gateway", fleet.publish("gateway", topic, changed_payload), len(changed_payload))


def paths(value: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Give the places of everything inside JSON, from the outside in."""
    yield path
    if isinstance(value, dict):
        for name, item in value.items():
            yield from paths(item, (*path, name))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from paths(item, (*path, index))


def replaced(value: Any, path: tuple[str | int, ...], new: object) -> Any:
    """Return JSON with something else at a place."""
    if not path:
        return new
    value = copy.copy(value)
    value[path[0]] = replaced(value[path[0]], path[1:], new)
    return value


@settings(max_examples=250, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.sampled_from(NAMES), st.sampled_from(CASES), st.data())
def test_changed_payloads(fleet: Fleet, name: str, case: tuple[str, bytes], data: st.DataObject) -> None:
    topic, seed = case
    # Mostly a payload of this topic; sometimes that of another.
    payload = data.draw(st.one_of(changed([seed]), changed([seed]), changed(PAYLOADS), st.binary(max_size=64)))
    fleet.check(name, fleet.publish(name, topic, payload), len(payload))


@settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(NAMES), changed([topic.encode() for topic, _ in CASES], changes=2), st.sampled_from(PAYLOADS))
@example("device", b"/sys/{pk}/{dn}/thing/event/" + b"x" * 900 + b"/post", b"{}")
@example("device", b"/sys/{pk}/{dn}//thing/event/property/post", b"{}")
def test_changed_topics(fleet: Fleet, name: str, topic: bytes, payload: bytes) -> None:
    outcome = fleet.publish(name, topic.decode("utf-8", "replace"), payload)
    fleet.check(name, outcome, len(payload) + len(topic))


def test_nothing_is_left_behind(fleet: Fleet) -> None:
    uplinks = fleet.platform.gateway._uplinks
    assert not uplinks._tasks
    assert len(uplinks._table._cached) <= 4096
