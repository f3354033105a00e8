from hypothesis import given, settings
from hypothesis import strategies as st

from thingplane.mqtt.wheel import TimingWheel


def test_item_is_due_once_and_not_early() -> None:
    wheel: TimingWheel[str] = TimingWheel(0.0)
    wheel.schedule("a", 2.5)
    assert wheel.due(2.9) == []
    assert wheel.due(3.0) == ["a"]
    assert wheel.due(9.0) == []


def test_item_can_be_moved_and_cancelled() -> None:
    wheel: TimingWheel[str] = TimingWheel(0.0)
    wheel.schedule("a", 2)
    wheel.schedule("a", 5)
    wheel.schedule("b", 2)
    wheel.cancel("b")
    wheel.cancel("unknown")
    assert wheel.due(4) == []
    assert wheel.due(5) == ["a"]
    assert len(wheel) == 0


def test_deadline_in_the_past_is_due_next_second() -> None:
    wheel: TimingWheel[str] = TimingWheel(100.0)
    wheel.schedule("a", 3)
    assert wheel.due(100.5) == []
    assert wheel.due(101) == ["a"]


@settings(deadline=None)
@given(st.lists(st.integers(1, 10_000), max_size=20), st.lists(st.integers(0, 12_000), max_size=10))
def test_items_are_due_whatever_the_steps(deadlines: list[int], times: list[int]) -> None:
    wheel: TimingWheel[int] = TimingWheel(0.0)
    for number, at in enumerate(deadlines):
        wheel.schedule(number, at)
    seen: list[int] = []
    for now in [*sorted(times), 20_000]:
        due = wheel.due(now)
        assert all(deadlines[number] <= now for number in due)
        seen += due
        assert {number for number, at in enumerate(deadlines) if at <= now} == set(seen)
    assert len(wheel) == 0
    assert len(seen) == len(deadlines)
