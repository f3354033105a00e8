import pytest
from hypothesis import given
from hypothesis import strategies as st

from thingplane.storage.timeseries import MalformedPointsError
from thingplane.storage.timeseries.points import explode, span

BIG = 2**63


@pytest.mark.parametrize(
    ("points", "exploded"),
    [
        (b"{}", []),
        (b'{"a":1}', [("a", 100, b"1")]),
        (b' { "a" : 1.50 } ', [("a", 100, b"1.50")]),
        (b'{"a":{"value":1,"time":7}}', [("a", 7, b"1")]),
        (b'{"a":{"time":7,"value":{"x":1}}}', [("a", 7, b'{"x":1}')]),
        (b'{"a":{"value":"v"}}', [("a", 100, b'"v"')]),
        (b'{"a":{"value":null,"time":-7}}', [("a", -7, b"null")]),
        (b'{"a":{}}', [("a", 100, b"{}")]),
        (b'{"a":{"time":7}}', [("a", 100, b'{"time":7}')]),
        (b'{"a":{"value":1,"time":7,"x":0}}', [("a", 100, b'{"value":1,"time":7,"x":0}')]),
        (b'{"a":{"value":1,"time":"7"}}', [("a", 100, b"1")]),
        (b'{"a":{"value":1,"time":7.5}}', [("a", 100, b"1")]),
        (b'{"a":{"value":1,"time":true}}', [("a", 100, b"1")]),
        (b'{"a":{"value":1,"time":%d}}' % BIG, [("a", 100, b"1")]),
        (b'{"a":{"value":1,"t\\u0069me":7}}', [("a", 7, b"1")]),
        (b'{"a":{"value":1,"time":7},"b":2,"{":[{}]}', [("a", 7, b"1"), ("b", 100, b"2"), ("{", 100, b"[{}]")]),
        ('{"温度":"é"}'.encode(), [("温度", 100, '"é"'.encode())]),
        (b'{"a":1,"a":2}', [("a", 100, b"2")]),
    ],
)
def test_reads_bare_and_timed_values(points: bytes, exploded: list[tuple[str, int, bytes]]) -> None:
    assert explode(points, 100) == exploded
    times = [time for _, time, _ in exploded] or [100]
    assert span(points, 100) == (min(times), max(times))


@pytest.mark.parametrize(
    "points",
    [
        *(b"", b"1", b"null", b"[]", b"[{},{}]", b'{"a":1', b'{"a":01}', b'{"a":1}x', b'{"a":{"value":1}'),
        *(b'{"\xff":1}', b'{"a\\u0000":1}', b'{"a\\u0000":{"value":1}}', b'{"\\ud800":1}', b"[" * 100_000),
        b'{"a":' * 100_000,
        b'{"%s":1}' % (b"a" * 2001),
        b'{"%s":{"value":1}}' % (b"a" * 2001),
    ],
)
def test_refuses_what_is_not_an_object_of_points(points: bytes) -> None:
    with pytest.raises(MalformedPointsError):
        explode(points, 100)
    with pytest.raises(MalformedPointsError):
        span(points, 100)


@given(
    st.binary(max_size=20)
    | st.text('{}[]",:\\ue01time value', max_size=30).map(str.encode)
    | st.lists(st.sampled_from(['{"', '"a"', '":', "{", "}", '"value":', '"time":', "1", ","]), max_size=12).map(
        lambda parts: "".join(parts).encode()
    )
)
def test_whatever_span_accepts_can_be_exploded(points: bytes) -> None:
    try:
        earliest, latest = span(points, 100)
    except MalformedPointsError:
        with pytest.raises(MalformedPointsError):
            explode(points, 100)
    else:
        assert all(earliest <= time <= latest for _, time, _ in explode(points, 100))
