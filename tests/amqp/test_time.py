from itertools import pairwise

import pytest

from tests.amqp.wire import attach, attached, detach, flow, opening, signed_in
from thingplane.amqp import Condition, ConnectionClosed
from thingplane.amqp.numbers import EMPTY_FRAME


def silent_seconds(idle: int | None) -> list[float]:
    """Return when heartbeats leave within two minutes, with a tick each second."""
    client = signed_in()
    client.send(opening(idle=idle))
    client.server._attach_deadline = 1e9
    beats = []
    for second in range(1, 121):
        client.now = float(second)
        client.server._received_at = client.now
        if client.tick(client.now):
            beats.append(client.now)
    return beats


@pytest.mark.parametrize("idle", [None, 0, 30_000, 40_000, 60_000, 300_000, 0xFFFF_FFFF])
def test_silence_never_lasts_longer_than_15_seconds(idle: int | None) -> None:
    beats = [0.0, *silent_seconds(idle)]
    assert 10 <= max(later - before for before, later in pairwise(beats)) <= 15


def test_impatient_clients_hear_something_in_half_their_time() -> None:
    beats = [0.0, *silent_seconds(10_000)]
    assert max(later - before for before, later in pairwise(beats)) <= 5


@pytest.mark.parametrize("idle", [1, 1000, 2000])
def test_a_client_without_patience_hears_something_at_every_tick(idle: int) -> None:
    assert silent_seconds(idle) == [float(second) for second in range(1, 121)]


def test_messages_are_a_sign_of_life() -> None:
    client = attached()
    client.tick(10.0)
    client.link.send(b"x", None)
    assert client.output()
    client.send(EMPTY_FRAME)
    assert client.tick(11.0) == []
    assert client.tick(24.0) == []
    assert [sent.name for sent in client.tick(25.0)] == ["heartbeat"]


def test_a_client_that_is_silent_for_twice_the_time_is_closed() -> None:
    client = attached()
    client.now = 30.0
    client.send(EMPTY_FRAME)
    client.tick(149.9)
    assert client.events == []
    close = client.tick(150.0)[-1]
    assert (close.name, close.error) == ("close", Condition.RESOURCE_LIMIT_EXCEEDED)
    assert client.events == [ConnectionClosed("nothing heard in time", by_peer=False)]


def test_heartbeats_of_the_client_keep_it() -> None:
    client = attached()
    for second in range(0, 1000, 50):
        client.now = float(second)
        client.send(EMPTY_FRAME)
        client.tick(client.now)
    assert client.events == []


def test_without_a_link_a_connection_is_closed_after_15_seconds() -> None:
    client = signed_in()
    client.now = 5.0
    client.send(opening())
    client.tick(19.9)
    assert client.events == []
    close = client.tick(20.0)[-1]
    assert (close.name, close.error) == ("close", Condition.NOT_ALLOWED)


def test_a_client_that_signs_in_and_does_nothing_is_closed() -> None:
    client = signed_in()
    client.tick(1.0)
    assert [sent.name for sent in client.tick(16.0)] == ["open", "close"]


def test_a_link_that_was_detached_has_to_be_attached_again() -> None:
    client = attached()
    client.tick(100.0)
    client.send(detach())
    client.tick(101.0)
    client.send(attach(), flow())
    client.tick(116.0)
    assert not client.is_closed()
    client.send(detach())
    client.tick(117.0)
    assert client.tick(132.0)[-1].name == "close"


def test_time_changes_nothing_after_the_end() -> None:
    client = attached()
    client.server.close(Condition.CONNECTION_FORCED, "bye", 0.0)
    client.tick(5.0)
    assert client.is_closed()
    client.server.data_to_send()
    assert client.tick(1000.0) == []
    client.server.close(Condition.CONNECTION_FORCED, "again", 0.0)
    assert client.output() == []
