import pytest

from thingplane.cloud import BusinessError
from thingplane.topics.naming import category_name, full_name

KEY = "a1ExampleK1"


@pytest.mark.parametrize(
    ("short_name", "operation", "name"),
    [
        ("submit", "PUB", "user/submit"),
        ("user/submit", "PUB", "user/submit"),
        ("a/b_1/C/d", "ALL", "user/a/b_1/C/d"),
        ("user", "PUB", "user/user"),
        ("+", "SUB", "user/+"),
        ("jobs/+/#", "SUB", "user/jobs/+/#"),
    ],
)
def test_names_get_the_level_user_once(short_name: str, operation: str, name: str) -> None:
    assert category_name(KEY, short_name, operation) == name


@pytest.mark.parametrize(
    ("short_name", "operation"),
    [
        ("", "PUB"),
        ("/submit", "PUB"),
        ("submit/", "PUB"),
        ("a//b", "PUB"),
        ("user/", "PUB"),
        ("a-b", "PUB"),
        ("a b", "PUB"),
        ("标签", "PUB"),
        ("${deviceName}", "PUB"),
        ("+", "PUB"),
        ("#", "ALL"),
        ("#/a", "SUB"),
        ("a+", "SUB"),
        ("a\n", "PUB"),
        ("1/2/3/4/5", "PUB"),
        ("a" * 97, "PUB"),
    ],
)
def test_malformed_names_are_refused(short_name: str, operation: str) -> None:
    with pytest.raises(BusinessError, match=r"iot.messagebroker.InvalidFormattedTopicName"):
        category_name(KEY, short_name, operation)


def test_a_name_may_be_as_long_as_a_topic() -> None:
    name = category_name(KEY, "a" * 96, "PUB")
    assert len(full_name(KEY, name)) == 128


def test_the_full_name_has_a_placeholder_for_the_device() -> None:
    assert full_name(KEY, "user/get") == "/a1ExampleK1/${deviceName}/user/get"
