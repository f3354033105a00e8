"""Descriptors are not used up by devices."""

import resource

import pytest

from thingplane.descriptors import left_for_devices, raise_limit


@pytest.mark.parametrize(
    ("limit", "wanted", "expected"),
    [(1024, 100_000, 768), (200_000, 100_000, 100_000), (20_000, 100_000, 18_000), (1024, 10, 10), (-1, 7, 7)],
)
def test_a_part_of_the_descriptors_is_spared(
    monkeypatch: pytest.MonkeyPatch, limit: int, wanted: int, expected: int
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _kind: (limit, limit))
    assert left_for_devices(wanted) == expected


def test_the_limit_of_the_process_is_raised_as_far_as_possible(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _kind: (1024, 4096))
    monkeypatch.setattr(resource, "setrlimit", lambda _kind, limits: asked.append(limits))
    assert raise_limit() == 4096
    assert asked == [(4096, 4096)]
