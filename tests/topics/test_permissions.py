import itertools

from hypothesis import given
from hypothesis import strategies as st

from thingplane.topics.permissions import TopicPermissions

# "z" stands for every level that no category spells out.
TOPICS = ["/".join(levels) for depth in range(1, 6) for levels in itertools.product("abz", repeat=depth)]


def matches(topic_filter: str, topic: str) -> bool:
    """MQTT 5.0, section 4.7, by the letter."""
    levels = topic.split("/")
    for index, level in enumerate(topic_filter.split("/")):
        if level == "#":
            return True
        if index == len(levels) or level not in ("+", levels[index]):
            return False
    return len(topic_filter.split("/")) == len(levels)


filters = st.tuples(st.lists(st.sampled_from("ab+"), min_size=1, max_size=3), st.sampled_from(["", "/#"])).map(
    lambda parts: "/".join(parts[0]) + parts[1]
)


@given(categories=st.lists(filters, max_size=4), wanted=filters)
def test_a_filter_is_permitted_exactly_when_categories_match_all_its_topics(categories: list[str], wanted: str) -> None:
    matched = [topic for topic in TOPICS if matches(wanted, topic)]
    covered = all(any(matches(category, topic) for category in categories) for topic in matched)
    assert TopicPermissions([], categories).may_subscribe(wanted) is covered


def test_publishing_needs_a_category_with_the_very_name() -> None:
    permissions = TopicPermissions(["user/update", "user/update/error"], ["user/get", "user/+"])
    assert permissions.may_publish("user/update")
    assert permissions.may_publish("user/update/error")
    for topic in ("user/get", "user/other", "user", "user/update/", "update", "user/+", ""):
        assert not permissions.may_publish(topic)


def test_subscribing_to_more_than_the_categories_match_is_refused() -> None:
    permissions = TopicPermissions(["user/update"], ["user/get", "user/jobs/#", "user/+/status"])
    for topic_filter in ("user/get", "user/jobs", "user/jobs/#", "user/jobs/1/+", "user/+/status", "user/x/status"):
        assert permissions.may_subscribe(topic_filter)
    for topic_filter in ("user/update", "user/+", "user/#", "#", "+/get", "user/get/#", "user/+/+", "", "get"):
        assert not permissions.may_subscribe(topic_filter)


def test_without_categories_nothing_is_permitted() -> None:
    permissions = TopicPermissions([], [])
    assert not permissions.may_publish("user/update")
    for topic_filter in ("user/update", "#", "+"):
        assert not permissions.may_subscribe(topic_filter)
