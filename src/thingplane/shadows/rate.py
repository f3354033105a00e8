"""How often a second one device's shadow may be used."""

from collections import Counter

from thingplane.clock import Clock


class RateLimit:
    """Counts uses in fixed windows of one second."""

    def __init__(self, clock: Clock, per_second: int) -> None:
        """Start with nothing counted.

        Args:
            clock: tells the seconds.
            per_second: uses of one device; 0: as many as it likes.
        """
        self._clock = clock
        self._per_second = per_second
        self._second = 0
        self._uses: Counter[int] = Counter()

    def exceeded(self, device_id: int) -> bool:
        """Count a use, and tell whether it is one too many."""
        if not self._per_second:
            return False
        second = int(self._clock.monotonic())
        if second != self._second:
            self._second = second
            self._uses.clear()
        self._uses[device_id] += 1
        return self._uses[device_id] > self._per_second
