"""Signing in, joining, and what reaches whom: the service on a log on disk."""

import asyncio
import base64
from collections.abc import Sequence

import pytest
from msgspec.structs import replace

from tests.common.api import Keys
from tests.common.clock import FakeClock
from tests.subscriptions.conftest import KEY, Start, publish, source, topic
from thingplane.cloud import BusinessError, Caller
from thingplane.cloud.credentials import AccessKey
from thingplane.cloud.policy import MANAGED_POLICIES, Policy
from thingplane.forwarding.service import Forwarder, Kind
from thingplane.products.service import Product, ProductService
from thingplane.subscriptions.credentials import parse, password
from thingplane.subscriptions.service import (
    Delivery,
    Flags,
    GroupFull,
    Login,
    Membership,
    SignInRefused,
    SubscriptionService,
    Wanted,
)

one_database = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
USER = (
    "client-0|authMode=aksign,signMethod={method},timestamp=1573489088171,authId=LTAItest,"
    "consumerGroupId={group}{more}|"
)
SHA1 = "LhlbM0zgqB4Cngq0KUfcLlxIoF4="


def user_name(group: str = "DEFAULT_GROUP", method: str = "hmacsha1", more: str = "") -> str:
    return USER.format(group=group, method=method, more=more)


class Client:
    """A connection that accepts everything, unless told otherwise."""

    def __init__(self, *, settles: bool = True) -> None:
        self.settles = settles
        self.got: list[Delivery] = []
        self.dropped: list[str] = []
        self.membership: Membership | None = None
        self.news = asyncio.Event()

    def capacity(self) -> int:
        return 1000

    def deliver(self, delivery: Delivery) -> None:
        self.got.append(delivery)
        self.news.set()
        if self.settles:
            delivery.accept()

    def drop(self, reason: str) -> None:
        self.dropped.append(reason)

    @property
    def bodies(self) -> list[bytes]:
        return [delivery.message.body for delivery in self.got]

    async def received(self, count: int) -> None:
        async with asyncio.timeout(10):
            while len(self.got) < count:
                self.news.clear()
                await self.news.wait()


async def joined(service: SubscriptionService, group: str = "DEFAULT_GROUP", *, settles: bool = True) -> Client:
    client = Client(settles=settles)
    client.membership = service.join(await sign_in(service, group), client, "127.0.0.1:5000")
    return client


async def sign_in(service: SubscriptionService, group: str = "DEFAULT_GROUP") -> Login:
    return await service.sign_in(user_name(group), SHA1)


async def subscribed(
    service: SubscriptionService, product: Product, groups: Sequence[str], flags: Flags = Flags.DEVICE_DATA
) -> None:
    await service.subscribe(product, "AMQP", Wanted(flags=flags, groups=tuple(groups)))


@one_database
@pytest.mark.parametrize(
    ("method", "given"),
    [
        ("hmacmd5", "T3zrrg4MkzXvWm7976Da0g=="),
        ("hmacsha1", SHA1),
        ("Hmacsha1", SHA1),
        ("hmacsha256", "XOw9aUToT5pfOc+8y7KKzh0Wpew3/B8a3XZe6zaLEUo="),
    ],
)
async def test_documented_passwords(subscriptions: SubscriptionService, method: str, given: str) -> None:
    login = await subscriptions.sign_in(user_name(method=method), given)
    assert (login.client_id, login.group.group_id, login.group.instance_id) == ("client-0", "DEFAULT_GROUP", 1)
    assert login.base64 is False


@one_database
@pytest.mark.parametrize(
    "name",
    [
        user_name(more=",iotInstanceId="),
        user_name(more=",iotInstanceId=iot-default,unknown=1"),
        user_name().removesuffix("|"),
        "client-0|consumerGroupId=DEFAULT_GROUP,authId=LTAItest,timestamp=1573489088171,signMethod=hmacsha1,authMode=aksign|",
        user_name(more=",authMode=aksign"),
    ],
)
async def test_user_names_in_other_words(subscriptions: SubscriptionService, name: str) -> None:
    assert (await subscriptions.sign_in(name, SHA1)).group.instance_id == 1


@one_database
async def test_sign_in_to_another_instance_and_with_base64(subscriptions: SubscriptionService) -> None:
    group = await subscriptions.create_group(2, "Other")
    login = await subscriptions.sign_in(user_name(group.group_id, more=",iotInstanceId=iot-other,encode=base64"), SHA1)
    assert (login.group.instance_id, login.base64) == (2, True)
    with pytest.raises(SignInRefused, match="no consumer group"):
        await sign_in(subscriptions, group.group_id)


@one_database
@pytest.mark.parametrize(
    ("name", "given", "reason"),
    [
        (user_name(), SHA1[:-2] + "A=", "wrong password"),
        (user_name(), "not base64", "wrong password"),
        (user_name(), "ü", "wrong password"),
        (user_name(), "", "wrong password"),
        (user_name(method="hmacmd5"), SHA1, "wrong password"),
        (user_name().replace("171", "172"), SHA1, "wrong password"),
        (user_name().replace("LTAItest", "LTAIother"), SHA1, "no access key"),
        (user_name(method="sha512"), SHA1, "signMethod"),
        (user_name(group=""), SHA1, "consumerGroupId"),
        (user_name(group="unknown"), SHA1, "no consumer group"),
        (user_name(more=",iotInstanceId=iot-none"), SHA1, "no instance"),
        (user_name(more=",authId=other"), SHA1, "two different values of authId"),
        (user_name(more=",encode=hex"), SHA1, "encode"),
        (user_name(more=",oops"), SHA1, "without '='"),
        (user_name().replace("aksign", "ststoken"), SHA1, "ststoken is not offered"),
        (user_name(more=",securityToken=t"), SHA1, "ststoken is not offered"),
        (user_name().replace("aksign", "other"), SHA1, "authMode"),
        (user_name().replace("timestamp=1573489088171", "timestamp=soon"), SHA1, "timestamp"),
        ("client", SHA1, "client id"),
        ("|authMode=aksign|", SHA1, "client id"),
        ("c" * 65 + user_name()[8:], SHA1, "client id"),
        (user_name(more="," + "x=y," * 2000), SHA1, "too long"),
    ],
)
async def test_refused_sign_in(subscriptions: SubscriptionService, name: str, given: str, reason: str) -> None:
    with pytest.raises(SignInRefused, match=reason):
        await subscriptions.sign_in(name, given)


def policies(*documents: str) -> AccessKey:
    return AccessKey(Caller("1000000000000001", "LTAItest", "bob"), "secret", policy=Policy.parse(*documents))


FULL = MANAGED_POLICIES["AliyunIOTFullAccess"]
SUB = '{"Version": "1", "Statement": [{"Effect": "Allow", "Action": "iot:sub", "Resource": "*/DEFAULT_GROUP"}]}'


@one_database
async def test_keys_of_sub_users_need_permission(subscriptions: SubscriptionService, keys: Keys) -> None:
    group = await subscriptions.create_group(1, "Billing")
    keys.by_id["LTAItest"] = policies()
    with pytest.raises(SignInRefused, match="does not allow iot:sub"):
        await sign_in(subscriptions)
    keys.by_id["LTAItest"] = policies(FULL)
    await sign_in(subscriptions, group.group_id)
    keys.by_id["LTAItest"] = policies(SUB)
    await sign_in(subscriptions)
    with pytest.raises(SignInRefused, match="does not allow iot:sub"):
        await sign_in(subscriptions, group.group_id)


@one_database
@pytest.mark.parametrize("now", [AccessKey(KEY.caller, "secret", enabled=False), policies(), None])
async def test_a_key_that_is_no_longer_good_loses_its_connections(
    subscriptions: SubscriptionService, keys: Keys, now: AccessKey | None
) -> None:
    login = await sign_in(subscriptions)
    client = await joined(subscriptions)
    subscriptions.check_clients()
    assert client.dropped == []
    if now is None:
        del keys.by_id["LTAItest"]
    else:
        keys.by_id["LTAItest"] = now
    subscriptions.check_clients()
    assert len(client.dropped) == 1
    with pytest.raises(SignInRefused):
        subscriptions.join(login, Client(), "")
    with pytest.raises(SignInRefused):
        await sign_in(subscriptions)


@one_database
async def test_a_group_takes_only_so_many_clients(subscriptions: SubscriptionService) -> None:
    one = await joined(subscriptions)
    await joined(subscriptions)
    with pytest.raises(GroupFull):
        await joined(subscriptions)
    assert one.membership is not None
    one.membership.leave()
    await joined(subscriptions)


async def test_messages_reach_the_groups_of_their_product_at_once(
    subscriptions: SubscriptionService, forwarder: Forwarder, product: Product, gateways: Product
) -> None:
    billing, alarms = [await subscriptions.create_group(1, name) for name in ("Billing", "Alarms")]
    await subscribed(subscriptions, product, [billing.group_id, alarms.group_id])
    clients = [await joined(subscriptions, group.group_id) for group in (billing, alarms)]
    other = await joined(subscriptions)
    (message_id,) = await publish(forwarder, product, b"hello")
    assert await publish(forwarder, gateways, b"nobody") == [None]
    for client in clients:
        await client.received(1)
        assert (client.got[0].message.message_id, client.bodies) == (message_id, [b"hello"])
    assert other.got == []
    await subscriptions.acknowledged()
    assert forwarder.waiting(billing.subscriber) == forwarder.waiting(alarms.subscriber) == 0


@one_database
@pytest.mark.parametrize(
    ("flag", "kinds"),
    [
        (Flags.DEVICE_DATA, "CUSTOM PROPERTY EVENT PROPERTY_BATCH EVENT_BATCH REPLY"),
        (Flags.STATUS_CHANGE, "STATUS"),
        (Flags.TOPO_LIFE_CYCLE, "TOPOLOGY"),
        (Flags.FOUND_DEVICE_LIST, "FOUND"),
        (Flags.THING_HISTORY, "PROPERTY_HISTORY EVENT_HISTORY"),
        (Flags.LIFE_CYCLE, "LIFECYCLE"),
        (Flags.OTA_EVENT, "OTA_STATUS"),
        (Flags.DEVICE_TAG, "TAGS"),
        (Flags.OTA_VERSION, "OTA_VERSION"),
        (Flags.OTA_JOB, "OTA_JOB"),
    ],
)
async def test_each_flag_lets_its_kinds_through(
    subscriptions: SubscriptionService, forwarder: Forwarder, gateways: Product, flag: Flags, kinds: str
) -> None:
    await subscribed(subscriptions, gateways, ["DEFAULT_GROUP"], flag)
    wanted = {kind for kind in Kind if forwarder.wanted(kind, gateways.id, f"/{kind.name}")}
    assert wanted == {Kind[name] for name in kinds.split()}


async def test_a_restart_keeps_groups_subscriptions_and_what_waits(
    start: Start, forwarder: Forwarder, product: Product, clock: FakeClock
) -> None:
    service = await start()
    group = await service.create_group(1, "Billing")
    await subscribed(service, product, [group.group_id, "DEFAULT_GROUP"])
    client = await joined(service, group.group_id, settles=False)
    await publish(forwarder, product, b"1", b"2", b"3")
    await client.received(3)
    client.got[1].accept()
    consumed_at = clock.now_ms()
    await service.close()

    clock.advance(60)
    again = await start()
    assert await again.group(1, group.group_id) == replace(group, consumed_at=consumed_at)
    assert (await again.status(1, group.group_id)).last_consumed_at == consumed_at
    assert (await again.status(1, "DEFAULT_GROUP")).last_consumed_at is None
    client = await joined(again, group.group_id)
    await client.received(2)
    assert client.bodies == [b"1", b"3"]
    default = await joined(again)
    await default.received(3)
    await publish(forwarder, product, b"4")
    await client.received(3)
    assert [one.group_id for one in await again.groups(1)] == [group.group_id, "DEFAULT_GROUP"]


@one_database
async def test_when_a_group_consumed_last_survives_a_kill(
    start: Start, forwarder: Forwarder, product: Product, clock: FakeClock
) -> None:
    service = await start()
    await subscribed(service, product, ["DEFAULT_GROUP"])
    client = await joined(service)
    await publish(forwarder, product, b"1")
    await client.received(1)
    consumed_at = clock.now_ms()
    await service._tick()  # what a second later would do; then the node is killed
    clock.advance(60)
    assert (await (await start()).status(1, "DEFAULT_GROUP")).last_consumed_at == consumed_at


@one_database
async def test_a_deleted_group_loses_its_clients_and_what_waits(
    subscriptions: SubscriptionService, forwarder: Forwarder, product: Product
) -> None:
    group = await subscriptions.create_group(1, "Billing")
    await subscribed(subscriptions, product, [group.group_id])
    login = await sign_in(subscriptions, group.group_id)
    client = await joined(subscriptions, group.group_id, settles=False)
    await publish(forwarder, product, b"1")
    await client.received(1)
    await subscriptions.unsubscribe(product, "AMQP")
    before = subscriptions.reading()
    await subscriptions.delete_group(1, group.group_id)
    assert client.dropped == ["the consumer group was deleted"]
    assert forwarder.waiting(group.subscriber) == 0
    client.got[0].accept()
    with pytest.raises(SignInRefused, match="was deleted"):
        subscriptions.join(login, Client(), "")
    after = subscriptions.reading()
    assert (before["consumer_clients"], after["consumer_clients"]) == (1, 0)
    assert after["consumer_deliveries_total"] == before["consumer_deliveries_total"] == 1


@one_database
async def test_the_end_of_a_subscription_leaves_what_waits(
    subscriptions: SubscriptionService, forwarder: Forwarder, product: Product
) -> None:
    await subscribed(subscriptions, product, ["DEFAULT_GROUP"])
    await publish(forwarder, product, b"1")
    await subscriptions.unsubscribe(product, "AMQP")
    assert await publish(forwarder, product, b"2") == [None]
    client = await joined(subscriptions)
    await client.received(1)
    assert client.bodies == [b"1"]


@one_database
async def test_messages_of_a_deleted_product_go_nowhere(
    subscriptions: SubscriptionService, forwarder: Forwarder, product: Product, products: ProductService
) -> None:
    await subscribed(subscriptions, product, ["DEFAULT_GROUP"])
    await products.delete(product)
    await asyncio.sleep(0)
    with pytest.raises(BusinessError, match="NotExistedProduct"):
        await subscribed(subscriptions, product, ["DEFAULT_GROUP"])
    assert not forwarder.wanted(Kind.CUSTOM, product.id, topic(product))


@one_database
async def test_a_rule_reaches_a_group_by_name(
    subscriptions: SubscriptionService, forwarder: Forwarder, product: Product
) -> None:
    group = await subscriptions.group(1, "DEFAULT_GROUP")
    client = await joined(subscriptions)
    forwarder.forward(Kind.RULE, source(product), "/t", b"row", tag="x", to=[group.subscriber])
    await client.received(1)
    assert (client.bodies, client.got[0].message.tag) == ([b"row"], "x")


@one_database
async def test_figures_of_a_group(
    subscriptions: SubscriptionService, forwarder: Forwarder, product: Product, clock: FakeClock
) -> None:
    await subscribed(subscriptions, product, ["DEFAULT_GROUP"])
    await publish(forwarder, product, b"1", b"2")
    assert (await subscriptions.status(1, "DEFAULT_GROUP")).backlog == 2
    client = await joined(subscriptions)
    await client.received(2)
    await publish(forwarder, product, b"3")
    await client.received(3)
    status = await subscriptions.status(1, "DEFAULT_GROUP")
    assert (status.backlog, status.backlog_per_minute, status.realtime_per_minute) == (0, 2, 1)
    (one,) = status.clients
    assert (one.client_id, one.address, one.online_at) == ("client-0", "127.0.0.1:5000", clock.now_ms())
    reading = subscriptions.reading()
    assert reading["consumer_backlog:group=DEFAULT_GROUP@1"] == 0
    assert reading["consumer_settled_total:way=backlog"] == 2


def test_the_password_of_the_documentation() -> None:
    user = parse(user_name(method="hmacsha256"))
    assert base64.b64decode(password(user, "secret")) == base64.b64decode(
        "XOw9aUToT5pfOc+8y7KKzh0Wpew3/B8a3XZe6zaLEUo="
    )
