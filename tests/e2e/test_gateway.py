"""A gateway made of the official device SDK: sub-devices are attached, logged in, spoken for and commanded."""

import json
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest
from alibabacloud_iot20180120 import models
from alibabacloud_iot20180120.client import Client

from tests.common.cli import run_on
from tests.common.node import NodeProcess
from tests.e2e.device import SCRIPT, LinkkitDevice
from tests.e2e.fleet import create_product, register_device
from tests.e2e.operations.calls import checked_client, new_product
from thingplane.alink import signature

GATEWAY_SCRIPT: Final = SCRIPT.with_name("linkkit_gateway.py")
PATIENCE_S: Final = 20

Identity = dict[str, str]


class House:
    """A gateway and what it takes to make sub-devices."""

    def __init__(self, node: NodeProcess, cloud: Client) -> None:
        self._node = node
        self.cloud = cloud
        self.sub_key = create_product(cloud)
        self.gateway = register_device(cloud, new_product(cloud, node_type=1), "hub-" + uuid.uuid4().hex[:8])

    def sub_device(self) -> Identity:
        return register_device(self.cloud, self.sub_key, "meter-" + uuid.uuid4().hex[:8])

    def connect(self, gateway: Identity | None = None, *, clean_session: bool = True) -> LinkkitDevice:
        identity = gateway or self.gateway
        address = self._node.address("mqtt")
        device = LinkkitDevice(address, identity, None, clean_session=clean_session, script=GATEWAY_SCRIPT)
        device.expect("connected", code=0)
        return device

    def status(self, device: Identity) -> str:
        answer = self.cloud.get_device_status(models.GetDeviceStatusRequest(**names(device))).body
        assert answer.success, answer
        return str(answer.data.status)


def names(device: Identity) -> dict[str, str]:
    return {"product_key": device["ProductKey"], "device_name": device["DeviceName"]}


def listed(*devices: Identity) -> list[dict[str, str]]:
    return [{"productKey": device["ProductKey"], "deviceName": device["DeviceName"]} for device in devices]


def pairs(*devices: Identity, secret: bool = True) -> list[list[str]]:
    return [
        [device["ProductKey"], device["DeviceName"], *([device["DeviceSecret"]] if secret else [])]
        for device in devices
    ]


def topic(device: Identity, suffix: str) -> str:
    return f"/sys/{device['ProductKey']}/{device['DeviceName']}/{suffix}"


def attach(hub: LinkkitDevice, *devices: Identity) -> None:
    """Attach and log in."""
    hub.do("add", devices=pairs(*devices))
    assert hub.expect("added", code=200)["data"] == listed(*devices)
    hub.do("login", devices=pairs(*devices))
    assert hub.expect("logged_in", code=200)["data"] == listed(*devices)


def message(hub: LinkkitDevice, wanted_topic: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(hub.expect("message", topic=wanted_topic)["payload"])
    return content


def until(condition: Callable[[], bool]) -> None:
    """Wait for something that has no acknowledgement."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture(scope="module")
def house(node: NodeProcess) -> House:
    return House(node, checked_client(node))


@pytest.fixture
def hub(house: House) -> Iterator[LinkkitDevice]:
    with house.connect() as hub:
        yield hub


def test_a_sub_device_lives_behind_its_gateway(house: House, hub: LinkkitDevice) -> None:
    sub = house.sub_device()
    assert house.status(sub) == "UNACTIVE"
    attach(hub, sub)
    assert house.status(sub) == "ONLINE"

    post = topic(sub, "thing/event/property/post")
    hub.do("publish", topic=post, payload=json.dumps({"id": "9", "params": {"Temp": 21.5}, "method": ""}))
    assert message(hub, post + "_reply")["code"] == 200
    request = models.QueryDevicePropertyStatusRequest(**names(sub))
    values = {
        item.identifier: item.value
        for item in house.cloud.query_device_property_status(request).body.data.list.property_status_info
    }
    assert values["Temp"] == "21.5"

    setting = models.SetDevicePropertyRequest(**names(sub), items='{"Switch":1}')
    assert house.cloud.set_device_property(setting).body.success
    assert message(hub, topic(sub, "thing/service/property/set"))["params"] == {"Switch": 1}

    hub.do("logout", devices=pairs(sub, secret=False))
    assert hub.expect("logged_out", code=200)["data"] == listed(sub)
    assert house.status(sub) == "OFFLINE"
    refused = house.cloud.set_device_property(setting).body
    assert (refused.success, refused.code) == (False, "iot.messagebroker.OFFLINE")
    hub.do("publish", topic=post, payload='{"id":"10","params":{"Temp":22}}')
    error = message(hub, f"/ext/error/{house.gateway['ProductKey']}/{house.gateway['DeviceName']}")
    assert (error["code"], error["data"]) == (520, listed(sub)[0])


def test_a_sub_device_reports_events_and_subscribes_topics_of_its_own(house: House, hub: LinkkitDevice) -> None:
    sub = house.sub_device()
    attach(hub, sub)
    own = f"/{sub['ProductKey']}/{sub['DeviceName']}/user/"
    hub.do("subscribe", topic=own + "get")
    assert hub.expect("subscribed")["granted"] == [1]
    hub.do("publish", topic=topic(sub, "thing/event/Alarm/post"), payload='{"id":"1","params":{"Reason":3}}')
    assert message(hub, topic(sub, "thing/event/Alarm/post_reply"))["code"] == 200
    request = models.PubRequest(
        product_key=sub["ProductKey"], topic_full_name=own + "get", message_content="aGVsbG8=", qos=1
    )
    assert house.cloud.pub(request).body.success
    assert hub.expect("message", topic=own + "get")["payload"] == "hello"


def test_sub_devices_go_offline_with_their_gateway(house: House) -> None:
    subs = [house.sub_device(), house.sub_device()]
    with house.connect() as hub:
        attach(hub, *subs)
        assert [house.status(sub) for sub in subs] == ["ONLINE"] * 2
    until(lambda: [house.status(sub) for sub in subs] == ["OFFLINE"] * 2)


def test_what_was_sent_while_a_sub_device_was_out_waits_for_its_login(house: House, hub: LinkkitDevice) -> None:
    sub = house.sub_device()
    attach(hub, sub)
    hub.do("logout", devices=pairs(sub, secret=False))
    hub.expect("logged_out", code=200)
    setting = models.SetDevicePropertyRequest(**names(sub), items='{"Switch":0}', qos=1)
    assert house.cloud.set_device_property(setting).body.success
    hub.do("login", devices=pairs(sub))
    hub.expect("logged_in", code=200)
    assert message(hub, topic(sub, "thing/service/property/set"))["params"] == {"Switch": 0}


def test_the_cloud_takes_a_sub_device_away_and_gives_it_back(house: House, hub: LinkkitDevice) -> None:
    sub = house.sub_device()
    attach(hub, sub)
    error = f"/ext/error/{house.gateway['ProductKey']}/{house.gateway['DeviceName']}"

    assert house.cloud.remove_thing_topo(models.RemoveThingTopoRequest(**names(sub))).body.success
    assert message(hub, error)["code"] == 6401
    assert hub.expect("changed")["params"] == {"status": 1, "subList": listed(sub)}
    assert house.status(sub) == "OFFLINE"
    hub.do("login", devices=pairs(sub))
    assert hub.expect("logged_in", code=6401)["data"] == listed(sub)

    fields = listed(sub)[0]
    item = models.BatchAddThingTopoRequestTopoAddItem(
        product_key=sub["ProductKey"],
        device_name=sub["DeviceName"],
        sign_method="hmacSha256",
        sign=signature(sub["DeviceSecret"], "hmacSha256", fields),
    )
    gateway = {"gw_product_key": house.gateway["ProductKey"], "gw_device_name": house.gateway["DeviceName"]}
    adding = models.BatchAddThingTopoRequest(**gateway, topo_add_item=[item])
    assert house.cloud.batch_add_thing_topo(adding).body.success
    assert hub.expect("changed")["params"] == {"status": 0, "subList": listed(sub)}
    hub.do("login", devices=pairs(sub))
    hub.expect("logged_in", code=200)

    notice = models.NotifyAddThingTopoRequest(**gateway, device_list_str=json.dumps(listed(sub)))
    assert house.cloud.notify_add_thing_topo(notice).body.success
    assert message(hub, topic(house.gateway, "thing/topo/add/notify"))["params"] == listed(sub)


def test_a_sub_device_is_disabled_enabled_and_deleted(house: House, hub: LinkkitDevice) -> None:
    sub = house.sub_device()
    attach(hub, sub)
    error = f"/ext/error/{house.gateway['ProductKey']}/{house.gateway['DeviceName']}"

    assert house.cloud.disable_thing(models.DisableThingRequest(**names(sub))).body.success
    assert message(hub, error)["code"] == 522
    assert message(hub, topic(sub, "thing/disable"))["method"] == "thing.disable"
    hub.do("publish", topic=topic(sub, "thing/disable_reply"), payload='{"id":"1","code":200,"data":{}}')
    assert hub.expect("changed")["params"] == {"status": 8, "subList": listed(sub)}
    assert house.status(sub) == "DISABLE"
    hub.do("login", devices=pairs(sub))
    hub.expect("logged_in", code=522)

    assert house.cloud.enable_thing(models.EnableThingRequest(**names(sub))).body.success
    assert message(hub, topic(sub, "thing/enable"))["params"] == {}
    assert hub.expect("changed")["params"] == {"status": 2, "subList": listed(sub)}
    hub.do("login", devices=pairs(sub))
    hub.expect("logged_in", code=200)

    assert house.cloud.delete_device(models.DeleteDeviceRequest(**names(sub))).body.success
    assert message(hub, error)["code"] == 521
    assert message(hub, topic(sub, "thing/delete"))["method"] == "thing.delete"
    assert hub.expect("changed")["params"] == {"status": 1, "subList": listed(sub)}
    hub.do("login", devices=pairs(sub))
    hub.expect("logged_in", code=6100)


def test_a_sub_device_moves_to_another_gateway_and_out_on_its_own(house: House, hub: LinkkitDevice) -> None:
    sub = house.sub_device()
    attach(hub, sub)
    error = f"/ext/error/{house.gateway['ProductKey']}/{house.gateway['DeviceName']}"
    other = register_device(house.cloud, house.gateway["ProductKey"], "hub-" + uuid.uuid4().hex[:8])
    with house.connect(other) as second:
        attach(second, sub)
        assert message(hub, error) == {
            "id": "0",
            "code": 6401,
            "message": "topo relation not exist",
            "data": listed(sub)[0],
        }
        assert hub.expect("changed")["params"] == {"status": 1, "subList": listed(sub)}
        assert house.status(sub) == "ONLINE"
        with house.connect(sub):
            own_error = f"/ext/error/{other['ProductKey']}/{other['DeviceName']}"
            assert message(second, own_error)["code"] == 427
            assert house.status(sub) == "ONLINE"


def test_pack_posts_hold_values_of_sub_devices(house: House, hub: LinkkitDevice) -> None:
    sub, stranger = house.sub_device(), house.sub_device()
    attach(hub, sub)
    for device, code in ((sub, 200), (stranger, 6401)):
        part = {"identity": listed(device)[0], "properties": {"Temp": {"value": 3}}}
        pack = topic(house.gateway, "thing/event/property/pack/post")
        hub.do("publish", topic=pack, payload=json.dumps({"id": "3", "params": {"subDevices": [part]}}))
        assert message(hub, pack + "_reply")["code"] == code
        history = topic(house.gateway, "thing/event/property/history/post")
        hub.do("publish", topic=history, payload=json.dumps({"id": "4", "params": [{**part, "properties": []}]}))
        assert message(hub, history + "_reply")["code"] == code


def test_a_gateway_fetches_the_secrets_of_its_sub_devices(house: House, hub: LinkkitDevice, node: NodeProcess) -> None:
    sub = house.sub_device()
    hub.do("register", devices=pairs(sub, secret=False))
    assert hub.expect("registered")["code"] == 6288
    run_on(node, "product", "dynamic-register", sub["ProductKey"], "on")

    def registered() -> bool:
        # A running node notices a moment later.
        hub.do("register", devices=pairs(sub, secret=False))
        return bool(hub.expect("registered")["code"] == 200)

    until(registered)
    hub.do("register", devices=pairs(sub, secret=False))
    (answer,) = hub.expect("registered", code=200)["data"]
    assert (answer["deviceName"], answer["deviceSecret"]) == (sub["DeviceName"], sub["DeviceSecret"])
    assert answer["iotId"]
    request = models.QueryProductRequest(product_key=sub["ProductKey"])
    secret = house.cloud.query_product(request).body.data.product_secret
    hub.do("product_register", devices=[[sub["ProductKey"], sub["DeviceName"], secret]])
    data = hub.expect("product_registered", code=200)["data"]
    assert ([entry["deviceSecret"] for entry in data["successes"]], data["failures"]) == ([sub["DeviceSecret"]], [])
    attach(hub, {**sub, "DeviceSecret": answer["deviceSecret"]})
    hub.do("delete", devices=pairs(sub, secret=False))
    assert hub.expect("deleted", code=200)["data"] == listed(sub)
    assert house.status(sub) == "OFFLINE"
