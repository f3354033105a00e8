import pytest

from thingplane.things.model.deduplication import Deduplicator, Report

FIRST: Report = ("Temp", 1000, b"21.5")
SAME_VALUE: Report = ("Temp", 2000, b"21.5")
SAME_TIME: Report = ("Temp", 1000, b"22")
OTHER: Report = ("Temp", 3000, b"23")


@pytest.mark.parametrize(
    ("by_timestamp", "by_value", "forwarded"),
    [
        (False, False, [FIRST, FIRST, SAME_VALUE, SAME_TIME, OTHER]),
        (True, False, [FIRST, SAME_VALUE, SAME_TIME, OTHER]),
        (False, True, [FIRST, SAME_TIME, OTHER]),
        (True, True, [FIRST, SAME_VALUE, SAME_TIME, OTHER]),
    ],
)
def test_a_duplicate_repeats_what_the_product_says(by_timestamp: bool, by_value: bool, forwarded: list[Report]) -> None:
    deduplicator = Deduplicator()
    passed = []
    for report in (FIRST, FIRST, SAME_VALUE, SAME_TIME, OTHER):
        passed += deduplicator.deduplicate(1, [report], by_timestamp=by_timestamp, by_value=by_value)
    assert passed == forwarded


def test_with_both_rules_only_a_repetition_of_time_and_value_is_a_duplicate() -> None:
    deduplicator = Deduplicator()
    for report, fresh in ((FIRST, True), (FIRST, False), (SAME_VALUE, True), (FIRST, True), (SAME_TIME, True)):
        passed = deduplicator.deduplicate(1, [report], by_timestamp=True, by_value=True)
        assert passed == ([report] if fresh else [])


def test_properties_of_a_message_and_devices_are_told_apart() -> None:
    deduplicator = Deduplicator()
    both = [FIRST, ("Level", 1000, b"1")]
    assert deduplicator.deduplicate(1, both, by_timestamp=False, by_value=True) == both
    assert deduplicator.deduplicate(2, both, by_timestamp=False, by_value=True) == both
    changed = [SAME_VALUE, ("Level", 2000, b"2")]
    assert deduplicator.deduplicate(1, changed, by_timestamp=False, by_value=True) == [("Level", 2000, b"2")]


@pytest.mark.parametrize(
    ("first", "second"),
    [(b"21.5", b"21.50"), (b"1", b"1.0"), (b'{"x":1,"y":2}', b'{"y": 2, "x": 1}'), (b'"a"', b'"\\u0061"')],
)
def test_values_are_compared_by_what_they_mean(first: bytes, second: bytes) -> None:
    deduplicator = Deduplicator()
    assert deduplicator.deduplicate(1, [("p", 1, first)], by_timestamp=False, by_value=True)
    assert deduplicator.deduplicate(1, [("p", 2, second)], by_timestamp=False, by_value=True) == []


def test_memory_is_bounded_by_the_devices_that_reported_last() -> None:
    deduplicator = Deduplicator(capacity=2)
    for device_id in (1, 2, 1, 3):
        deduplicator.deduplicate(device_id, [FIRST], by_timestamp=True, by_value=True)
    assert len(deduplicator) == 2
    assert deduplicator.deduplicate(1, [FIRST], by_timestamp=True, by_value=True) == []
    assert deduplicator.deduplicate(2, [FIRST], by_timestamp=True, by_value=True) == [FIRST]


def test_a_forgotten_device_starts_anew() -> None:
    deduplicator = Deduplicator()
    deduplicator.deduplicate(1, [FIRST], by_timestamp=True, by_value=True)
    deduplicator.forget(1)
    deduplicator.forget(2)
    assert deduplicator.deduplicate(1, [FIRST], by_timestamp=True, by_value=True) == [FIRST]
