from collections.abc import Callable

import pytest

from tests.mqtt.peer import Peer, RecordingPolicy, connected
from thingplane.mqtt import Broker, Delivery, Link, Message, Properties, ReasonCode
from thingplane.mqtt.packets import (
    Connect,
    Disconnect,
    Puback,
    Pubcomp,
    Publish,
    Pubrec,
    Pubrel,
    Suback,
    Subscribe,
    Subscription,
    Unsuback,
    Unsubscribe,
)

Make = Callable[..., Broker]


def _pair(broker: Broker, version: int = 4) -> tuple[Peer, Peer]:
    return connected(broker, "publisher", version), connected(broker, "subscriber", version)


def test_message_goes_to_a_subscriber_with_the_lower_qos(broker: Broker, version: int) -> None:
    publisher, subscriber = _pair(broker, version)
    for granted in range(3):
        subscriber.subscribe("a/+", granted)
        for qos in range(3):
            publisher.publish(f"a/{qos}", b"x", qos, packet_id=qos + 3 * granted + 1)
            (message,) = subscriber.messages()
            assert (message.topic, message.qos) == (f"a/{qos}", min(qos, granted))


def test_qos_1_is_acknowledged(broker: Broker, version: int) -> None:
    peer = connected(broker, version=version)
    peer.publish("a", b"x", 1, packet_id=7)
    assert peer.expect(Puback) == Puback(7)


def test_qos_2_is_passed_once_whatever_is_repeated(broker: Broker, policy: RecordingPolicy, version: int) -> None:
    peer = connected(broker, version=version)
    peer.publish("a", b"x", 2, packet_id=7)
    assert peer.expect(Pubrec) == Pubrec(7)
    peer.send(Publish("a", b"x", 2, dup=True, packet_id=7))
    assert peer.expect(Pubrec) == Pubrec(7)
    peer.send(Pubrel(7))
    assert peer.expect(Pubcomp) == Pubcomp(7)
    assert len(policy.published) == 1
    peer.publish("a", b"x", 2, packet_id=7)
    assert len(policy.published) == 2


def test_qos_2_is_passed_once_across_connections(broker: Broker, policy: RecordingPolicy) -> None:
    peer = connected(broker, clean_start=False)
    peer.publish("a", b"x", 2, packet_id=7)
    peer.lose()
    peer = connected(broker, clean_start=False)
    peer.send(Publish("a", b"x", 2, dup=True, packet_id=7))
    assert peer.expect(Pubrec) == Pubrec(7)
    assert len(policy.published) == 1


def test_unknown_pubrel_is_answered(broker: Broker) -> None:
    peer = connected(broker, version=5)
    peer.send(Pubrel(9))
    assert peer.expect(Pubcomp) == Pubcomp(9, ReasonCode.PACKET_IDENTIFIER_NOT_FOUND)


class SilentPolicy(RecordingPolicy):
    """Takes messages and leaves the acknowledgement to the test."""

    def publish(self, link: Link, packet: Publish) -> None:
        self.published.append(packet)
        self.link = link


def test_acknowledgement_may_come_later_and_wakes_the_owner_once() -> None:
    policy = SilentPolicy()
    peer = connected(Broker(policy, 0.0), version=5)
    peer.publish("a", b"x", 1, packet_id=1)
    peer.publish("a", b"x", 1, packet_id=2)
    peer.publish("a", b"x")
    assert peer.receive() == []
    for packet, reason in zip(policy.published, (0, ReasonCode.NOT_AUTHORIZED, 0), strict=True):
        policy.link.acknowledge(packet, reason)
    assert peer.wakes == 1
    assert peer.receive() == [Puback(1), Puback(2, ReasonCode.NOT_AUTHORIZED)]


def test_undecided_qos_2_message_is_neither_passed_nor_acknowledged_again() -> None:
    policy = SilentPolicy()
    broker = Broker(policy, 0.0)
    first = connected(broker, clean_start=False)
    first.publish("a", b"x", 2, packet_id=1)
    old_link = policy.link
    first.lose()
    second = connected(broker, clean_start=False)
    second.send(Publish("a", b"x", 2, dup=True, packet_id=1))
    assert second.receive() == []
    assert len(policy.published) == 1
    old_link.acknowledge(policy.published[0])
    assert second.expect(Pubrec) == Pubrec(1)


def test_refused_qos_2_identifier_is_free_again() -> None:
    policy = SilentPolicy()
    peer = connected(Broker(policy, 0.0), version=5)
    peer.publish("a", b"x", 2, packet_id=1)
    policy.link.acknowledge(policy.published[0], ReasonCode.QUOTA_EXCEEDED)
    assert peer.expect(Pubrec) == Pubrec(1, ReasonCode.QUOTA_EXCEEDED)
    peer.publish("a", b"x", 2, packet_id=1)
    assert len(policy.published) == 2


@pytest.mark.parametrize(("qos", "limit"), [(1, 0), (2, 0), (2, 1)])
def test_qos_beyond_the_maximum_ends_the_connection(limited: Make, version: int, qos: int, limit: int) -> None:
    broker = limited(max_qos=limit)
    peer = connected(broker, version=version)
    peer.publish("a", b"x", qos)
    assert peer.link.closing
    assert peer.receive() == ([Disconnect(ReasonCode.QOS_NOT_SUPPORTED)] if version == 5 else [])


def test_granted_qos_is_capped(limited: Make) -> None:
    peer = connected(limited(max_qos=1))
    peer.send(Subscribe(1, [Subscription("a", 2)]))
    assert peer.expect(Suback).codes == [1]


def test_overlapping_subscriptions_give_one_message_with_the_highest_qos(broker: Broker, version: int) -> None:
    publisher, subscriber = _pair(broker, version)
    subscriber.subscribe("a/#", 1)
    subscriber.subscribe("a/+", 2)
    subscriber.subscribe("a/b", 0)
    publisher.publish("a/b", b"x", 2)
    (message,) = subscriber.messages()
    assert message.qos == 2


def test_subscription_again_replaces_the_first(broker: Broker) -> None:
    publisher, subscriber = _pair(broker)
    subscriber.subscribe("a", 2)
    subscriber.subscribe("a", 0)
    publisher.publish("a", b"x", 1)
    assert [message.qos for message in subscriber.messages()] == [0]


def test_subscription_identifiers_tell_what_matched(broker: Broker) -> None:
    publisher, subscriber = _pair(broker, 5)
    subscriber.subscribe("a", identifier=2)
    subscriber.subscribe("a/#", identifier=300)
    subscriber.subscribe("#")
    publisher.publish("a")
    (message,) = subscriber.messages()
    assert message.properties is not None
    assert sorted(message.properties.subscription_identifiers) == [2, 300]


def test_subscription_identifiers_can_be_switched_off(limited: Make) -> None:
    peer = connected(limited(subscription_identifiers=False), version=5)
    item = Subscription("a", identifier=1)
    peer.send(Subscribe(1, [item], Properties(subscription_identifiers=[1])))
    assert peer.expect(Suback).codes == [ReasonCode.SUBSCRIPTION_IDENTIFIERS_NOT_SUPPORTED]


def test_each_filter_gets_its_own_answer(limited: Make, version: int) -> None:
    broker = limited(shared_subscriptions=False, max_subscriptions=2)
    peer = connected(broker, version=version)
    filters = ["a", "b/#/c", "$share/g/a", "b", "c", "a"]
    peer.send(Subscribe(1, [Subscription(item, 1) for item in filters]))
    failures = [0x8F, 0x9E, 0x97] if version == 5 else [0x80] * 3
    assert peer.expect(Suback).codes == [1, failures[0], failures[1], 1, failures[2], 1]
    assert sorted(broker.sessions["c"].subscriptions) == ["a", "b"]


class NothingPolicy(RecordingPolicy):
    """Refuses every subscription and keeps what is to be unsubscribed."""

    def subscribe(self, link: Link, packet: Subscribe) -> None:
        link.grant(packet, [ReasonCode.NOT_AUTHORIZED] * len(packet.subscriptions))


def test_policy_may_refuse_subscriptions(version: int) -> None:
    broker = Broker(NothingPolicy(), 0.0)
    publisher, subscriber = _pair(broker, version)
    subscriber.send(Subscribe(1, [Subscription("a")]))
    assert subscriber.expect(Suback).codes == [0x87 if version == 5 else 0x80]
    publisher.publish("a")
    assert subscriber.messages() == []


def test_unsubscribed_filters_match_no_more(broker: Broker, version: int) -> None:
    publisher, subscriber = _pair(broker, version)
    subscriber.subscribe("a/#")
    subscriber.subscribe("b")
    assert subscriber.unsubscribe("a/#", "unknown").codes == ([0, 0x11] if version == 5 else [])
    publisher.publish("a/x")
    publisher.publish("b")
    assert [message.topic for message in subscriber.messages()] == ["b"]


class KeepingPolicy(RecordingPolicy):
    """Lets nobody unsubscribe."""

    def unsubscribe(self, link: Link, packet: object) -> None:
        link.revoke(packet, [ReasonCode.NOT_AUTHORIZED])  # type: ignore[arg-type]


def test_policy_may_refuse_to_unsubscribe() -> None:
    broker = Broker(KeepingPolicy(), 0.0)
    publisher, subscriber = _pair(broker, 5)
    subscriber.subscribe("a")
    assert subscriber.unsubscribe("a") == Unsuback(2, [ReasonCode.NOT_AUTHORIZED])
    publisher.publish("a")
    assert len(subscriber.messages()) == 1


def test_no_local_keeps_own_messages_away(broker: Broker) -> None:
    peer = connected(broker, version=5)
    other = connected(broker, "other", 5)
    peer.subscribe("a", no_local=True)
    peer.publish("a", b"own")
    other.publish("a", b"foreign")
    assert [message.payload for message in peer.messages()] == [b"foreign"]


def test_retain_as_published_keeps_the_flag(broker: Broker) -> None:
    publisher, subscriber = _pair(broker, 5)
    subscriber.subscribe("a", retain_as_published=True)
    subscriber.subscribe("b")
    for topic in ("a", "b"):
        publisher.publish(topic, retain=True)
        publisher.publish(topic)
    assert [message.retain for message in subscriber.messages()] == [True, False, False, False]


def test_retained_messages_come_with_a_subscription(broker: Broker, version: int) -> None:
    publisher, subscriber = _pair(broker, version)
    for qos in range(3):
        publisher.publish(f"a/{qos}", b"x", qos, retain=True, packet_id=qos + 1)
    messages = subscriber.subscribe("a/+")
    assert [(message.topic, message.qos, message.retain) for message in messages] == [
        ("a/0", 0, True),
        ("a/1", 1, True),
        ("a/2", 2, True),
    ]
    publisher.publish("a/1", b"", retain=True)
    assert [message.topic for message in connected(broker, "third", version).subscribe("a/#")] == ["a/0", "a/2"]


@pytest.mark.parametrize(("handling", "first", "second"), [(0, 1, 1), (1, 1, 0), (2, 0, 0)])
def test_retain_handling_decides_when_retained_messages_come(
    broker: Broker, handling: int, first: int, second: int
) -> None:
    publisher, subscriber = _pair(broker, 5)
    publisher.publish("a", retain=True)
    assert len(subscriber.subscribe("a", retain_handling=handling)) == first
    assert len(subscriber.subscribe("a", retain_handling=handling)) == second


def test_shared_subscriptions_get_no_retained_messages(broker: Broker) -> None:
    publisher, subscriber = _pair(broker, 5)
    publisher.publish("a", retain=True)
    assert subscriber.subscribe("$share/g/a") == []


def test_retain_may_be_ignored_or_refused(limited: Make) -> None:
    ignoring = limited(retain="ignored")
    publisher, subscriber = _pair(ignoring, 5)
    publisher.publish("a", retain=True)
    assert subscriber.subscribe("a") == []
    refusing = connected(limited(retain="refused"), version=5)
    refusing.publish("a", retain=True)
    assert refusing.expect(Disconnect).reason == ReasonCode.RETAIN_NOT_SUPPORTED


def test_shared_subscription_gives_each_message_to_one_member(broker: Broker) -> None:
    publisher = connected(broker, "publisher", 5)
    members = [connected(broker, name, 5) for name in ("m1", "m2", "m3")]
    for member in members:
        member.subscribe("$share/g/a/#")
    for _ in range(6):
        publisher.publish("a/b")
    assert [len(member.messages()) for member in members] == [2, 2, 2]
    members[0].lose()
    members[1].unsubscribe("$share/g/a/#")
    publisher.publish("a/b")
    assert len(members[2].messages()) == 1


def test_topics_with_a_dollar_do_not_match_wildcards(broker: Broker) -> None:
    publisher, subscriber = _pair(broker)
    subscriber.subscribe("#")
    subscriber.subscribe("+/a")
    publisher.publish("$x/a")
    assert subscriber.messages() == []
    subscriber.subscribe("$x/#")
    publisher.publish("$x/a")
    assert len(subscriber.messages()) == 1


def test_application_properties_are_passed_on_and_the_rest_is_not(broker: Broker) -> None:
    publisher, subscriber = _pair(broker, 5)
    subscriber.subscribe("a")
    carried = Properties(
        payload_format_indicator=1,
        content_type="text",
        response_topic="r",
        correlation_data=b"1",
        user_properties=[("a", "2"), ("c", "3")],
    )
    sent = Properties(topic_alias=3)
    for name in ("payload_format_indicator", "content_type", "response_topic", "correlation_data", "user_properties"):
        setattr(sent, name, getattr(carried, name))
    publisher.publish("a", properties=sent)
    (message,) = subscriber.messages()
    assert message.properties == carried


def test_properties_are_left_out_for_3x(broker: Broker) -> None:
    publisher = connected(broker, "p", 5)
    subscriber = connected(broker, "s", 4)
    subscriber.subscribe("a")
    publisher.publish("a", b"x", properties=Properties(content_type="t", message_expiry_interval=3))
    assert subscriber.receive() == [Publish("a", b"x")]


def test_number_of_receivers_is_known(broker: Broker) -> None:
    publisher, subscriber = _pair(broker)
    subscriber.subscribe("a")
    subscriber.subscribe("+")
    assert broker.route(Message("a", b""), publisher.link.session) == 1
    assert broker.route(Message("b/c", b"")) == 0


def test_direct_delivery_needs_no_subscription(broker: Broker, version: int) -> None:
    peer = connected(broker, version=version)
    session = broker.sessions["c"]
    assert broker.deliver(session, Message("sys/a", b"0")) is Delivery.SENT
    assert broker.deliver(session, Message("sys/b", b"1", qos=1)) is Delivery.SENT
    assert broker.deliver(session, Message("sys/c", b"2", qos=1), qos=0) is Delivery.SENT
    assert peer.link.publish("sys/d", b"3")
    assert peer.wakes == 1
    received = [(message.topic, message.payload, message.qos) for message in peer.messages()]
    assert received == [("sys/a", b"0", 0), ("sys/b", b"1", 1), ("sys/c", b"2", 0), ("sys/d", b"3", 0)]


def test_nothing_can_be_published_on_a_closed_link(broker: Broker) -> None:
    peer = connected(broker)
    peer.lose()
    assert not peer.link.publish("a", b"")
    assert peer.receive() == []


def test_subscription_decided_after_the_connection_ended_does_nothing() -> None:
    class Waiting(RecordingPolicy):
        def subscribe(self, link: Link, packet: Subscribe) -> None:
            self.asked = (link, packet)

    policy = Waiting()
    broker = Broker(policy, 0.0)
    peer = connected(broker, clean_start=False)
    peer.send(Subscribe(1, [Subscription("a")]))
    peer.lose()
    link, packet = policy.asked
    link.grant(packet)
    assert broker.sessions["c"].subscriptions == {}


def test_late_answers_for_a_closed_connection_do_nothing() -> None:
    class Waiting(SilentPolicy):
        def unsubscribe(self, link: Link, packet: Unsubscribe) -> None:  # noqa: ARG002 - the test answers
            self.asked = packet

    policy = Waiting()
    broker = Broker(policy, 0.0)
    peer = connected(broker, clean_start=False)
    peer.subscribe("a")
    for qos in (1, 2):
        peer.publish("a", b"x", qos, packet_id=qos)
    peer.send(Unsubscribe(1, ["a"]))
    peer.lose()
    for packet in policy.published:
        policy.link.acknowledge(packet)
    policy.link.revoke(policy.asked)
    assert peer.receive() == []
    assert list(broker.sessions["c"].subscriptions) == ["a"]
    assert broker.sessions["c"].inbound == {2: True}


def test_outcomes_tell_whether_a_message_is_gone() -> None:
    assert [outcome for outcome in Delivery if not outcome.dropped] == [Delivery.SENT, Delivery.QUEUED]


def test_auth_is_not_supported_after_connect(broker: Broker) -> None:
    peer = Peer(broker, 5)
    peer.send(Connect("c", 5))
    peer.receive()
    peer.link.receive_data(bytes.fromhex("f000"))
    assert peer.expect(Disconnect).reason == ReasonCode.PROTOCOL_ERROR
