"""Generated thing models and values: what the validator accepts, storage and queries return unchanged."""

import json
from collections.abc import Callable
from typing import Any

import hypothesis
import msgspec
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from tests.common.forwarding import AllTo
from tests.desired.world import Desired
from tests.telemetry.world import World
from tests.things.model.strategies import blocks, models, values
from thingplane.devices.service import Device
from thingplane.forwarding.service import Kind
from thingplane.products.service import NewProduct
from thingplane.things.model.checks import CheckLevel
from thingplane.things.model.compiled import CompiledModel
from thingplane.things.model.types import AccessMode, CallType, Parameter, ThingModel

BOUNDED = hypothesis.settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
"""Each example gets a product of its own in one world."""

_finite = st.floats(allow_nan=False, allow_infinity=False)
anything = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | _finite | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
).filter(lambda value: not (isinstance(value, dict) and "value" in value))
"""JSON values of devices that do not care for their model; one with a member ``value`` would be a value/time pair."""
modules = st.tuples(models(), models(blocks))
encoders: st.SearchStrategy[Callable[[Any], bytes]] = st.sampled_from(
    [msgspec.json.encode, lambda value: json.dumps(value).encode()]
)
"""Ways to write JSON: with characters as they are, and escaped."""


def exact(value: Any) -> str:
    """Return a value as text in which nothing is lost."""
    return json.dumps(value)


def same(text: str, value: Any) -> bool:
    """Tell whether an answer shows a value: texts bare, everything else as JSON."""
    return text == value if isinstance(value, str) else exact(json.loads(text)) == exact(value)


def parameters(of: tuple[Parameter, ...]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({parameter.identifier: values(parameter.type) for parameter in of})


class Bench:
    """A device of a product with generated modules."""

    def __init__(self, world: World, device: Device, compiled: CompiledModel) -> None:
        self.world = world
        self.device = device
        self.compiled = compiled

    async def call(self, action: str, **parameters: Any) -> dict[str, Any]:
        answer = await self.world.call(action, IotId=self.device.iot_id, **parameters)
        assert answer["Success"], answer
        return answer

    async def found(self, action: str, identifier: str) -> list[dict[str, Any]]:
        """Read all that a query over a range of time finds."""
        span = {"StartTime": 0, "EndTime": self.world.clock.now_ms(), "Asc": 1, "PageSize": 50}
        answer = await self.call(action, Identifier=identifier, **span)
        return [*next(iter(answer["Data"]["List"].values()))]

    async def status(self) -> dict[str, str]:
        """Return the last values of all modules."""
        shown: dict[str, str] = {}
        for module in self.compiled.modules:
            block = {} if module.block is None else {"FunctionBlockId": module.block.id}
            infos = (await self.call("QueryDevicePropertyStatus", **block))["Data"]["List"]["PropertyStatusInfo"]
            shown |= {info["Identifier"]: info["Value"] for info in infos if "Value" in info}
        return shown


async def bench_of(world: World, of: tuple[ThingModel, ...], level: CheckLevel = CheckLevel.STRONG) -> Bench:
    world.clock.advance(1)
    name = f"product_{world.clock.now_ms()}"
    new = NewProduct(name=name, node_type=0, senior=True, data_format=1, publish_auto=False, validate_type=level)
    product = await world.products.create(1, new)
    await world.publish(product, *of)
    return Bench(world, await world.devices.register(product, "any"), CompiledModel(of, level))


@given(of=modules, level=st.sampled_from(CheckLevel), encode=encoders, data=st.data())
@BOUNDED
async def test_reports_of_properties(
    world: World, of: tuple[ThingModel, ...], level: CheckLevel, encode: Callable[[Any], bytes], data: st.DataObject
) -> None:
    bench = await bench_of(world, of, level)
    definitions = bench.compiled.definitions
    post = {name: data.draw(values(prop.type) | anything) for name, prop in definitions.items()}
    post |= data.draw(st.dictionaries(st.text("xyz", min_size=51, max_size=52), anything, max_size=2))
    if not world.forwarder.has_subscribers:
        world.forwarder.add_router(AllTo([await world.forwarder.enroll("group", "1")]))
    member = await world.forwarder.enroll("group", "1")
    reply = await world.post(encode(post), bench.device)
    failures = bench.compiled.properties.check_post(post, world.clock.now_ms()) or {}
    assert (reply["code"], reply["data"].keys()) == (200, failures.keys())

    accepted = {name: value for name, value in post.items() if name not in failures}
    stored = {} if level is CheckLevel.NONE else accepted
    status = await bench.status()
    assert status.keys() == stored.keys()
    assert all(same(text, stored[name]) for name, text in status.items())
    for name in definitions:
        texts = [info["Value"] for info in await bench.found("QueryDevicePropertyData", name)]
        assert len(texts) == (name in stored)
        assert all(same(text, stored[name]) for text in texts)
    whole = await bench.call("QueryDeviceOriginalPropertyStatus", Asc=1, PageSize=50)
    originals = {info["Identifier"]: info["Value"] for info in whole["Data"]["List"]["PropertyStatusDataInfo"]}
    assert originals.keys() == post.keys()
    assert all(same(text, post[name]) for name, text in originals.items())

    forwarded = await world.forwarder.read(member, -1, 100)
    world.forwarder.acknowledge(member, [message.position for message in forwarded])
    failed = {name: post[name] for name in failures} if level is CheckLevel.WEAK else {}
    assert [message.kind for message in forwarded] == ([Kind.PROPERTY] if accepted or failed else [])
    for message in forwarded:
        body = json.loads(message.body)
        assert exact({name: item["value"] for name, item in body["items"].items()}) == exact(accepted)
        assert exact({name: item["value"] for name, item in body["checkFailedData"].items()}) == exact(failed)


@given(of=modules, encode=encoders, data=st.data())
@BOUNDED
async def test_events(
    world: World, of: tuple[ThingModel, ...], encode: Callable[[Any], bytes], data: st.DataObject
) -> None:
    bench = await bench_of(world, of)
    for module in of:
        for event in module.events:
            name, output = module.qualified(event.identifier), data.draw(parameters(event.output))
            reply = await world.post(encode({"value": output}), bench.device, name)
            assert (reply["code"], reply["data"]) == (200, {})
            for query in ("QueryDeviceEventData", "QueryDeviceOriginalEventData"):
                [found] = await bench.found(query, name)
                assert (found["Name"], found["EventType"]) == (event.name, event.type.value)
                assert exact(json.loads(found["OutputData"])) == exact(output)


@given(of=modules, encode=encoders, data=st.data())
@BOUNDED
async def test_calls_of_services(
    world: World, of: tuple[ThingModel, ...], encode: Callable[[Any], bytes], data: st.DataObject
) -> None:
    bench = await bench_of(world, of)
    world.connect(bench.device)
    for module in of:
        for service in module.services:
            name = module.qualified(service.identifier)
            given, output = data.draw(parameters(service.input)), data.draw(parameters(service.output))
            if service.call_type is CallType.SYNC:
                world.downlink.answers.append(encode({"id": "1", "code": 200, "data": output}))
            called = await bench.call("InvokeThingService", Identifier=name, Args=encode(given).decode())
            request = json.loads(world.downlink.sent[-1].payload)
            assert exact(request["params"]) == exact(given)
            if service.call_type is CallType.SYNC:
                assert exact(json.loads(called["Data"]["Result"])["data"]) == exact(output)
            else:
                reply = encode({"id": request["id"], "code": 200, "data": output})
                await world.uplink(f"thing/service/{name}_reply", reply, bench.device)
            for query in ("QueryDeviceServiceData", "QueryDeviceOriginalServiceData"):
                [found] = await bench.found(query, name)
                assert exact(json.loads(found["InputData"])) == exact(given)
                assert exact(json.loads(found["OutputData"])["data"]) == exact(output)


@given(of=modules, encode=encoders, data=st.data())
@BOUNDED
async def test_settings_and_desired_values(
    desired: Desired, of: tuple[ThingModel, ...], encode: Callable[[Any], bytes], data: st.DataObject
) -> None:
    world = desired.world
    bench = await bench_of(world, of)
    writable = {name: prop for name, prop in bench.compiled.definitions.items() if prop.access is not AccessMode.READ}
    items = {name: data.draw(values(writable[name].type)) for name in list(writable)[:10]}
    if not items:
        return
    world.connect(bench.device)
    for action, more in (("SetDeviceProperty", {}), ("SetDeviceDesiredProperty", {"Versions": "{}"})):
        await bench.call(action, Items=encode(items).decode(), **more)
        assert exact(json.loads(world.downlink.sent[-1].payload)["params"]) == exact(items)
    for module in of:
        names = [name for prop in module.properties if (name := module.qualified(prop.identifier)) in items]
        block = {} if module.block is None else {"FunctionBlockId": module.block.id}
        infos = (await bench.call("QueryDeviceDesiredProperty", **block))["Data"]["List"]["DesiredPropertyInfo"]
        shown = {info["Identifier"]: info["Value"] for info in infos if "Value" in info}
        assert list(shown) == names
        assert all(same(text, items[name]) for name, text in shown.items())
    uplink = await world.uplink("thing/property/desired/get", b'{"id":"7","params":[]}', bench.device)
    told = json.loads(uplink.replies[0][1])["data"]
    assert exact({name: told[name]["value"] for name in items}) == exact(items)
