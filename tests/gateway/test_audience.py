"""Who is online, who has subscribed, and subscriptions on behalf of devices."""

import pytest

from tests.gateway.client import Client
from tests.gateway.conftest import StartWorld
from tests.gateway.support import PRODUCT_KEY, World
from thingplane.bus import Audience, DeviceOfflineError, DownlinkMessage, SubscriptionRefusedError
from thingplane.gateway.policy import MAX_SUBSCRIPTIONS
from thingplane.mqtt.packets import Publish

OWN = f"/{PRODUCT_KEY}/sensor-01"
GROUP = f"/broadcast/{PRODUCT_KEY}/group1"


@pytest.fixture
def audience(world: World) -> Audience:
    return world.gateway.audience


async def send(world: World, topic: str, device_id: int = 1, qos: int = 0) -> bool:
    message = DownlinkMessage(device_id=device_id, topic=topic, payload=b"x", qos=qos, needs_subscription=True)
    return await world.gateway.downlink.send(message)


async def test_devices_on_connections_are_online(world: World, audience: Audience) -> None:
    assert audience.online(1) == []
    await Client.connected(world)
    await Client.connected(world, "sensor-02")
    assert audience.online(1) == [(1, PRODUCT_KEY, "sensor-01"), (2, PRODUCT_KEY, "sensor-02")]
    assert audience.online(2) == []


@pytest.mark.parametrize("topic_filter", [GROUP, f"/broadcast/{PRODUCT_KEY}/+", f"/broadcast/{PRODUCT_KEY}/#"])
async def test_subscribers_of_a_broadcast_topic(world: World, audience: Audience, topic_filter: str) -> None:
    client = await Client.connected(world)
    await Client.connected(world, "sensor-02")
    assert await client.subscribe(topic_filter) == [1]
    assert audience.subscribers(1, GROUP) == [(1, PRODUCT_KEY, "sensor-01")]
    assert audience.subscribers(1, f"/broadcast/{PRODUCT_KEY}/group1/more") == (
        [(1, PRODUCT_KEY, "sensor-01")] if topic_filter.endswith("#") else []
    )
    assert await send(world, GROUP)
    assert (await client.expect(Publish)).topic == GROUP


async def test_a_shared_subscription_gets_one_copy_for_all_its_members_in_turn(
    world: World, audience: Audience
) -> None:
    first, second = await Client.connected(world), await Client.connected(world, "sensor-02")
    for client in (first, second):
        assert await client.subscribe(f"$share/g/{GROUP}") == [1]
    turns = [audience.subscribers(1, GROUP) for _ in range(4)]
    assert [len(receivers) for receivers in turns] == [1] * 4
    assert {receiver.device_id for [receiver] in turns} == {1, 2}
    await second.subscribe(GROUP)
    assert {receiver.device_id for receiver in audience.subscribers(1, GROUP)} == {1, 2}
    await first.unsubscribe(f"$share/g/{GROUP}")
    assert {receiver.device_id for receiver in audience.subscribers(1, GROUP)} == {2}


async def test_a_subscription_on_behalf_of_a_device_is_one_of_its_own(world: World, audience: Audience) -> None:
    client = await Client.connected(world)
    await audience.subscribe(1, [OWN + "/user/get", OWN + "/user/all/#"])
    assert await send(world, OWN + "/user/all/x", qos=1)
    assert (await client.expect(Publish)).qos == 1
    await client.unsubscribe(OWN + "/user/get", OWN + "/user/all/#")
    assert not await send(world, OWN + "/user/get")


async def test_it_unmutes_a_system_topic(world: World, audience: Audience) -> None:
    client = await Client.connected(world)
    topic = f"/sys{OWN}/thing/service/property/set"
    await client.unsubscribe(topic)
    system = DownlinkMessage(device_id=1, topic=topic, payload=b"x")
    assert not await world.gateway.downlink.send(system)
    await audience.subscribe(1, [topic])
    assert await world.gateway.downlink.send(system)


async def test_it_is_kept_with_a_session_that_is_kept(start: StartWorld) -> None:
    world = await start()
    client = await Client.connected(world, clean_start=False)
    await world.gateway.audience.subscribe(1, [OWN + "/user/get"])
    await client.disconnect()
    await world.stop()
    again = await start()
    assert await send(again, OWN + "/user/get", qos=1)


async def test_only_for_devices_that_are_online(audience: Audience) -> None:
    with pytest.raises(DeviceOfflineError):
        await audience.subscribe(1, [OWN + "/user/get"])


@pytest.mark.parametrize(
    "refused", [OWN + "/user/update", f"/{PRODUCT_KEY}/sensor-02/user/get", OWN + "/user/all/#/x", f"/sys{OWN}/a#"]
)
async def test_what_the_device_may_not_subscribe_is_refused(world: World, audience: Audience, refused: str) -> None:
    await Client.connected(world)
    with pytest.raises(SubscriptionRefusedError):
        await audience.subscribe(1, [OWN + "/user/get", refused])
    assert not await send(world, OWN + "/user/get")


async def test_a_device_has_only_so_many_subscriptions(world: World, audience: Audience) -> None:
    await Client.connected(world)
    await audience.subscribe(1, [f"/sys{OWN}/{number}" for number in range(MAX_SUBSCRIPTIONS)])
    with pytest.raises(SubscriptionRefusedError, match="at most"):
        await audience.subscribe(1, [OWN + "/user/get"])
