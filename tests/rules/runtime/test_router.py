"""Which rules a topic is due to."""

import re

from hypothesis import given
from hypothesis import strategies as st

from thingplane.forwarding.message import Kind
from thingplane.rules.runtime.router import RuleRouter

LEVELS = st.sampled_from(["a", "b", "user"])
TOPICS = st.lists(LEVELS, min_size=1, max_size=4).map(lambda levels: "/pk/" + "/".join(levels))
FILTERS = st.builds(
    lambda levels, rest: "/pk/" + "/".join([*levels, *rest]),
    st.lists(LEVELS | st.just("+"), min_size=1, max_size=4),
    st.sampled_from([[], ["#"]]),
)


def fits(filter_: str, topic: str) -> bool:
    pattern = re.escape(filter_).replace(r"\+", "[^/]+").replace(r"\#", ".+")
    return re.fullmatch(pattern, topic) is not None


@given(st.lists(FILTERS, max_size=8), st.lists(TOPICS, max_size=4), st.sets(st.integers(0, 7)))
def test_a_topic_is_due_to_the_rules_whose_filter_fits(filters: list[str], topics: list[str], gone: set[int]) -> None:
    router = RuleRouter()
    for subscriber, filter_ in enumerate(filters):
        router.set(subscriber, 1, filter_)
    for subscriber in gone:
        router.remove(subscriber)
    for topic in topics:
        expected = [number for number, filter_ in enumerate(filters) if number not in gone and fits(filter_, topic)]
        assert sorted(router.subscribers(Kind.CUSTOM, 1, topic)) == expected


def test_products_are_apart_and_results_of_rules_are_due_to_no_rule() -> None:
    router = RuleRouter()
    router.set(1, 1, "/pk/+/user/#")
    assert list(router.subscribers(Kind.CUSTOM, 1, "/pk/d/user/x")) == [1]
    assert list(router.subscribers(Kind.CUSTOM, 2, "/pk/d/user/x")) == []
    assert list(router.subscribers(Kind.RULE, 1, "/pk/d/user/x")) == []
    router.set(1, 2, "/other/d/user/y")
    assert list(router.subscribers(Kind.CUSTOM, 1, "/pk/d/user/x")) == []
    assert list(router.subscribers(Kind.CUSTOM, 2, "/other/d/user/y")) == [1]
    router.remove(1)
    router.remove(1)
    assert list(router.subscribers(Kind.CUSTOM, 2, "/other/d/user/y")) == []
