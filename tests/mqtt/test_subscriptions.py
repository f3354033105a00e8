from hypothesis import given, settings
from hypothesis import strategies as st

from tests.mqtt.test_topics import MATCHES
from thingplane.mqtt import Message, Session
from thingplane.mqtt.packets import Subscription
from thingplane.mqtt.retained import RetainedMessages
from thingplane.mqtt.subscriptions import SubscriptionIndex
from thingplane.mqtt.topics import is_valid_filter, matches

levels = st.sampled_from(["a", "b", "", "$c"])
topics = st.lists(levels, min_size=1, max_size=4).map("/".join)
filters = st.lists(levels | st.sampled_from(["+", "#"]), min_size=1, max_size=4).map("/".join).filter(is_valid_filter)


@settings(deadline=None)
@given(st.lists(filters, max_size=8, unique=True), st.sets(st.integers(0, 7)), topics.filter(bool))
def test_index_finds_exactly_what_matches(subscribed: list[str], removed: set[int], topic: str) -> None:
    index = SubscriptionIndex()
    sessions = {item: Session(item) for item in subscribed}
    for item, session in sessions.items():
        assert not index.add(session, Subscription(item))
        assert index.add(session, Subscription(item))
    for number, (item, session) in enumerate(list(sessions.items())):
        if number in removed:
            assert index.remove(session, item)
            assert not index.remove(session, item)
            del sessions[item]
    found = sorted(session.key for entry in index.match(topic) for session in entry.sessions)
    assert found == sorted(item for item in sessions if matches(item, topic))


@settings(deadline=None)
@given(st.lists(filters, max_size=8, unique=True))
def test_index_forgets_everything(subscribed: list[str]) -> None:
    index = SubscriptionIndex()
    session = Session("s")
    for item in subscribed:
        index.add(session, Subscription(item))
        index.add(session, Subscription(f"$share/g/{item}"))
    for item in subscribed:
        index.remove(session, f"$share/g/{item}")
        index.remove(session, item)
    assert not index._exact
    assert not index._root.children


def test_table_of_matches_holds_for_the_index() -> None:
    for topic_filter, topic, expected in MATCHES:
        index = SubscriptionIndex()
        index.add(Session("s"), Subscription(topic_filter))
        assert bool(index.match(topic)) is expected, (topic_filter, topic)


def test_members_of_a_group_take_turns() -> None:
    index = SubscriptionIndex()
    for key in "xyz":
        index.add(Session(key), Subscription("$share/g/a"))
    (entry,) = index.match("a")
    assert [entry.groups["g"].choose()[0].key for _ in range(6)] == list("xyzxyz")


@settings(deadline=None)
@given(st.lists(topics.filter(bool), max_size=8), st.sets(st.integers(0, 7)), filters)
def test_retained_messages_are_found_by_filter(kept: list[str], removed: set[int], topic_filter: str) -> None:
    store = RetainedMessages(100)
    for topic in kept:
        assert store.store(Message(topic, b"1", retain=True))
    left = set(kept)
    for number in removed & set(range(len(kept))):
        store.store(Message(kept[number], b"", retain=True))
        left.discard(kept[number])
    found = [message.topic for message in store.match(topic_filter, 0.0)]
    assert sorted(found) == sorted(topic for topic in left if matches(topic_filter, topic))
    assert len(store) == len(left)


def test_retained_message_is_replaced_expires_and_leaves_nothing() -> None:
    store = RetainedMessages(100)
    store.store(Message("a/b", b"1"))
    store.store(Message("a/b", b"2", expires_at=5.0))
    assert [message.payload for message in store.match("a/+", 4.9)] == [b"2"]
    assert store.match("a/+", 5.0) == []
    assert len(store) == 0
    assert not store._root.children


def test_retained_messages_are_bounded() -> None:
    store = RetainedMessages(1)
    assert store.store(Message("a", b"1"))
    assert not store.store(Message("b", b"1"))
    assert store.store(Message("a", b"2"))
    assert len(store) == 1
