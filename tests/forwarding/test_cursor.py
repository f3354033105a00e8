"""What waits for a subscriber, against a plain set of positions."""

from hypothesis import given
from hypothesis import strategies as st

from thingplane.forwarding.cursor import BLOCK, Cursor, masks_of, positions_in, run_masks

POSITIONS = st.integers(0, 4 * BLOCK)


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("add"), st.integers(1, 700), st.integers(0, 2000)),
            st.tuples(st.just("acknowledge"), st.lists(POSITIONS, max_size=300), st.just(0)),
            st.tuples(st.just("range"), POSITIONS, st.integers(0, 3000)),
            st.tuples(st.just("drop"), POSITIONS, st.just(0)),
            st.tuples(st.just("clear"), st.just(0), st.just(0)),
        ),
        max_size=12,
    )
)
def test_a_cursor_is_a_set_of_positions(steps: list[tuple[str, object, int]]) -> None:
    cursor, model, end = Cursor(), set[int](), 0
    saved: dict[int, int] = {}
    for action, argument, number in steps:
        match action, argument:
            case "add", int(count):
                start = end + number
                end = start + count
                cursor.add(run_masks(start, count))
                model |= set(range(start, end))
            case "acknowledge", list(positions):
                taken = cursor.acknowledge(positions)
                assert taken == len(model & set(positions))
                model -= set(positions)
            case "range", int(first):
                cursor.acknowledge(range(first, first + number))
                model -= set(range(first, first + number))
            case "drop", int(position):
                before = position // BLOCK * BLOCK
                assert cursor.drop_before(before) == len({each for each in model if each < before})
                model = {each for each in model if each >= before}
            case "clear", _:
                assert cursor.clear() == len(model)
                model = set()
        assert cursor.waiting == len(model)
        assert cursor.first() == min(model, default=None)
        # What is saved block by block, whenever it changed, is the whole.
        for block in cursor.dirty:
            saved[block] = cursor.bits(block)
        cursor.dirty.clear()
    assert list(cursor.after(-1)) == sorted(model)
    middle = end // 2
    assert list(cursor.after(middle)) == sorted(each for each in model if each > middle)
    again = Cursor()
    again.restore(sorted(saved.items()))
    assert list(again.after(-1)) == sorted(model)
    assert again.waiting == len(model)


@given(POSITIONS, st.integers(1, 3 * BLOCK))
def test_a_run_is_the_same_as_its_positions(first: int, count: int) -> None:
    masks = run_masks(first, count)
    assert masks == masks_of(range(first, first + count))
    assert [position for block, bits in masks.items() for position in positions_in(block, bits)] == list(
        range(first, first + count)
    )


def test_positions_stay_valid_while_messages_are_acknowledged() -> None:
    cursor = Cursor()
    cursor.add(run_masks(0, 3 * BLOCK))
    seen = []
    for position in cursor.after(-1):
        seen.append(position)
        cursor.acknowledge(range(position, position + BLOCK))
    assert seen[0] == 0
    assert cursor.waiting < 3 * BLOCK
