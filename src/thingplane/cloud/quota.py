"""The documented calls per second of every operation, shared by an account and its sub-users."""

from typing import Literal

from thingplane.clock import Clock
from thingplane.cloud.errors import GatewayError

QuotaMode = Literal["documented", "unlimited"]


class Quota:
    """Counts calls in windows of one second.

    Windows are fixed (they start with the second of the monotonic clock), so around the turn of a second up to twice
    the documented number can pass. Only the current window is kept: memory is bounded by accounts times operations.
    """

    def __init__(self, clock: Clock, mode: QuotaMode = "documented") -> None:
        self._clock = clock
        self._limited = mode == "documented"
        self._second = 0
        self._counts: dict[tuple[str, str], int] = {}

    def spend(self, account_id: str, operation: str, qps: int) -> None:
        """Count one call.

        Raises:
            GatewayError: Throttling.User, when the account made this second's documented number of calls already.
        """
        if not self._limited:
            return
        second = int(self._clock.monotonic())
        if second != self._second:
            self._second = second
            self._counts.clear()
        pair = (account_id, operation)
        count = self._counts.get(pair, 0)
        if count >= qps:
            raise GatewayError(400, "Throttling.User", "Request was denied due to user flow control.")
        self._counts[pair] = count + 1
