"""Events of a node on its own."""

import msgspec

from thingplane.bus import LocalBus


class Opened(msgspec.Struct, frozen=True):
    door: int


class Closed(msgspec.Struct, frozen=True):
    door: int


def test_an_event_reaches_everyone_who_wants_its_class_in_order() -> None:
    bus = LocalBus()
    seen: list[tuple[str, msgspec.Struct]] = []
    bus.subscribe(Opened, lambda event: seen.append(("first", event)))
    bus.subscribe(Closed, lambda event: seen.append(("other", event)))
    bus.subscribe(Opened, lambda event: seen.append(("second", event)))
    bus.publish(Opened(1))
    assert seen == [("first", Opened(1)), ("second", Opened(1))]


def test_an_event_that_nobody_wants_is_no_error() -> None:
    LocalBus().publish(Opened(1))
