"""Nonces that were used, remembered as long as a repeated call could still pass the check of its timestamp."""

from thingplane.clock import Clock
from thingplane.cloud.errors import GatewayError

_BUCKET_MS = 5 * 60_000


class NonceCache:
    """Remembers (access key, nonce) pairs in memory that is bounded.

    A full cache refuses calls instead of forgetting: forgetting would let replays through. Pairs are kept as 64-bit
    hashes under the process's random seed (about 80 bytes each), so a new pair is taken for a used one with a
    probability of 2**-42 at most. Each node remembers the calls that it served since it was started.
    """

    def __init__(self, clock: Clock, capacity: int = 4_000_000) -> None:
        """Make an empty cache.

        Args:
            clock: the wall clock that timestamps are compared with.
            capacity: most pairs that are remembered.
        """
        self._clock = clock
        self._capacity = capacity
        self._buckets: dict[int, set[int]] = {}
        self._size = 0

    def use(self, access_key_id: str, nonce: str, expires_ms: int) -> None:
        """Remember a nonce.

        Args:
            access_key_id: whose nonce it is.
            nonce: the nonce.
            expires_ms: epoch milliseconds after which a call with the same timestamp is refused as expired anyway.

        Raises:
            GatewayError: SignatureNonceUsed, or Throttling when the cache is full.
        """
        pair = hash((access_key_id, nonce))
        for bucket in self._buckets.values():
            if pair in bucket:
                raise GatewayError(400, "SignatureNonceUsed", "Specified signature nonce was used already.")
        number = expires_ms // _BUCKET_MS + 1
        target = self._buckets.get(number)
        if target is None:
            self._expire()
            target = self._buckets[number] = set()
        if self._size >= self._capacity:
            self._expire()
            if self._size >= self._capacity:
                raise GatewayError(400, "Throttling", "Request was denied due to request throttling.")
        target.add(pair)
        self._size += 1

    def __len__(self) -> int:
        return self._size

    def _expire(self) -> None:
        current = self._clock.now_ms() // _BUCKET_MS
        for number in [number for number in self._buckets if number < current]:
            self._size -= len(self._buckets.pop(number))
