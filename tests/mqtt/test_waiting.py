"""How much may wait for clients that do not take it."""

from collections.abc import Callable

import pytest

from tests.mqtt.peer import Peer, connected
from thingplane.mqtt import Broker, Delivery, Message, Properties, Session
from thingplane.mqtt.packets import Puback, Publish

Limited = Callable[..., Broker]


def _gateway(broker: Broker, subs: int = 1, window: int = 1) -> tuple[Peer, list[Session]]:
    """Return a gateway with a window of one message, and sessions that it carries."""
    peer = connected(broker, "hub", version=5, properties=Properties(receive_maximum=window))
    hub = broker.sessions["hub"]
    carried = [broker.carry(f"sub-{n}", hub, client_id="s", clean=False, expiry=100)[0] for n in range(subs)]
    return peer, carried


def _send(broker: Broker, session: Session, count: int) -> list[Delivery]:
    return [broker.deliver(session, Message(session.key, b"%d" % n, 1)) for n in range(count)]


def test_a_client_that_never_acknowledges_has_a_full_window_and_a_full_queue(limited: Limited) -> None:
    broker = limited(max_inflight=3, max_queued=5)
    peer = connected(broker, clean_start=False)
    session = broker.sessions["c"]
    outcomes = _send(broker, session, 10)
    assert outcomes == [Delivery.SENT] * 3 + [Delivery.QUEUED] * 5 + [Delivery.QUEUE_FULL] * 2
    assert (len(session.inflight), len(session.queue), len(peer.messages())) == (3, 5, 3)
    peer.lose()
    again = Peer(broker)
    again.connect(clean_start=False)
    assert (len(session.inflight), len(session.queue)) == (3, 5)
    assert [item.payload for item in again.early if isinstance(item, Publish)] == [b"0", b"1", b"2"]


def test_all_sessions_together_hold_so_much(limited: Limited) -> None:
    broker = limited(max_inflight=2, max_waiting_bytes=5 * (512 + 2))
    peers = [connected(broker, name, clean_start=False) for name in "abc"]
    a, b, c = (broker.sessions[name] for name in "abc")
    assert _send(broker, a, 3) == [Delivery.SENT, Delivery.SENT, Delivery.QUEUED]
    assert _send(broker, b, 3) == [Delivery.SENT, Delivery.SENT, Delivery.QUEUE_FULL]
    assert broker.deliver(c, Message("c", b"0")) is Delivery.SENT
    peers[0].send(Puback(1))
    assert _send(broker, c, 2) == [Delivery.SENT, Delivery.QUEUE_FULL]
    broker.drop(b)
    assert _send(broker, c, 3) == [Delivery.SENT, Delivery.QUEUED, Delivery.QUEUE_FULL]
    for name in "ac":
        broker.drop(broker.sessions[name])
    assert broker.waiting == 0


@pytest.mark.parametrize("online", [True, False])
def test_waiting_messages_have_a_size_in_all_what_is_in_flight_counts(limited: Limited, online: bool) -> None:
    broker = limited(max_inflight=2, max_queued=100, max_queued_bytes=1000)
    peer = connected(broker, clean_start=False)
    if not online:
        peer.lose()
    session = broker.sessions["c"]
    outcomes = [broker.deliver(session, Message("t", b"x" * 199, 1)).dropped for _ in range(7)]
    assert outcomes == [False] * 5 + [True] * 2
    assert broker.deliver(session, Message("t", b"x" * 5000, 1)) is Delivery.QUEUE_FULL
    if online:
        peer.messages()
        peer.send(Puback(1))
        assert broker.deliver(session, Message("t", b"x" * 199, 1)) is Delivery.QUEUED


def test_expired_messages_make_room_for_others(limited: Limited) -> None:
    broker = limited(max_queued=2, max_queued_bytes=50)
    connected(broker, clean_start=False).lose()
    session = broker.sessions["c"]
    assert broker.deliver(session, Message("t", b"x" * 40, 1, expires_at=broker.now + 5)) is Delivery.QUEUED
    assert broker.deliver(session, Message("t", b"x" * 40, 1)) is Delivery.QUEUE_FULL
    broker.tick(broker.now + 6)
    assert broker.deliver(session, Message("t", b"x" * 40, 1)) is Delivery.QUEUED


def test_each_device_behind_a_gateway_has_a_queue_of_its_own(limited: Limited) -> None:
    broker = limited(max_queued=3)
    _, (greedy, modest) = _gateway(broker, 2)
    hub = broker.sessions["hub"]
    outcomes = _send(broker, greedy, 9)
    assert outcomes == [Delivery.SENT] + [Delivery.QUEUED] * 3 + [Delivery.QUEUE_FULL] * 5
    assert _send(broker, modest, 4) == [Delivery.QUEUED] * 3 + [Delivery.QUEUE_FULL]
    assert _send(broker, hub, 4) == [Delivery.QUEUED] * 3 + [Delivery.QUEUE_FULL]
    assert [len(session.queue) for session in (hub, greedy, modest)] == [3, 3, 3]


def test_devices_behind_a_gateway_take_turns(limited: Limited) -> None:
    broker = limited()
    peer, (first, second, third) = _gateway(broker, 3)
    for session, count in ((first, 4), (second, 2), (third, 1)):
        _send(broker, session, count)
    seen = []
    for _ in range(7):
        [message] = peer.messages()
        seen.append((message.topic, message.payload))
        peer.send(Puback(message.packet_id))
    assert [topic for topic, _ in seen] == ["sub-0", "sub-0", "sub-1", "sub-2", "sub-0", "sub-1", "sub-0"]
    for name in ("sub-0", "sub-1"):
        payloads = [payload for topic, payload in seen if topic == name]
        assert payloads == sorted(payloads)


def test_what_was_in_flight_comes_before_what_waited_when_a_device_changes_its_gateway(limited: Limited) -> None:
    broker = limited()
    peer, [sub] = _gateway(broker, 1)
    _send(broker, sub, 3)
    peer.lose()
    broker.release(sub)
    assert [item.message.payload for item in sub.queue] == [b"0", b"1", b"2"]
    assert not broker.sessions.get("hub")


def test_a_session_that_is_over_leaves_nothing_behind_its_carrier(limited: Limited) -> None:
    broker = limited()
    _, subs = _gateway(broker, 50)
    hub = broker.sessions["hub"]
    for session in subs:
        _send(broker, session, 2)
    assert hub.behind is not None
    assert len(hub.behind) == 50
    for position, session in enumerate(subs):
        if position % 2:
            broker.release(session)
        else:
            broker.drop(session)
    assert hub.behind == {}
