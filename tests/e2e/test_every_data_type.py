"""Values of every data type on their way through the official SDKs, from devices to back ends and the other way."""

import json
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from alibabacloud_iot20180120 import models
from alibabacloud_iot20180120.client import Client

from tests.common.cli import run_on
from tests.common.node import NodeProcess
from tests.e2e import every_type
from tests.e2e.device import LinkkitDevice
from tests.e2e.every_type import ROUNDS, SIMPLE, TYPES, WORDS
from tests.e2e.fleet import register_device, write_tsl
from tests.e2e.operations.calls import checked_client, new_product, ok
from tests.e2e.test_main_job import HOUR_MS, eventually

NAMES = list(TYPES)
EXTREMES = list(ROUNDS.values())


class Bench:
    """A device of a product that is checked fully, and what a back end does with it."""

    def __init__(self, node: NodeProcess, cloud: Client, product_key: str, folder: Path) -> None:
        self.cloud = cloud
        self.identity = register_device(cloud, product_key, "every-type")
        self.tsl_file = write_tsl(cloud, product_key, folder / "tsl.json")
        self.address = node.address("mqtt")
        self.names = {"product_key": product_key, "device_name": "every-type"}
        self.topics = f"/sys/{product_key}/every-type/thing"

    @contextmanager
    def device(self) -> Iterator[LinkkitDevice]:
        answers = {"Echo": None, "EchoNow": None}
        with LinkkitDevice(self.address, self.identity, self.tsl_file, answers=answers) as device:
            device.expect("enabled")
            yield device

    def span(self) -> dict[str, Any]:
        now = int(time.time() * 1000)
        return {**self.names, "start_time": now - HOUR_MS, "end_time": now + HOUR_MS, "asc": 1}


@pytest.fixture(scope="module")
def bench(node: NodeProcess, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    cloud = checked_client(node)
    product_key = new_product(cloud)
    for part in every_type.model():
        text = json.dumps({"productKey": product_key, **part})
        ok(cloud.create_thing_model(models.CreateThingModelRequest(product_key=product_key, thing_model_json=text)))
    ok(cloud.publish_thing_model(models.PublishThingModelRequest(product_key=product_key)))
    run_on(node, "product", "check", product_key, "full")

    def level() -> int:
        return int(ok(cloud.query_product(models.QueryProductRequest(product_key=product_key))).data.validate_type)

    eventually(level, 0)
    return Bench(node, cloud, product_key, tmp_path_factory.mktemp("bench"))


def exact(value: Any) -> str:
    """Return a value as text in which nothing is lost: no digit, no sign of zero, no order of members."""
    return json.dumps(value)


def shown(name: str, text: str) -> str:
    """Return in the same form what an answer shows of a property."""
    return exact(text if WORDS[name] in {"text", "date"} else json.loads(text))


def expected(rounds: Iterable[dict[str, Any]], name: str) -> list[str]:
    return [exact(values[name]) for values in rounds]


def test_the_model_itself_comes_back_with_every_type(bench: Bench) -> None:
    request = models.QueryThingModelPublishedRequest(product_key=bench.names["product_key"])
    document = json.loads(ok(bench.cloud.query_thing_model_published(request)).data.thing_model_json)
    assert {prop["identifier"]: prop["dataType"] for prop in document["properties"]} == {
        name: declared["dataType"] for name, declared in TYPES.items()
    }
    by_name = {prop["identifier"]: prop for prop in document["properties"]}
    assert by_name["Float"]["dataSpecs"]["max"] == "3.4028235E38"
    assert by_name["Text"]["dataSpecs"]["length"] == every_type.LONGEST
    assert [member["childDataType"] for member in by_name["Struct"]["dataSpecsList"]] == [
        declared["dataType"] for declared in SIMPLE.values()
    ]


def test_posted_properties_come_back_unchanged(bench: Bench) -> None:
    cloud = bench.cloud
    with bench.device() as device:
        for values in EXTREMES:
            device.do("post", values=values)
            reply = device.expect("post_reply")
            assert (reply["code"], reply["data"]) == (200, {})
            status = ok(cloud.query_device_property_status(models.QueryDevicePropertyStatusRequest(**bench.names)))
            infos = status.data.list.property_status_info
            assert {info.identifier: info.data_type for info in infos} == WORDS
            for info in infos:
                assert shown(info.identifier, info.value) == exact(values[info.identifier]), info.identifier
    for name in NAMES:
        one = models.QueryDevicePropertyDataRequest(**bench.span(), identifier=name, page_size=10)
        found = ok(cloud.query_device_property_data(one)).data.list.property_info
        assert [shown(name, info.value) for info in found] == expected(EXTREMES, name), name
        original = models.QueryDeviceOriginalPropertyDataRequest(**bench.span(), identifier=name, page_size=10)
        found = ok(cloud.query_device_original_property_data(original)).data.list.property_info
        assert [shown(name, info.value) for info in found] == expected(EXTREMES, name), name
    for several in (NAMES[:10], NAMES[10:]):
        request = models.QueryDevicePropertiesDataRequest(**bench.span(), identifier=several, page_size=10)
        infos = ok(cloud.query_device_properties_data(request)).property_data_infos.property_data_info
        assert [info.identifier for info in infos] == several
        for info in infos:
            texts = [shown(info.identifier, item.value) for item in info.list.property_info]
            assert texts == expected(EXTREMES, info.identifier)
    last = models.QueryDeviceOriginalPropertyStatusRequest(**bench.names, asc=1, page_size=50)
    infos = ok(cloud.query_device_original_property_status(last)).data.list.property_status_data_info
    assert {info.identifier: shown(info.identifier, info.value) for info in infos} == {
        name: exact(EXTREMES[-1][name]) for name in NAMES
    }


def test_what_does_not_fit_is_refused_by_the_byte_and_by_the_digit(bench: Bench) -> None:
    wrong: dict[str, list[tuple[Any, int]]] = {
        "Int": [(2147483648, 6306), (-2147483649, 6306), (1.0, 6306), (True, 6306)],
        "Float": [(3.41e38, 6307), (1e39, 6307), ("1", 6307)],
        "Double": [(None, 6322), ([1.5], 6322)],
        "Enum": [(1, 6309), ("0", 6309)],
        "Bool": [(2, 6308), (False, 6308)],
        "Text": [(every_type.LONG_TEXT + "-", 6310), ("\N{THERMOMETER}" * 2561, 6310)],
        "Short": [("温度", 6310), ("abcde", 6310), ("\N{THERMOMETER}a", 6310)],
        "Date": [("9223372036854775808", 6311), (1600000000123, 6311), ("2020-09-13", 6311)],
        "Struct": [({}, 6312), ({"Int": 1}, 6312), ({**every_type.FINEST, "More": 1}, 6304)],
        "Ints": [([0] * 513, 6324), ([0, "0"], 6306), ({}, 6328)],
        "Structs": [([every_type.FINEST, {**every_type.FINEST, "Enum": 5}], 6309)],
    }
    topic = f"{bench.topics}/event/property/post"
    codes = []
    with bench.device() as device:
        for name, cases in wrong.items():
            for value, _ in cases:
                message = {"id": "7", "version": "1.0", "params": {name: value}}
                device.do("publish", topic=topic, payload=json.dumps(message))
                reply = device.expect("post_reply")
                assert reply["code"] == 200
                assert list(reply["data"]) == [name], (name, reply)
        for name, cases in wrong.items():
            for value, code in cases:
                items = json.dumps({name: value})
                answer = bench.cloud.set_device_property(models.SetDevicePropertyRequest(**bench.names, items=items))
                assert answer.body.code == "iot.device.SetDevicePropertyFailed", name
                codes.append((name, f"({code})" in answer.body.error_message))
    assert codes == [(name, True) for name, cases in wrong.items() for _ in cases]


def test_event_outputs_come_back_unchanged(bench: Bench) -> None:
    with bench.device() as device:
        for values in EXTREMES:
            device.do("event", identifier="Told", output=values)
            reply = device.expect("event_reply")
            assert (reply["code"], reply["data"]) == (200, {})
    request = models.QueryDeviceEventDataRequest(**bench.span(), identifier="Told", page_size=10)
    events = ok(bench.cloud.query_device_event_data(request)).data.list.event_info
    assert [exact(json.loads(event.output_data)) for event in events] == [exact(values) for values in EXTREMES]
    original = models.QueryDeviceOriginalEventDataRequest(**bench.span(), identifier="Told", page_size=10)
    events = ok(bench.cloud.query_device_original_event_data(original)).data.list.event_info
    assert [exact(json.loads(event.output_data)) for event in events] == [exact(values) for values in EXTREMES]


def test_inputs_and_outputs_of_services_come_back_unchanged(bench: Bench) -> None:
    wanted = [(exact(values), exact(values)) for values in EXTREMES]

    def record(identifier: str) -> list[tuple[str, str]]:
        request = models.QueryDeviceServiceDataRequest(**bench.span(), identifier=identifier, page_size=10)
        calls = ok(bench.cloud.query_device_service_data(request)).data.list.service_info
        return _halves(calls)

    with bench.device() as device:
        for service in ("Echo", "EchoNow"):
            for values in EXTREMES:
                request = models.InvokeThingServiceRequest(**bench.names, identifier=service, args=json.dumps(values))
                data = ok(bench.cloud.invoke_thing_service(request)).data
                assert exact(device.expect("service", identifier=service)["params"]) == exact(values)
                if service == "EchoNow":
                    assert exact(json.loads(data.result)["data"]) == exact(values)
            eventually(lambda service=service: record(service), wanted)  # type: ignore[misc]
    for service in ("Echo", "EchoNow"):
        original = models.QueryDeviceOriginalServiceDataRequest(**bench.span(), identifier=service, page_size=10)
        calls = ok(bench.cloud.query_device_original_service_data(original)).data.list.service_info
        assert _halves(calls) == wanted


def _halves(calls: Iterable[Any]) -> list[tuple[str, str]]:
    """Return input and output of calls."""
    return [
        (exact(json.loads(call.input_data)), exact(json.loads(call.output_data or "{}").get("data"))) for call in calls
    ]


def test_values_that_are_set_arrive_at_the_device_unchanged(bench: Bench) -> None:
    with bench.device() as device:
        for values in EXTREMES:
            request = models.SetDevicePropertyRequest(**bench.names, items=json.dumps(values))
            ok(bench.cloud.set_device_property(request))
            assert exact(device.expect("set")["params"]) == exact(values)
        several = models.SetDevicesPropertyRequest(
            product_key=bench.names["product_key"], device_name=["every-type"], items=json.dumps(EXTREMES[1])
        )
        ok(bench.cloud.set_devices_property(several))
        assert exact(device.expect("set")["params"]) == exact(EXTREMES[1])


def test_desired_values_are_kept_and_told_unchanged(bench: Bench) -> None:
    cloud = bench.cloud
    version = 0
    with bench.device() as device:
        topic = f"{bench.topics}/property/desired/get"
        device.do("subscribe", topic=f"{topic}_reply")
        device.expect("subscribed")
        for values in EXTREMES:
            version += 1
            for part in (NAMES[:10], NAMES[10:]):
                items = {name: values[name] for name in part}
                versions = dict.fromkeys(part, version - 1)
                request = models.SetDeviceDesiredPropertyRequest(
                    **bench.names, items=json.dumps(items), versions=json.dumps(versions)
                )
                data = ok(cloud.set_device_desired_property(request)).data
                assert json.loads(data.versions) == dict.fromkeys(part, version)
                assert exact(device.expect("set")["params"]) == exact(items)
                query = models.QueryDeviceDesiredPropertyRequest(**bench.names, identifier=part)
                infos = ok(cloud.query_device_desired_property(query)).data.list.desired_property_info
                assert {info.identifier: (shown(info.identifier, info.value), info.version) for info in infos} == {
                    name: (exact(value), version) for name, value in items.items()
                }
            device.do("publish", topic=topic, payload=json.dumps({"id": "9", "version": "1.0", "params": NAMES}))
            told = json.loads(device.expect("message", topic=f"{topic}_reply")["payload"])["data"]
            assert {name: exact(entry["value"]) for name, entry in told.items()} == {
                name: exact(value) for name, value in values.items()
            }


def test_shadows_hold_values_unchanged(bench: Bench) -> None:
    # A shadow has 16 KB, and an empty object or array of it no members to merge.
    small = {**EXTREMES[2], "Text": every_type.CHARACTERS * 500, "Empty": []}

    def document() -> dict[str, Any]:
        body = ok(bench.cloud.get_device_shadow(models.GetDeviceShadowRequest(**bench.names)))
        content: dict[str, Any] = json.loads(body.shadow_message)
        return content

    with bench.device() as device:
        device.do("shadow_update", reported=small, version=1)
        assert device.expect("shadow")["message"]["payload"] == {"status": "success", "version": 1}
        assert exact(document()["state"]["reported"]) == exact(small)
        message = {"method": "update", "state": {"desired": EXTREMES[2]}, "version": 2}
        request = models.UpdateDeviceShadowRequest(
            **bench.names, shadow_message=json.dumps(message), delta_update=False
        )
        ok(bench.cloud.update_device_shadow(request))
        control = device.expect("shadow")["message"]
        assert (control["method"], control["version"]) == ("control", 2)
        assert exact(control["payload"]["state"]) == exact({"reported": small, "desired": EXTREMES[2]})
        device.do("shadow_get")
        told = device.expect("shadow")["message"]["payload"]["state"]
        assert exact(told) == exact(document()["state"])
