"""Which handler gets which topic."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from thingplane.alink import HandlerTable, Uplink, discover, raw


def handler(_uplink: Uplink) -> None: ...


def other(_uplink: Uplink) -> None: ...


@raw
def binary(_uplink: Uplink) -> None: ...


class Slice:
    @raw
    def method(self, _uplink: Uplink) -> None: ...


@pytest.fixture
def table() -> HandlerTable:
    table = HandlerTable()
    table.add("thing/event/property/post", handler)
    table.add("thing/event/+/post", other)
    table.add("thing/service/+_reply", other)
    table.add("rrpc/response/+", binary)
    table.add("/ota/device/inform", handler)
    return table


def test_an_exact_topic_goes_before_a_pattern(table: HandlerTable) -> None:
    exact, pattern = table.find("thing/event/property/post"), table.find("thing/event/alarm/post")
    assert exact is not None
    assert (exact.handler, exact.capture) == (handler, "")
    assert pattern is not None
    assert (pattern.handler, pattern.capture) == (other, "alarm")
    assert pattern.method == b'"thing.event.alarm.post"'


@pytest.mark.parametrize(
    "suffix",
    [
        "thing/event//post",
        "thing/event/a/b/post",
        "thing/event/post",
        "thing/event/property/post/",
        "",
        "rrpc/response/",
    ],
)
def test_a_plus_stands_for_one_level_that_is_not_empty(table: HandlerTable, suffix: str) -> None:
    assert table.find(suffix) is None


def test_a_plus_may_stand_for_part_of_a_level(table: HandlerTable) -> None:
    route = table.find("thing/service/reset_reply")
    assert route is not None
    assert route.capture == "reset"
    assert table.find("thing/service/property/set_reply") is None


def test_only_topics_below_sys_that_are_no_replies_carry_requests(table: HandlerTable) -> None:
    table.add("thing/model/up_raw", handler)
    table.add("thing/file/send", Slice().method)
    answers = {
        suffix: table.find(suffix).is_request  # type: ignore[union-attr]
        for suffix in (
            "thing/event/property/post",
            "thing/event/x/post",
            "thing/service/reset_reply",
            "thing/model/up_raw",
            "thing/file/send",
            "rrpc/response/5",
            "/ota/device/inform",
        )
    }
    assert [suffix for suffix, is_request in answers.items() if is_request] == [
        "thing/event/property/post",
        "thing/event/x/post",
    ]


def test_any_number_of_captures_is_found(table: HandlerTable) -> None:
    for number in range(10_000):
        route = table.find(f"rrpc/response/{number}")
        assert route is not None
        assert route.capture == str(number)


@pytest.mark.parametrize("pattern", ["thing/event/property/post", "thing/event/+/post", "a/+/b/+"])
def test_ambiguous_patterns_are_refused(table: HandlerTable, pattern: str) -> None:
    with pytest.raises(ValueError, match=r"handler already|more than one"):
        table.add(pattern, handler)


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A package with two slices, of which one has handlers."""
    root = tmp_path / "platform_under_test"
    for room, source in (
        ("things", "def handlers(services):\n    return {'thing/' + services: lambda uplink: None}\n"),
        ("plain", None),
    ):
        (root / room).mkdir(parents=True)
        (root / room / "__init__.py").touch()
        if source is not None:
            (root / room / "device.py").write_text(source)
    (root / "__init__.py").touch()
    (root / "module.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    yield root.name
    for name in [name for name in sys.modules if name.startswith(root.name)]:
        del sys.modules[name]


def test_the_handlers_of_all_slices_are_found(package: str) -> None:
    table = HandlerTable()
    discover(package, "a", table)
    assert list(table.exact) == ["thing/a"]
