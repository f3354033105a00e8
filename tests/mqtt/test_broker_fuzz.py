"""Whatever clients do, the broker answers with well-formed packets and keeps its books."""

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.mqtt import strategies
from tests.mqtt.peer import Peer, RecordingPolicy
from thingplane.mqtt import Broker, Capabilities
from thingplane.mqtt.packets import (
    Connect,
    Packet,
    Puback,
    Pubcomp,
    Publish,
    Pubrec,
    Pubrel,
    Subscribe,
    Subscription,
    Unsubscribe,
    Will,
)
from thingplane.mqtt.properties import Properties

topics = st.sampled_from(["a", "a/b", "$x", "c"])
filters = st.sampled_from(["a", "a/#", "+", "#", "$share/g/a", "$x", "a/+/b#"])
numbers = st.integers(1, 3)


def _busy_packet(version: int) -> st.SearchStrategy[Packet]:
    """Packets that collide: few topics, few identifiers."""

    def publish(topic: str, qos: int, retain: bool, dup: bool, number: int) -> Publish:
        return Publish(topic, b"x" * number, qos, retain, dup and qos > 0, number if qos else 0)

    subscription = st.builds(Subscription, filters, st.integers(0, 2))
    return st.one_of(
        st.builds(publish, topics, st.integers(0, 2), st.booleans(), st.booleans(), numbers),
        st.builds(Subscribe, numbers, st.lists(subscription, min_size=1, max_size=3)),
        st.builds(Unsubscribe, numbers, st.lists(filters, min_size=1, max_size=2)),
        st.builds(Puback, numbers),
        st.builds(Pubrec, numbers),
        st.builds(Pubrel, numbers),
        st.builds(Pubcomp, numbers),
        strategies.client_packet(version),
        strategies.disconnect(version),
    )


@st.composite
def steps(draw: st.DrawFn) -> tuple[int, str, list[Packet]]:
    """What happens to one of three clients: its version, an action, packets."""
    version = draw(strategies.versions)
    action = draw(st.sampled_from(["connect", "send", "send", "send", "lose", "pause", "resume", "wait"]))
    return version, action, draw(st.lists(_busy_packet(version), max_size=6)) if action == "send" else []


def _connect(broker: Broker, client_id: str, version: int, number: int) -> Peer:
    peer = Peer(broker, version)
    properties = Properties(session_expiry_interval=number, receive_maximum=1 + number % 3, topic_alias_maximum=1)
    will = Will("a", b"will", number % 3, retain=bool(number % 2))
    new = properties if version == 5 else None
    peer.send(Connect(client_id, version, bool(number % 2), number, will=will, properties=new))
    return peer


@settings(deadline=None, max_examples=100)
@given(st.lists(st.tuples(st.integers(0, 2), steps()), max_size=25))
def test_nothing_clients_do_breaks_the_broker(script: list[tuple[int, tuple[int, str, list[Packet]]]]) -> None:
    capabilities = Capabilities(max_queued=5, max_inflight=3, max_retained=3, max_subscriptions=4, receive_maximum=5)
    policy = RecordingPolicy(capabilities)
    broker = Broker(policy, 0.0)
    peers: dict[int, Peer] = {}
    for number, (client, (version, action, packets)) in enumerate(script):
        peer = peers.get(client)
        if peer is None or (action == "connect" and not peer.closing()):
            peers[client] = peer = _connect(broker, f"c{client}", version, number)
        elif action == "send":
            peer.send(*(packet for packet in packets if peer.version == version))
        elif action == "lose":
            peers.pop(client).lose()
        elif action == "pause":
            peer.link.pause_writing()
        elif action == "resume":
            peer.link.resume_writing()
        else:
            broker.tick(broker.now + 3)
        for each in peers.values():
            each.receive()
        for session in broker.sessions.values():
            assert len(session.queue) <= 5
            assert len(session.inflight) <= 3
            assert len(session.subscriptions) <= 4
            assert session.link is None or session.link in broker.links
        assert len(broker.retained) <= 3
        assert broker.waiting == sum(item.cost for session in broker.sessions.values() for item in session.held())
    for peer in peers.values():
        peer.lose()
    broker.tick(broker.now + 1000)
    assert not broker.links
    assert broker.waiting == sum(item.cost for session in broker.sessions.values() for item in session.held())
    assert len(broker._link_wheel) == 0
    closed = [link for link, _ in policy.closings]
    assert len(closed) == len(set(closed))
