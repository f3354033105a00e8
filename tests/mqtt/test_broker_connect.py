from collections.abc import Callable
from typing import cast

import pytest

from tests.mqtt.peer import Peer, RecordingPolicy, connected
from thingplane.mqtt import (
    AllowAllPolicy,
    Broker,
    Capabilities,
    Closed,
    ClosedBy,
    ConnackCode,
    Link,
    Properties,
    ReasonCode,
)
from thingplane.mqtt.packets import Connack, Connect, Disconnect, Ping, Pong, Publish, Subscribe, Will

Make = Callable[..., Broker]


def test_client_is_accepted(broker: Broker, version: int) -> None:
    connack = Peer(broker, version).connect("dev")
    assert (connack.code, connack.session_present) == (0, False)
    session = broker.sessions["dev"]
    assert session.client_id == "dev"
    assert session.link is not None


def test_limits_are_announced_to_5_only(limited: Make) -> None:
    broker = limited(
        max_qos=1,
        retain="refused",
        wildcard_subscriptions=False,
        shared_subscriptions=False,
        subscription_identifiers=False,
        receive_maximum=7,
        max_packet_size=500,
        topic_alias_maximum=3,
        max_session_expiry=60,
        max_keepalive=30,
    )
    asked = Properties(session_expiry_interval=100)
    assert Peer(broker, 5).connect(keepalive=40, properties=asked).properties == Properties(
        receive_maximum=7,
        maximum_packet_size=500,
        topic_alias_maximum=3,
        session_expiry_interval=60,
        server_keep_alive=30,
        maximum_qos=1,
        retain_available=0,
        wildcard_subscription_available=0,
        shared_subscription_available=0,
        subscription_identifier_available=0,
    )
    assert Peer(broker, 4).connect().properties is None


def test_empty_client_id_gets_an_identifier(broker: Broker) -> None:
    connack = Peer(broker, 5).connect("", clean_start=False)
    assert connack.properties is not None
    assigned = connack.properties.assigned_client_identifier
    assert assigned in broker.sessions
    peer = connected(broker, "", 4)
    assert peer.link.client_id in broker.sessions


@pytest.mark.parametrize(("version", "clean"), [(3, True), (3, False), (4, False)])
def test_empty_client_id_is_refused_where_the_version_demands_it(broker: Broker, version: int, clean: bool) -> None:
    peer = Peer(broker, version)
    assert peer.connect("", clean_start=clean).code == ConnackCode.IDENTIFIER_REJECTED
    assert peer.closing()
    assert not broker.sessions


def test_too_long_client_id_is_refused(limited: Make) -> None:
    broker = limited(max_client_id_length=3)
    assert Peer(broker, 4).connect("abcd").code == ConnackCode.IDENTIFIER_REJECTED
    assert Peer(broker, 5).connect("abcd").code == ReasonCode.CLIENT_IDENTIFIER_NOT_VALID


def test_unknown_protocol_is_refused_in_its_own_terms(broker: Broker) -> None:
    for level, expected in (("04", "20020001"), ("06", "2003008400")):
        link = broker.open()
        name = "0004 4d515454" if level == "06" else "0004 4d515458"
        link.receive_data(bytes.fromhex(f"10 0c {name} {level} 02 0000 0000"))
        assert link.data_to_send() == bytes.fromhex(expected)
        assert link.closing


def test_version_that_is_switched_off_is_refused(limited: Make) -> None:
    broker = limited(versions=frozenset({4}))
    assert Peer(broker, 5).connect().code == ReasonCode.UNSUPPORTED_PROTOCOL_VERSION
    assert Peer(broker, 3).connect().code == ConnackCode.UNACCEPTABLE_PROTOCOL_VERSION
    assert Peer(broker, 4).connect().code == 0


def test_malformed_connect_is_answered_in_5_only(broker: Broker) -> None:
    for level, expected in (("04", ""), ("05", "2003008100")):
        link = broker.open()
        link.receive_data(bytes.fromhex(f"10 0c 0004 4d515454 {level} 03 0000 0000"))
        assert link.data_to_send() == bytes.fromhex(expected)
        assert link.closing


def test_extended_authentication_is_refused(broker: Broker) -> None:
    connack = Peer(broker, 5).connect(properties=Properties(authentication_method="SCRAM-SHA-1"))
    assert connack.code == ReasonCode.BAD_AUTHENTICATION_METHOD


def test_second_connect_ends_the_connection(broker: Broker, version: int) -> None:
    peer = connected(broker, version=version)
    peer.send(Connect("c", version))
    assert peer.closing()
    expected = [Disconnect(ReasonCode.PROTOCOL_ERROR)] if version == 5 else []
    assert peer.receive() == expected


def test_second_connection_takes_the_session_over(broker: Broker, policy: RecordingPolicy, version: int) -> None:
    first = connected(broker, version=version)
    second = connected(broker, version=version, clean_start=False)
    assert first.wakes == 1
    assert first.link.closing
    expected = [Disconnect(ReasonCode.SESSION_TAKEN_OVER)] if version == 5 else []
    assert first.receive() == expected
    assert policy.closings == [
        (first.link, Closed(ClosedBy.SERVER, ReasonCode.SESSION_TAKEN_OVER, "the client connected again"))
    ]
    assert broker.sessions["c"].link is second.link
    first.lose()
    assert broker.sessions["c"].link is second.link
    assert len(policy.closings) == 1


def test_dead_link_ignores_what_still_comes(broker: Broker, policy: RecordingPolicy) -> None:
    first = connected(broker)
    connected(broker)
    first.publish("a")
    assert policy.published == []


def test_protocol_error_ends_the_connection_with_its_reason(
    broker: Broker, policy: RecordingPolicy, version: int
) -> None:
    peer = connected(broker, version=version)
    peer.link.receive_data(b"\x00\x00")
    assert peer.receive() == ([Disconnect(ReasonCode.MALFORMED_PACKET)] if version == 5 else [])
    ((_, closed),) = policy.closings
    assert (closed.by, closed.reason) == (ClosedBy.SERVER, ReasonCode.MALFORMED_PACKET)


def test_messages_before_an_error_are_handled(broker: Broker, policy: RecordingPolicy) -> None:
    peer = connected(broker)
    peer.link.receive_data(bytes.fromhex("30 03 0001 61 00 00"))
    assert [packet.topic for packet in policy.published] == ["a"]
    assert peer.closing()


def test_disconnect_ends_the_connection(broker: Broker, policy: RecordingPolicy, version: int) -> None:
    peer = connected(broker, version=version)
    peer.send(Disconnect())
    assert peer.closing()
    peer.lose()
    assert policy.closings == [(peer.link, Closed(ClosedBy.CLIENT))]
    assert not broker.links


def test_lost_network_ends_the_connection(broker: Broker, policy: RecordingPolicy) -> None:
    peer = connected(broker)
    peer.lose()
    assert policy.closings == [(peer.link, Closed(ClosedBy.NETWORK))]


def test_server_ends_connections_for_a_shutdown(broker: Broker) -> None:
    peers = [connected(broker, str(number), 5) for number in range(3)]
    broker.close()
    for peer in peers:
        assert peer.receive() == [Disconnect(ReasonCode.SERVER_SHUTTING_DOWN)]
        assert peer.closing()


def test_ping_is_answered(broker: Broker, version: int) -> None:
    peer = connected(broker, version=version)
    peer.send(Ping())
    peer.expect(Pong)


class LatePolicy(RecordingPolicy):
    """Decides about connections later."""

    def __init__(self, capabilities: Capabilities | None = None) -> None:
        super().__init__(capabilities)
        self.waiting: list[Link] = []

    def connect(self, link: Link, packet: Connect) -> None:  # noqa: ARG002 - the link knows it
        self.waiting.append(link)


def test_what_arrives_before_the_decision_is_handled_after_it(version: int) -> None:
    policy = LatePolicy()
    broker = Broker(policy, 0.0)
    peer = Peer(broker, version)
    peer.send(Connect("c", version), Publish("a", b"1"))
    peer.send(Ping())
    assert peer.receive() == []
    session = policy.waiting[0].accept("key", context="device")
    assert session is broker.sessions["key"]
    assert peer.link.context == "device"
    assert peer.wakes == 1
    assert [packet.payload for packet in policy.published] == [b"1"]
    first, second = peer.receive()
    assert isinstance(first, Connack)
    assert isinstance(second, Pong)


def test_late_refusal_forgets_what_arrived(version: int) -> None:
    policy = LatePolicy()
    peer = Peer(Broker(policy, 0.0), version)
    peer.send(Connect("c", version), Publish("a", b"1"))
    policy.waiting[0].refuse(ConnackCode.BAD_USER_NAME_OR_PASSWORD)
    expected = ReasonCode.BAD_USER_NAME_OR_PASSWORD if version == 5 else ConnackCode.BAD_USER_NAME_OR_PASSWORD
    assert peer.expect(Connack).code == expected
    assert peer.wakes == 1
    assert peer.closing()
    assert policy.published == []
    assert [closed.by for _, closed in policy.closings] == [ClosedBy.SERVER]


def test_refusal_may_say_why_in_5() -> None:
    policy = LatePolicy()
    peer = Peer(Broker(policy, 0.0), 5)
    peer.send(Connect("c", 5))
    policy.waiting[0].refuse(ReasonCode.BANNED, "too often")
    assert peer.expect(Connack) == Connack(code=ReasonCode.BANNED, properties=Properties(reason_string="too often"))


def test_decision_for_a_lost_connection_does_nothing() -> None:
    policy = LatePolicy()
    broker = Broker(policy, 0.0)
    peer = Peer(broker)
    peer.send(Connect("c"))
    peer.lose()
    assert policy.waiting[0].accept() is None
    policy.waiting[0].refuse(5)
    assert not broker.sessions
    assert peer.receive() == []
    assert len(policy.closings) == 1


def test_flood_before_the_decision_ends_the_connection() -> None:
    policy = LatePolicy(Capabilities(max_packet_size=1000))
    broker = Broker(policy, 0.0)
    peer = Peer(broker, 5)
    peer.send(Connect("c", 5))
    for _ in range(11):
        peer.link.receive_data(bytes(100))
    assert peer.closing()
    assert peer.expect(Connack).code == ReasonCode.PACKET_TOO_LARGE
    assert policy.waiting[0].accept() is None
    assert not broker.links


def test_much_may_follow_connect_at_once(limited: Make) -> None:
    broker = limited(max_packet_size=1000)
    peer = Peer(broker)
    peer.send(Connect("c"), *[Publish("a", bytes(100))] * 100)
    peer.expect(Connack)
    policy = broker.policy
    assert isinstance(policy, RecordingPolicy)
    assert len(policy.published) == 100


def test_owner_may_close_before_the_decision() -> None:
    policy = LatePolicy()
    peer = Peer(Broker(policy, 0.0), 5)
    peer.send(Connect("c", 5))
    peer.link.close(ReasonCode.SERVER_SHUTTING_DOWN)
    peer.link.close()
    assert peer.closing()
    assert peer.receive() == []
    assert len(policy.closings) == 1


def test_accepting_twice_is_a_mistake_of_the_caller(broker: Broker) -> None:
    peer = connected(broker)
    with pytest.raises(RuntimeError):
        peer.link.accept()
    with pytest.raises(RuntimeError):
        broker.open().accept()
    with pytest.raises(RuntimeError):
        peer.link.refuse(5)
    with pytest.raises(RuntimeError):
        broker.open().grant(Subscribe(1, []))


def test_policy_chooses_session_identifier_times_and_properties() -> None:
    policy = LatePolicy()
    broker = Broker(policy, 0.0)
    peer = Peer(broker, 5)
    peer.send(Connect("c|securemode=3|", 5, keepalive=100))
    policy.waiting[0].accept(
        "pk&dn", client_id="c", keepalive=60, session_expiry=9, properties=Properties(retain_available=1)
    )
    properties = peer.expect(Connack).properties
    assert properties is not None
    assert (properties.assigned_client_identifier, properties.server_keep_alive) == ("c", 60)
    assert (properties.session_expiry_interval, properties.retain_available) == (9, 1)
    assert broker.sessions["pk&dn"].client_id == "c"
    assert broker.sessions["pk&dn"].expiry_interval == 9


def test_password_is_forgotten_once_accepted() -> None:
    policy = LatePolicy()
    peer = Peer(Broker(policy, 0.0))
    peer.send(Connect("c", username="u", password=b"p"))
    policy.waiting[0].accept()
    assert cast("Connect", peer.link.packet).password is None


def test_connection_without_connect_is_closed_in_time(broker: Broker) -> None:
    peer = Peer(broker)
    broker.tick(1009.9)
    assert not peer.closing()
    broker.tick(1010.0)
    assert peer.closing()
    assert peer.wakes == 1
    assert not broker.links


@pytest.mark.parametrize("keepalive", [10, 60])
def test_silent_client_is_closed_after_one_and_a_half_keepalives(broker: Broker, version: int, keepalive: int) -> None:
    peer = connected(broker, version=version, keepalive=keepalive)
    broker.tick(1000.0 + 1.5 * keepalive)
    assert not peer.closing()
    broker.tick(1000.0 + 1.5 * keepalive + 2)
    assert peer.closing()
    assert peer.receive() == ([Disconnect(ReasonCode.KEEP_ALIVE_TIMEOUT)] if version == 5 else [])


def test_any_packet_keeps_a_client_alive(broker: Broker) -> None:
    peer = connected(broker, keepalive=10)
    for step in range(1, 50):
        broker.tick(1000.0 + 10 * step)
        peer.send(Ping())
    assert not peer.closing()


def test_keepalive_0_never_closes(broker: Broker) -> None:
    peer = connected(broker)
    broker.tick(10_000_000.0)
    assert not peer.closing()


def test_limit_of_the_keepalive_is_enforced(limited: Make) -> None:
    broker = limited(max_keepalive=10)
    peer = connected(broker, version=5, keepalive=0)
    broker.tick(1017.0)
    assert peer.closing()


@pytest.mark.parametrize(
    ("will", "limits", "reason"),
    [
        (Will("w", b"", qos=2), {"max_qos": 1}, ReasonCode.QOS_NOT_SUPPORTED),
        (Will("w", b"", retain=True), {"retain": "refused"}, ReasonCode.RETAIN_NOT_SUPPORTED),
        (Will("a/b/c", b""), {"max_topic_levels": 2}, ReasonCode.TOPIC_NAME_INVALID),
    ],
)
def test_will_beyond_the_capabilities_is_refused(
    limited: Make, will: Will, limits: dict[str, object], reason: ReasonCode
) -> None:
    peer = Peer(limited(**limits), 5)
    assert peer.connect(will=will).code == reason


def test_open_policy_is_a_complete_policy() -> None:
    broker = Broker(AllowAllPolicy(), 0.0)
    publisher = connected(broker, "p")
    subscriber = connected(broker, "s")
    subscriber.subscribe("a", 1)
    publisher.publish("a", b"x", 1)
    assert [message.payload for message in subscriber.messages()] == [b"x"]
    publisher.lose()
