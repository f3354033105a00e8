"""Sessions of the symmetric mode: sequence numbers count once, and memory is bounded."""

from hypothesis import given
from hypothesis import strategies as st

from thingplane.coap_access.encryption import Key
from thingplane.coap_access.sessions import WINDOW, Session, Sessions

KEY = Key("secret", "random")


def session(device_id: int = 1) -> Session:
    return Session(device_id, KEY, 1, is_separate=False)


def test_numbers_begin_with_the_offset() -> None:
    assert [session().take(number) for number in (0, 1, 2)] == [False, True, True]


@given(st.lists(st.integers(0, 300), max_size=200))
def test_a_number_counts_once_and_not_long_after_greater_ones(numbers: list[int]) -> None:
    one = session()
    taken: set[int] = set()
    for number in numbers:
        highest = max(taken, default=0)
        is_new = number not in taken and number > 0 and number > highest - WINDOW
        assert one.take(number) is is_new
        if is_new:
            taken.add(number)


def test_a_device_has_one_session_and_the_one_unused_for_longest_makes_room() -> None:
    sessions = Sessions(2)
    first, second = session(1), session(2)
    sessions.begin("first", first)
    sessions.begin("second", second)
    assert sessions.find("first") is first
    sessions.begin("third", session(3))
    assert (sessions.find("second"), len(sessions)) == (None, 2)
    again = session(1)
    sessions.begin("again", again)
    assert (sessions.find("first"), sessions.find("again")) == (None, again)
    sessions.end(1)
    sessions.end(2)
    assert (sessions.find("again"), len(sessions)) == (None, 1)
