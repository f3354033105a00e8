import pytest

from thingplane.mqtt import Capabilities, ReasonCode
from thingplane.mqtt.topics import filter_refusal, is_valid_filter, matches, split_shared

MATCHES = [
    ("a", "a", True),
    ("a", "b", False),
    ("a", "A", False),
    ("a/b", "a", False),
    ("a", "a/b", False),
    ("a/", "a", False),
    ("/a", "/a", True),
    ("+", "a", True),
    ("+", "", True),
    ("+", "a/b", False),
    ("+/+", "/a", True),
    ("/+", "/a", True),
    ("+", "/a", False),
    ("a/+", "a", False),
    ("a/+", "a/", True),
    ("a/+/c", "a/b/c", True),
    ("a/+/c", "a/b/d", False),
    ("#", "a/b/c", True),
    ("#", "/", True),
    ("a/#", "a", True),
    ("a/#", "a/b/c", True),
    ("a/#", "ab", False),
    ("a/+/#", "a", False),
    ("a/+/#", "a/b", True),
    ("+/b/#", "a/b/c/d", True),
    ("#", "$SYS/x", False),
    ("+/x", "$SYS/x", False),
    ("$SYS/#", "$SYS/x", True),
    ("$SYS/+", "$SYS/x", True),
    ("a/#", "a/$x", True),
]


@pytest.mark.parametrize(("topic_filter", "topic", "expected"), MATCHES)
def test_filter_matches_topic(topic_filter: str, topic: str, expected: bool) -> None:
    assert matches(topic_filter, topic) is expected


@pytest.mark.parametrize(
    "topic_filter", ["a", "/", "a//b", "+", "#", "a/+/b/#", "/+", "$share/g/a", "$share/g/#", "$share/g//a"]
)
def test_well_formed_filters(topic_filter: str) -> None:
    assert is_valid_filter(topic_filter)


@pytest.mark.parametrize(
    "topic_filter",
    [
        "",
        "a+",
        "+a",
        "a/b+/c",
        "#/a",
        "a#",
        "a/#/b",
        "##",
        "$share/",
        "$share/g",
        "$share/g/",
        "$share//a",
        "$share/+/a",
    ],
)
def test_ill_formed_filters(topic_filter: str) -> None:
    assert not is_valid_filter(topic_filter)


def test_shared_filter_has_a_name_and_a_filter() -> None:
    assert split_shared("$share/g/a/b") == ("g", "a/b")
    assert split_shared("a/b") == ("", "a/b")


def test_features_that_are_switched_off_are_refused() -> None:
    off = Capabilities(
        shared_subscriptions=False, wildcard_subscriptions=False, max_topic_length=10, max_topic_levels=3
    )
    assert filter_refusal("$share/g/a", Capabilities()) == 0
    assert filter_refusal("$share/g/a", off) == ReasonCode.SHARED_SUBSCRIPTIONS_NOT_SUPPORTED
    assert filter_refusal("a/+", off) == ReasonCode.WILDCARD_SUBSCRIPTIONS_NOT_SUPPORTED
    assert filter_refusal("a/b/c/d", off) == ReasonCode.TOPIC_FILTER_INVALID
    assert filter_refusal("温度温度", off) == ReasonCode.TOPIC_FILTER_INVALID
    assert filter_refusal("a/b", off) == 0
