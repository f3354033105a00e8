"""Sessions that are reached over another session's connection."""

import pytest

from tests.mqtt.peer import Peer, RecordingPolicy, connected
from thingplane.mqtt import Broker, Capabilities, Delivery, Message, Properties, Session
from thingplane.mqtt.packets import Puback, Publish, Subscribe, Subscription, Unsubscribe


def _carrier(broker: Broker, *, kept: bool = True, client_id: str = "hub") -> tuple[Peer, Session]:
    peer = connected(broker, client_id, clean_start=not kept)
    return peer, broker.sessions[client_id]


def _carried(broker: Broker, carrier: Session, *, clean: bool = False, expiry: int = 100) -> Session:
    session, _ = broker.carry("sub", carrier, client_id="sub", clean=clean, expiry=expiry)
    broker.pump(session)
    return session


def test_messages_take_the_carriers_connection_and_its_packet_identifiers(broker: Broker) -> None:
    peer, hub = _carrier(broker)
    sub = _carried(broker, hub)
    assert broker.deliver(hub, Message("hub", b"1", 1)) is Delivery.SENT
    assert broker.deliver(sub, Message("sub", b"2", 1)) is Delivery.SENT
    assert broker.deliver(sub, Message("sub", b"3")) is Delivery.SENT
    assert [(item.topic, item.payload, item.packet_id) for item in peer.messages()] == [
        ("hub", b"1", 1),
        ("sub", b"2", 2),
        ("sub", b"3", 0),
    ]
    peer.send(Puback(2), Puback(1))
    assert (hub.inflight, sub.inflight) == ({}, {})


def test_subscriptions_of_a_carried_session_are_its_own(broker: Broker) -> None:
    peer, hub = _carrier(broker)
    sub = _carried(broker, hub)
    packet = Subscribe(1, [Subscription("a", 1), Subscription("b", 1)])
    peer.link.grant(packet, [1, 1], [hub, sub])
    assert (set(hub.subscriptions), set(sub.subscriptions)) == ({"a"}, {"b"})
    assert broker.route(Message("b", b"x", 1)) == 1
    assert [item.topic for item in peer.messages()] == ["b"]
    peer.link.revoke(Unsubscribe(2, ["b"]), None, [sub])
    assert (set(hub.subscriptions), set(sub.subscriptions)) == ({"a"}, set())
    assert broker.route(Message("b", b"x", 1)) == 0


def test_what_waits_is_sent_when_the_carrier_has_been_told(broker: Broker) -> None:
    peer, hub = _carrier(broker)
    sub = _carried(broker, hub)
    broker.release(sub)
    assert broker.deliver(sub, Message("sub", b"0")) is Delivery.OFFLINE
    assert broker.deliver(sub, Message("sub", b"1", 1)) is Delivery.QUEUED
    again, present = broker.carry("sub", hub, client_id="sub", clean=False, expiry=100)
    assert (again, present) == (sub, True)
    assert peer.messages() == []
    broker.pump(sub)
    assert [item.payload for item in peer.messages()] == [b"1"]


def test_a_clean_start_forgets_what_waits(broker: Broker, policy: RecordingPolicy) -> None:
    peer, hub = _carrier(broker)
    sub = _carried(broker, hub)
    broker.release(sub)
    broker.deliver(sub, Message("sub", b"1", 1))
    anew = _carried(broker, hub, clean=True, expiry=0)
    assert anew is not sub
    assert peer.messages() == []
    broker.release(anew)
    assert "sub" not in broker.sessions
    assert policy.endings == ["sub", "sub"]


@pytest.mark.parametrize("kept", [True, False])
def test_what_the_carrier_did_not_acknowledge_goes_back(broker: Broker, *, kept: bool) -> None:
    peer, hub = _carrier(broker, kept=kept)
    sub = _carried(broker, hub)
    for payload in (b"1", b"2"):
        broker.deliver(sub, Message("sub", payload, 1))
        broker.deliver(hub, Message("hub", payload, 1))
    peer.send(Puback(1))
    peer.lose()
    broker.release(sub)
    other, carrier = _carrier(broker, client_id="other")
    broker.carry("sub", carrier, client_id="sub", clean=False, expiry=100)
    broker.pump(sub)
    assert [(item.payload, item.dup) for item in other.messages()] == [(b"2", False)]
    again = Peer(broker)
    again.connect("hub", clean_start=False)
    assert [item.topic for item in again.early if isinstance(item, Publish)] == (["hub", "hub"] if kept else [])


def test_what_did_not_fit_into_the_window_goes_back_at_the_release(broker: Broker) -> None:
    peer = connected(broker, "hub", version=5, properties=Properties(receive_maximum=1))
    hub = broker.sessions["hub"]
    sub = _carried(broker, hub)
    for payload in (b"1", b"2"):
        broker.deliver(sub, Message("sub", payload, 1))
    broker.deliver(hub, Message("hub", b"3", 1))
    assert [item.payload for item in peer.messages()] == [b"1"]
    broker.release(sub)
    peer.send(Puback(1))
    assert [item.payload for item in peer.messages()] == [b"3"]
    peer.send(Puback(2))
    broker.carry("sub", hub, client_id="sub", clean=False, expiry=100)
    broker.pump(sub)
    assert [item.payload for item in peer.messages()] == [b"2"]


def test_what_was_sent_before_the_release_goes_back_when_the_connection_ends(broker: Broker) -> None:
    peer, hub = _carrier(broker)
    sub = _carried(broker, hub)
    broker.deliver(sub, Message("sub", b"1", 1))
    broker.release(sub)
    other, carrier = _carrier(broker, client_id="other")
    broker.carry("sub", carrier, client_id="sub", clean=False, expiry=100)
    peer.lose()
    assert [item.payload for item in other.messages()] == [b"1"]


def test_messages_of_a_session_that_is_over_are_dropped_with_the_connection(
    broker: Broker, policy: RecordingPolicy
) -> None:
    peer, hub = _carrier(broker)
    sub = _carried(broker, hub, expiry=0)
    broker.deliver(sub, Message("sub", b"1", 1))
    broker.release(sub)
    peer.lose()
    assert policy.drops == [("hub", b"1", Delivery.OFFLINE)]
    assert hub.inflight == {}


def test_a_released_session_expires(broker: Broker, policy: RecordingPolicy) -> None:
    _, hub = _carrier(broker)
    sub = _carried(broker, hub)
    broker.tick(1500)
    assert "sub" in broker.sessions
    broker.release(sub)
    broker.tick(1700)
    assert "sub" not in broker.sessions
    assert policy.endings == ["sub"]


def test_the_room_of_a_carried_session_is_its_own(policy: RecordingPolicy) -> None:
    policy.capabilities = Capabilities(max_queued=2, max_queued_bytes=100, max_inflight=3)
    broker = Broker(policy, 0.0)
    peer, hub = _carrier(broker)
    sub = _carried(broker, hub)
    # Its own messages on their way over the carrier count, those of the carrier do not.
    assert broker.deliver(hub, Message("h", bytes(90), 1)) is Delivery.SENT
    assert broker.deliver(sub, Message("s", bytes(60), 1)) is Delivery.SENT
    assert broker.deliver(sub, Message("s", bytes(60), 1)) is Delivery.QUEUE_FULL
    assert broker.deliver(hub, Message("h", bytes(60), 1)) is Delivery.QUEUE_FULL
    peer.send(Puback(2))
    assert [broker.deliver(sub, Message("s", b"1", 1)) for _ in range(4)] == [
        Delivery.SENT,
        Delivery.SENT,
        Delivery.QUEUED,
        Delivery.QUEUED,
    ]
    assert broker.deliver(sub, Message("s", b"1", 1)) is Delivery.QUEUE_FULL
    # A full queue of a sub-device leaves the gateway its own.
    assert broker.deliver(hub, Message("h", b"1", 1)) is Delivery.QUEUED
