from collections.abc import Callable
from typing import Any

import pytest

from tests.mqtt.peer import Peer, RecordingPolicy, connected
from thingplane.mqtt import NEVER, Broker, Delivery, Link, Message, Outbound, Properties, ReasonCode, Session
from thingplane.mqtt.packets import (
    Disconnect,
    Puback,
    Pubcomp,
    Publish,
    Pubrec,
    Pubrel,
    Subscription,
    Will,
)

Make = Callable[..., Broker]


def _keep(version: int, seconds: int = 100) -> dict[str, Any]:
    """Options of a CONNECT that keeps its session."""
    properties = Properties(session_expiry_interval=seconds) if version == 5 else None
    return {"clean_start": False, "properties": properties}


def test_kept_session_waits_with_subscriptions_and_messages(
    broker: Broker, policy: RecordingPolicy, version: int
) -> None:
    peer = connected(broker, version=version, **_keep(version))
    peer.subscribe("a/#")
    peer.send(Disconnect())
    publisher = connected(broker, "p")
    for qos in range(3):
        publisher.publish(f"a/{qos}", b"x", qos, packet_id=qos + 1)
    peer = Peer(broker, version)
    assert peer.connect(**_keep(version)).session_present
    assert [(message.topic, message.qos, message.dup) for message in peer.early if isinstance(message, Publish)] == [
        ("a/1", 1, False),
        ("a/2", 2, False),
    ]
    peer.send(Puback(1), Pubrec(2))
    assert peer.receive() == [Pubrel(2)]
    peer.send(Pubcomp(2))
    assert policy.deliveries == [("c", b"x"), ("c", b"x")]


def test_clean_start_forgets_the_session(broker: Broker, policy: RecordingPolicy, version: int) -> None:
    peer = connected(broker, version=version, **_keep(version))
    peer.subscribe("a")
    peer.lose()
    broker.deliver(broker.sessions["c"], Message("a", b"x", 1))
    peer = Peer(broker, version)
    assert not peer.connect().session_present
    assert peer.early == []
    assert policy.endings == ["c"]
    broker.route(Message("a", b""))
    assert peer.messages() == []


def test_session_that_is_not_kept_ends_with_its_connection(
    broker: Broker, policy: RecordingPolicy, version: int
) -> None:
    peer = connected(broker, version=version)
    peer.subscribe("a")
    peer.lose()
    assert not broker.sessions
    assert policy.endings == ["c"]
    assert broker.route(Message("a", b"")) == 0


def test_session_expires(broker: Broker, policy: RecordingPolicy) -> None:
    connected(broker, version=5, **_keep(5, 60)).lose()
    broker.tick(1059.0)
    assert "c" in broker.sessions
    broker.tick(1060.0)
    assert policy.endings == ["c"]
    assert not Peer(broker, 5).connect(**_keep(5)).session_present


def test_connection_stops_the_expiry(broker: Broker) -> None:
    connected(broker, version=5, **_keep(5, 60)).lose()
    broker.tick(1030.0)
    connected(broker, version=5, **_keep(5, 60))
    broker.tick(9000.0)
    assert "c" in broker.sessions


def test_session_can_be_kept_for_ever(broker: Broker) -> None:
    connected(broker, version=5, **_keep(5, NEVER)).lose()
    connected(broker, "old", 4, clean_start=False).lose()
    broker.tick(10_000_000.0)
    assert sorted(broker.sessions) == ["c", "old"]


def test_3x_sessions_have_the_expiry_of_the_server(limited: Make) -> None:
    broker = limited(session_expiry_3x=60)
    connected(broker, clean_start=False).lose()
    broker.tick(1061.0)
    assert not broker.sessions


def test_disconnect_can_change_the_expiry(broker: Broker) -> None:
    peer = connected(broker, version=5, **_keep(5, 1))
    peer.send(Disconnect(0, Properties(session_expiry_interval=100)))
    broker.tick(1050.0)
    assert "c" in broker.sessions
    peer = connected(broker, version=5, **_keep(5, 100))
    peer.send(Disconnect(0, Properties(session_expiry_interval=0)))
    assert not broker.sessions


def test_disconnect_cannot_keep_a_session_that_was_not_to_be_kept(broker: Broker) -> None:
    peer = connected(broker, version=5)
    peer.send(Disconnect(0, Properties(session_expiry_interval=5)))
    assert peer.link.closing
    assert not broker.sessions


def test_unacknowledged_messages_come_again_in_order(broker: Broker, version: int) -> None:
    peer = connected(broker, version=version, **_keep(version))
    session = broker.sessions["c"]
    for number in range(1, 5):
        broker.deliver(session, Message("a", str(number).encode(), 1 + number % 2))
    assert [message.payload for message in peer.messages()] == [b"1", b"2", b"3", b"4"]
    peer.send(Pubrec(1), Puback(2))
    peer.lose()
    broker.deliver(session, Message("a", b"5", 1))
    peer = connected(broker, version=version, **_keep(version))
    assert peer.early == [
        Pubrel(1),
        Publish("a", b"3", 2, dup=True, packet_id=3),
        Publish("a", b"4", 1, dup=True, packet_id=4),
        Publish("a", b"5", 1, packet_id=5),
    ]


def test_receive_maximum_of_the_client_is_respected(broker: Broker) -> None:
    peer = connected(broker, version=5, properties=Properties(receive_maximum=2))
    session = broker.sessions["c"]
    results = [broker.deliver(session, Message("a", bytes([number]), 1 + number % 2)) for number in range(4)]
    assert results == [Delivery.SENT, Delivery.SENT, Delivery.QUEUED, Delivery.QUEUED]
    assert [message.packet_id for message in peer.messages()] == [1, 2]
    peer.send(Puback(1))
    assert [message.packet_id for message in peer.messages()] == [3]
    peer.send(Pubrec(2))
    assert peer.receive() == [Pubrel(2)]
    peer.send(Pubcomp(2))
    assert [message.packet_id for message in peer.messages()] == [4]


def test_smaller_window_after_coming_back_is_respected(broker: Broker) -> None:
    peer = connected(broker, version=5, **_keep(5))
    for number in range(4):
        broker.deliver(broker.sessions["c"], Message("a", bytes([number]), 1))
    peer.lose()
    properties = Properties(session_expiry_interval=100, receive_maximum=1)
    peer = connected(broker, version=5, clean_start=False, properties=properties)
    assert [packet.packet_id for packet in peer.early if isinstance(packet, Publish)] == [1]
    for number in range(1, 4):
        peer.send(Puback(number))
        assert peer.receive() == [Publish("a", bytes([number]), 1, dup=True, packet_id=number + 1)]


def test_waiting_messages_are_bounded(limited: Make) -> None:
    broker = limited(max_queued=2, max_inflight=1)
    connected(broker)
    session = broker.sessions["c"]
    results = [broker.deliver(session, Message("a", b"", 1)) for _ in range(4)]
    assert results == [Delivery.SENT, Delivery.QUEUED, Delivery.QUEUED, Delivery.QUEUE_FULL]
    assert len(session.queue) == 2


def test_expired_messages_make_room(limited: Make) -> None:
    broker = limited(max_queued=2, max_inflight=1)
    connected(broker)
    session = broker.sessions["c"]
    for number, expires_at in enumerate((None, 1005.0, None)):
        broker.deliver(session, Message("a", bytes([number]), 1, expires_at=expires_at))
    broker.tick(1005.0)
    assert broker.deliver(session, Message("a", b"new", 1)) is Delivery.QUEUED
    policy = broker.policy
    assert isinstance(policy, RecordingPolicy)
    assert policy.drops == [("c", b"\x01", Delivery.EXPIRED)]


def test_peer_that_does_not_read_loses_qos_0_and_keeps_the_rest_waiting(broker: Broker) -> None:
    peer = connected(broker)
    session = broker.sessions["c"]
    peer.link.pause_writing()
    assert broker.deliver(session, Message("a", b"0")) is Delivery.OFFLINE
    assert broker.deliver(session, Message("a", b"1", 1)) is Delivery.QUEUED
    assert not peer.link.publish("a", b"2")
    assert peer.receive() == []
    peer.link.resume_writing()
    assert peer.wakes == 1
    assert [message.payload for message in peer.messages()] == [b"1"]


def test_qos_0_does_not_wait_for_a_client(broker: Broker) -> None:
    connected(broker, clean_start=False).lose()
    assert broker.deliver(broker.sessions["c"], Message("a", b"")) is Delivery.OFFLINE


def test_message_too_large_for_the_client_is_dropped(broker: Broker, policy: RecordingPolicy) -> None:
    limit = Properties(maximum_packet_size=30, session_expiry_interval=100)
    peer = connected(broker, version=5, properties=limit)
    session = broker.sessions["c"]
    assert broker.deliver(session, Message("a", bytes(40))) is Delivery.TOO_LARGE
    assert broker.deliver(session, Message("a", bytes(40), 1)) is Delivery.TOO_LARGE
    assert peer.receive() == []
    peer.lose()
    broker.deliver(session, Message("a", bytes(40), 1))
    peer = connected(broker, version=5, clean_start=False, properties=limit)
    assert peer.early == []
    assert policy.drops == [("c", bytes(40), Delivery.TOO_LARGE)]
    assert not session.inflight


def test_refused_message_is_dropped_and_frees_the_window(broker: Broker, policy: RecordingPolicy) -> None:
    peer = connected(broker, version=5, properties=Properties(receive_maximum=1))
    session = broker.sessions["c"]
    for number in (1, 2, 3):
        broker.deliver(session, Message("a", bytes([number]), 1 + number % 2))
    peer.send(Pubrec(1, ReasonCode.QUOTA_EXCEEDED))
    peer.send(Puback(2, ReasonCode.NOT_AUTHORIZED))
    assert [message.packet_id for message in peer.messages()] == [1, 2, 3]
    assert [why for _, _, why in policy.drops] == [Delivery.REFUSED, Delivery.REFUSED]


def test_unknown_acknowledgements_change_nothing(broker: Broker, policy: RecordingPolicy) -> None:
    peer = connected(broker, version=5)
    broker.deliver(broker.sessions["c"], Message("a", b"", 2))
    peer.receive()
    peer.send(Puback(1), Puback(9), Pubcomp(1), Pubcomp(9), Pubrec(9, 0x80))
    assert peer.receive() == []
    peer.send(Pubrec(9))
    assert peer.receive() == [Pubrel(9, ReasonCode.PACKET_IDENTIFIER_NOT_FOUND)]
    assert policy.deliveries == []
    assert list(broker.sessions["c"].inflight) == [1]


def test_packet_identifiers_go_round_and_skip_those_in_use(broker: Broker) -> None:
    peer = connected(broker)
    session = broker.sessions["c"]
    broker.deliver(session, Message("a", b"", 1))
    session.next_packet_id = 65_535
    for _ in range(3):
        broker.deliver(session, Message("a", b"", 1))
    assert [message.packet_id for message in peer.messages()] == [1, 65_535, 2, 3]


def test_message_expires_while_it_waits(broker: Broker, policy: RecordingPolicy, version: int) -> None:
    connected(broker, version=version, **_keep(version, 5000)).lose()
    publisher = connected(broker, "p", 5)
    peer = connected(broker, version=version, **_keep(version, 5000))
    peer.subscribe("a")
    peer.lose()
    for number, interval in enumerate((1, 60), 1):
        properties = Properties(message_expiry_interval=interval)
        publisher.publish("a", bytes([number]), number, packet_id=number, properties=properties)
    broker.tick(1003.0)
    peer = connected(broker, version=version, **_keep(version, 5000))
    (message,) = (packet for packet in peer.early if isinstance(packet, Publish))
    assert message.payload == b"\x02"
    if version == 5:
        assert message.properties == Properties(message_expiry_interval=57)
    assert policy.drops == [("c", b"\x01", Delivery.EXPIRED)]


def test_expired_message_is_not_delivered(broker: Broker) -> None:
    connected(broker)
    session = broker.sessions["c"]
    for qos in range(3):
        assert broker.deliver(session, Message("a", b"", qos, expires_at=1000.0)) is Delivery.EXPIRED


def test_message_whose_delivery_began_is_sent_again_even_if_expired(broker: Broker) -> None:
    peer = connected(broker, version=5, **_keep(5))
    broker.deliver(broker.sessions["c"], Message("a", b"", 1, expires_at=1002.0))
    peer.lose()
    broker.tick(1010.0)
    peer = connected(broker, version=5, **_keep(5))
    (message,) = peer.early
    assert isinstance(message, Publish)
    assert message.dup
    assert message.properties == Properties(message_expiry_interval=0)


def test_session_can_be_restored_from_a_store(broker: Broker, version: int) -> None:
    stored = Session(
        "c",
        subscriptions={"a": Subscription("a", 1)},
        inflight={7: Outbound(Message("x", b"1", 1), 1), 8: Outbound(Message("x", b"2", 2), 2, released=True)},
        inbound={5: True},
        next_packet_id=9,
    )
    stored.queue.append(Outbound(Message("x", b"3", 1), 1))
    broker.restore(stored)
    assert broker.route(Message("a", b"4", 1)) == 1
    peer = Peer(broker, version)
    assert peer.connect(**_keep(version)).session_present
    assert peer.early == [
        Publish("x", b"1", 1, dup=True, packet_id=7),
        Pubrel(8),
        Publish("x", b"3", 1, packet_id=9),
        Publish("a", b"4", 1, packet_id=10),
    ]
    with pytest.raises(ValueError, match="exists"):
        broker.restore(Session("c"))


def test_restored_session_expires(broker: Broker) -> None:
    broker.restore(Session("c", expiry_interval=50))
    broker.restore(Session("d", expiry_interval=50, expires_at=1010.0))
    broker.tick(1010.0)
    assert list(broker.sessions) == ["c"]
    broker.tick(1050.0)
    assert not broker.sessions


def test_session_can_be_dropped(broker: Broker, policy: RecordingPolicy) -> None:
    peer = connected(broker, version=5, **_keep(5))
    session = broker.sessions["c"]
    broker.drop(session, ReasonCode.NOT_AUTHORIZED)
    assert peer.expect(Disconnect).reason == ReasonCode.NOT_AUTHORIZED
    assert not broker.sessions
    broker.drop(session)
    assert policy.endings == ["c"]


def _watcher(broker: Broker) -> Peer:
    watcher = connected(broker, "watcher", 5)
    watcher.subscribe("will")
    return watcher


def test_will_is_published_when_the_client_is_lost(broker: Broker, version: int) -> None:
    watcher = _watcher(broker)
    properties = Properties(user_properties=[("a", "b")], message_expiry_interval=9) if version == 5 else None
    will = Will("will", b"gone", 1, properties=properties)
    connected(broker, version=version, will=will).lose()
    (message,) = watcher.messages()
    assert (message.payload, message.qos) == (b"gone", 1)
    assert message.properties == properties


def test_will_is_published_when_the_client_is_silent(broker: Broker, version: int) -> None:
    watcher = _watcher(broker)
    connected(broker, version=version, will=Will("will", b""), keepalive=2)
    broker.tick(1010.0)
    assert len(watcher.messages()) == 1


def test_will_is_published_after_a_protocol_error(broker: Broker, version: int) -> None:
    watcher = _watcher(broker)
    connected(broker, version=version, will=Will("will", b"")).link.receive_data(b"\0\0")
    assert len(watcher.messages()) == 1


def test_will_is_published_when_the_session_is_taken_over(broker: Broker, version: int) -> None:
    watcher = _watcher(broker)
    connected(broker, version=version, will=Will("will", b""))
    connected(broker, version=version)
    assert len(watcher.messages()) == 1


def test_will_is_not_published_after_a_disconnect(broker: Broker, version: int) -> None:
    watcher = _watcher(broker)
    peer = connected(broker, version=version, will=Will("will", b""))
    peer.send(Disconnect())
    peer.lose()
    assert watcher.messages() == []


def test_disconnect_can_ask_for_the_will(broker: Broker) -> None:
    watcher = _watcher(broker)
    connected(broker, version=5, will=Will("will", b"")).send(Disconnect(ReasonCode.DISCONNECT_WITH_WILL))
    assert len(watcher.messages()) == 1


def test_will_can_be_retained(broker: Broker) -> None:
    connected(broker, will=Will("will", b"x", retain=True)).lose()
    assert [message.payload for message in connected(broker, "other").subscribe("will")] == [b"x"]


def test_wills_can_be_ignored(limited: Make) -> None:
    broker = limited(wills="ignored", max_qos=1)
    watcher = connected(broker, "watcher")
    watcher.subscribe("will", 1)
    connected(broker, will=Will("will", b"", 2)).lose()
    assert watcher.messages() == []


@pytest.mark.parametrize(("delay", "expiry", "at"), [(3, 60, 3), (60, 5, 5), (5, 0, 0)])
def test_will_waits_for_its_delay_or_the_end_of_the_session(broker: Broker, delay: int, expiry: int, at: int) -> None:
    watcher = _watcher(broker)
    will = Will("will", b"", properties=Properties(will_delay_interval=delay))
    properties = Properties(session_expiry_interval=expiry)
    connected(broker, version=5, will=will, properties=properties).lose()
    for second in range(at):
        broker.tick(1000.0 + second)
        assert watcher.messages() == []
    broker.tick(1000.0 + at)
    assert len(watcher.messages()) == 1
    broker.tick(1100.0)
    assert watcher.messages() == []


@pytest.mark.parametrize(("clean", "expected"), [(False, 0), (True, 1)])
def test_client_that_comes_back_stops_a_delayed_will(broker: Broker, clean: bool, expected: int) -> None:
    watcher = _watcher(broker)
    will = Will("will", b"", properties=Properties(will_delay_interval=10))
    connected(broker, version=5, will=will, properties=Properties(session_expiry_interval=60)).lose()
    broker.tick(1005.0)
    connected(broker, version=5, clean_start=clean)
    broker.tick(1050.0)
    assert len(watcher.messages()) == expected


def test_nothing_is_left_of_clients_that_are_gone(broker: Broker, version: int) -> None:
    for number in range(50):
        peer = connected(broker, str(number), version, keepalive=60, will=Will("w", b""))
        peer.subscribe("a/+/b")
        peer.lose()
    assert not broker.sessions
    assert not broker.links
    assert len(broker._link_wheel) == len(broker._session_wheel) == 0
    assert not broker._index._root.children


def test_will_of_a_kept_session_is_published_at_once_without_a_delay(broker: Broker, version: int) -> None:
    watcher = _watcher(broker)
    connected(broker, version=version, will=Will("will", b""), **_keep(version)).lose()
    assert len(watcher.messages()) == 1
    broker.tick(10_000.0)
    assert watcher.messages() == []


def test_repetition_too_large_for_the_client_is_dropped(broker: Broker, policy: RecordingPolicy) -> None:
    peer = connected(broker, version=5, **_keep(5))
    broker.deliver(broker.sessions["c"], Message("a", bytes(40), 1))
    peer.lose()
    properties = Properties(session_expiry_interval=100, maximum_packet_size=30)
    peer = connected(broker, version=5, clean_start=False, properties=properties)
    assert peer.early == []
    assert policy.drops == [("c", bytes(40), Delivery.TOO_LARGE)]


def test_connection_lost_while_its_packets_are_handled_stops_them() -> None:
    class Closing(RecordingPolicy):
        def publish(self, link: Link, packet: Publish) -> None:
            self.published.append(packet)
            link.close(ReasonCode.NOT_AUTHORIZED)

    policy = Closing()
    peer = connected(Broker(policy, 0.0), version=5)
    peer.send(Publish("a", b"1"), Publish("a", b"2"))
    assert len(policy.published) == 1
    assert peer.expect(Disconnect).reason == ReasonCode.NOT_AUTHORIZED
