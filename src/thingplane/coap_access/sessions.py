"""What the platform remembers of devices that have authenticated over UDP."""

from collections import OrderedDict
from typing import Final

from thingplane.coap_access.encryption import Key

WINDOW: Final = 64
"""Sequence numbers below the highest one that may still come: datagrams overtake each other."""


class Session:
    """One authentication in the symmetric mode."""

    __slots__ = ("_highest", "_seen", "device_id", "is_separate", "key")

    def __init__(self, device_id: int, key: Key, offset: int, *, is_separate: bool) -> None:
        """Begin.

        Args:
            device_id: whose.
            key: encrypts its items.
            offset: the smallest sequence number, with which the vendor's SDKs for C begin; others begin beyond.
            is_separate: whether the device wants its answers apart from acknowledgements.
        """
        self.device_id = device_id
        self.key = key
        self.is_separate = is_separate
        self._highest = offset - 1
        self._seen = (1 << WINDOW) - 1

    def take(self, number: int) -> bool:
        """Tell whether this sequence number is a new one, and remember it."""
        ahead = number - self._highest
        if ahead > 0:
            self._highest = number
            self._seen = (self._seen << min(ahead, WINDOW) | 1) & (1 << WINDOW) - 1
            return True
        bit = 1 << -ahead
        if -ahead >= WINDOW or self._seen & bit:
            return False
        self._seen |= bit
        return True


class Sessions:
    """Sessions by token, as many as fit; devices whose session made room for others authenticate again."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._by_token: OrderedDict[str, Session] = OrderedDict()
        self._tokens: dict[int, str] = {}

    def __len__(self) -> int:
        return len(self._by_token)

    def __contains__(self, token: str) -> bool:
        return token in self._by_token

    def begin(self, token: str, session: Session) -> None:
        """Keep a session; it replaces the device's session before."""
        self.end(session.device_id)
        self._by_token[token] = session
        self._tokens[session.device_id] = token
        if len(self._by_token) > self._limit:
            _, oldest = self._by_token.popitem(last=False)
            del self._tokens[oldest.device_id]

    def find(self, token: str) -> Session | None:
        """Return the session of a token."""
        session = self._by_token.get(token)
        if session is not None:
            self._by_token.move_to_end(token)
        return session

    def end(self, device_id: int) -> None:
        """Forget the session of a device."""
        token = self._tokens.pop(device_id, None)
        if token is not None:
            del self._by_token[token]
