"""Calls per second."""

import pytest
from tests.common.clock import FakeClock

from thingplane.cloud import GatewayError
from thingplane.cloud.quota import Quota


def test_calls_beyond_the_limit_wait_for_the_next_second(clock: FakeClock) -> None:
    quota = Quota(clock)
    for _ in range(2):
        for _ in range(5):
            quota.spend("a", "Pub", 5)
        with pytest.raises(GatewayError) as caught:
            quota.spend("a", "Pub", 5)
        assert (caught.value.status, caught.value.code) == (400, "Throttling.User")
        clock.advance(1)


def test_accounts_and_operations_have_limits_of_their_own(clock: FakeClock) -> None:
    quota = Quota(clock)
    for account in ("a", "b"):
        for operation in ("Pub", "RRpc"):
            quota.spend(account, operation, 1)


def test_there_is_no_limit_when_unlimited(clock: FakeClock) -> None:
    quota = Quota(clock, "unlimited")
    for _ in range(100):
        quota.spend("a", "Pub", 1)
