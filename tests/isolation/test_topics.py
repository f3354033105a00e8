"""A device neither reads nor writes topics of another one: every family of the device-protocol reference, Appendix A.

The others are a device of the same product, one whose name begins with its own, one of the same name in another
product, and one of another instance.
"""

import itertools
from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest

from tests.gateway.client import Client
from tests.gateway.test_registering import secret_connect
from tests.isolation.platform import RunningPlatform, running_platform
from thingplane.bus import DownlinkMessage
from thingplane.devices.service import Device
from thingplane.gateway.service import Ports
from thingplane.instances.service import DEFAULT_INSTANCE
from thingplane.mqtt import ReasonCode
from thingplane.mqtt.packets import Connack, Puback, Publish, Suback, Subscribe, Subscription
from thingplane.products.service import NewProduct

SYS: Final = "/sys/{pk}/{dn}/"
ALINK: Final = (
    *("thing/event/property/post", "thing/event/Alarm/post", "thing/event/property/pack/post"),
    *("thing/event/property/batch/post", "thing/event/property/history/post"),
    *("thing/service/property/set", "thing/service/property/get", "thing/service/Restart"),
    *("thing/model/up_raw", "thing/model/down_raw", "thing/property/desired/get", "thing/property/desired/delete"),
    *("thing/dsltemplate/get", "thing/dynamicTsl/get"),
    *("thing/deviceinfo/update", "thing/deviceinfo/delete", "thing/deviceinfo/get"),
    *("thing/config/get", "thing/config/push", "thing/config/log/get", "thing/config/log/push", "thing/log/post"),
    "_thing/diag/post",
    *("thing/file/upload/mqtt/init", "thing/file/upload/mqtt/send", "thing/file/upload/mqtt/cancel"),
    *("thing/file/download", "thing/ota/firmware/get", "thing/job/notify", "thing/job/get", "thing/job/update"),
    *("thing/sub/register", "thing/sub/unregister", "thing/proxy/provisioning/product_register"),
    *("thing/topo/add", "thing/topo/delete", "thing/topo/get", "thing/list/found"),
    *("thing/topo/add/notify", "thing/topo/change", "thing/disable", "thing/enable", "thing/delete"),
    *("thing/gateway/permit", "thing/model/config/push", "thing/bootstrap/notify"),
    *("thing/reset", "thing/awss/enrollee/match", "codec/topic/update"),
)
OTHERS: Final = (
    *("rrpc/request/1", "rrpc/response/1", "broadcast/request/1"),
    *("/ext/rrpc/1/sys/{pk}/{dn}/thing/service/property/set", "/ext/rrpc/1/{pk}/{dn}/user/get"),
    *(f"/ext/session/{{pk}}/{{dn}}/combine/{action}" for action in ("login", "logout", "batch_login", "batch_logout")),
    *("/ext/error/{pk}/{dn}", "/ext/ntp/{pk}/{dn}/request", "/ext/ntp/{pk}/{dn}/response"),
    *(f"/ota/device/{what}/{{pk}}/{{dn}}" for what in ("inform", "progress", "upgrade", "request")),
    *("/shadow/update/{pk}/{dn}", "/shadow/get/{pk}/{dn}"),
    *("/{pk}/{dn}/user/update", "/{pk}/{dn}/user/update/error", "/{pk}/{dn}/user/get"),
)
TEMPLATES: Final = (
    *(SYS + suffix + reply for suffix in ALINK for reply in ("", "_reply")),
    *(topic if topic.startswith("/") else SYS + topic for topic in OTHERS),
)
NOBODYS: Final = ("/ext/register", "/ext/regnwl", "/ext/auth/identity/response", "/ext/network/probe/1")
"""Whoever subscribes them gets what its own connection is told."""
PAYLOAD: Final = b'{"id":"1","version":"1.0","params":{}}'


class Fleet:
    """A device, and others that are none of its business."""

    def __init__(self, running: RunningPlatform) -> None:
        self.running = running
        endpoints = running.endpoints
        assert endpoints.mqtt is not None
        self.ports = Ports(endpoints.mqtt, endpoints.mqtt_ws or 0)
        self.closings: list[Callable[[], None]] = []
        self.own: Device
        self.others: list[Device] = []

    async def populate(self) -> None:
        platform = self.running.platform
        directory: Any = platform.app._instances
        other = await directory.create("iot-other")

        async def device(instance: int, name: str, product: str) -> Device:
            known = await platform.products.create(instance, NewProduct(name=product, node_type=0, senior=True))
            return await platform.devices.register(known, name)

        self.own = await device(DEFAULT_INSTANCE.id, "lamp", "Lamp")
        product = await platform.products.get(DEFAULT_INSTANCE.id, self.own.product_key)
        self.others = [
            await platform.devices.register(product, "lamp2"),
            await platform.devices.register(product, "meter"),
            await device(DEFAULT_INSTANCE.id, "lamp", "Other_lamp"),
            await device(other.id, "lamp", "Lamp"),
        ]

    async def connected(self, device: Device) -> Client:
        client = await Client.open(self, version=5)
        packet = secret_connect(device)
        packet.version = 5
        client.send(packet)
        assert (await client.expect(Connack)).code == 0
        return client

    def topics(self) -> Iterator[str]:
        """Give the topics of all others, and those that are nobody's."""
        for device, template in itertools.product(self.others, TEMPLATES):
            yield template.format(pk=device.product_key, dn=device.name)
        for device in self.others:
            if device.product_key != self.own.product_key:
                yield f"/broadcast/{device.product_key}/all"
        yield from NOBODYS

    def filters(self) -> Iterator[str]:
        """Give filters that match them."""
        own = self.own
        for topic in self.topics():
            if topic not in NOBODYS:
                yield from (topic, topic + "/#", f"$share/g{topic}")
        for template in TEMPLATES:
            yield template.format(pk=own.product_key, dn="+")
            yield template.format(pk="+", dn=own.name)
            yield template.format(pk="+", dn="+")
            depth = template.format(pk=own.product_key, dn="+").split("/")
            yield from ("/".join([*depth[:end], "#"]) for end in range(1, len(depth)) if "+" not in depth[end - 1])


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with running_platform(tmp_path_factory.mktemp("isolation")) as running:
        made = Fleet(running)
        running.run(made.populate())
        yield made
        for close in made.closings:
            close()


def test_publishing_on_topics_of_others_does_nothing(fleet: Fleet) -> None:
    async def check() -> None:
        client = await fleet.connected(fleet.own)
        before = await fleet.running.rows()
        for topic in fleet.topics():
            for retain in (False, True):
                client.send(Publish(topic, PAYLOAD, 1, retain, packet_id=9))
                acknowledged = await client.expect(Puback)
                assert acknowledged.reason == ReasonCode.NOT_AUTHORIZED, topic
        assert await client.drain() == []
        assert await fleet.running.rows() == before
        await client.disconnect()
        # When it was online is written a moment later, which the next test must not take for its own doing.
        await fleet.running.platform.devices.flush()

    fleet.running.run(check())


def test_other_transports_refuse_the_same(fleet: Fleet) -> None:
    async def check() -> None:
        before = await fleet.running.rows()
        for topic in fleet.topics():
            outcome = await fleet.running.platform.gateway.entrance.publish(fleet.own, topic, PAYLOAD)
            assert (outcome.code, outcome.replies) == (ReasonCode.NOT_AUTHORIZED, []), topic
        assert await fleet.running.rows() == before

    fleet.running.run(check())


def test_topics_of_others_are_not_subscribed(fleet: Fleet) -> None:
    async def check() -> None:
        client = await fleet.connected(fleet.own)
        filters = list(dict.fromkeys(fleet.filters()))
        for start in range(0, len(filters), 8):
            some = filters[start : start + 8]
            client.send(Subscribe(7, [Subscription(item, 1) for item in some]))
            granted = [
                item for item, code in zip(some, (await client.expect(Suback)).codes, strict=True) if code < 0x80
            ]
            assert granted == []
        client.close()

    fleet.running.run(check())


def test_what_others_are_sent_is_not_heard(fleet: Fleet) -> None:
    """Even by a device that has subscribed all that it may."""

    async def check() -> None:
        client, downlink = await fleet.connected(fleet.own), fleet.running.platform.gateway.downlink
        own = {"pk": fleet.own.product_key, "dn": fleet.own.name}
        for item in ("/sys/{pk}/{dn}/#", "/{pk}/{dn}/user/#", "/broadcast/{pk}/#", "/ext/rrpc/+/sys/{pk}/{dn}/#"):
            client.send(Subscribe(7, [Subscription(item.format(**own), 1)]))
            assert (await client.expect(Suback)).codes[0] in {0, 1, ReasonCode.NOT_AUTHORIZED}
        for device in fleet.others:
            listener = await fleet.connected(device)
            for template in TEMPLATES:
                topic = template.format(pk=device.product_key, dn=device.name)
                message = DownlinkMessage(device_id=device.id, topic=topic, payload=b"secret", qos=1)
                assert await downlink.send(message)
                heard = await listener.expect(Publish)
                assert (heard.topic, heard.payload) == (topic, b"secret")
                listener.send(Puback(heard.packet_id))
            listener.close()
        assert await client.drain() == []
        client.close()

    fleet.running.run(check())
