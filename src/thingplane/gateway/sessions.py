"""Sessions of devices as the platform sees them: one per device, with the system topics it does not want."""

import asyncio

from thingplane.gateway.store import SessionStore
from thingplane.gateway.topics import any_matches
from thingplane.mqtt import Broker, Session
from thingplane.mqtt.topics import split_shared

_NOTHING: frozenset[str] = frozenset()
"""One for all: every call of ``frozenset()`` makes an object of 200 bytes."""


class DeviceState:
    """The platform's part of a session; kept as its context."""

    __slots__ = ("device_id", "muted", "stored")

    def __init__(self, device_id: int, muted: frozenset[str], *, stored: bool) -> None:
        self.device_id = device_id
        self.muted = muted
        """System topic filters that the device unsubscribed."""
        self.stored = stored
        """Whether the session is in the database."""

    def wants(self, session: Session, topic: str) -> bool:
        """Tell whether the device takes messages on one of its system topics: unless it has unsubscribed it."""
        return not self.muted or not any_matches(self.muted, topic) or subscribed(session, topic)


def subscribed(session: Session, topic: str) -> bool:
    """Tell whether a subscription of the session matches a topic."""
    filters = session.subscriptions
    return topic in filters or any_matches([split_shared(item)[1] for item in filters], topic)


def matching_filters(session: Session, topic: str) -> list[str]:
    """Return the subscriptions of the session that match a topic, as the device wrote them."""
    return [item for item in session.subscriptions if any_matches([split_shared(item)[1]], topic)]


class Sessions:
    """Finds, keeps and ends the sessions of devices."""

    def __init__(self, store: SessionStore) -> None:
        self.store = store
        self.broker: Broker
        """Set once, when broker and policy know each other."""
        self._loading: dict[int, asyncio.Task[Session | None]] = {}

    def live(self, device_id: int) -> Session | None:
        """Return the device's session if it is in memory."""
        return self.broker.sessions.get(str(device_id))

    def is_unloaded(self, device_id: int) -> bool:
        """Tell whether the device has a session that is only in the database."""
        return device_id in self.store.known and str(device_id) not in self.broker.sessions

    async def find(self, device_id: int) -> Session | None:
        """Return the device's session, from the database if need be."""
        if not self.is_unloaded(device_id):
            return self.live(device_id)
        task = self._loading.get(device_id)
        if task is None:
            # Those who ask at the same time must get the same session.
            task = asyncio.get_running_loop().create_task(self._load(device_id))
            self._loading[device_id] = task
            task.add_done_callback(lambda _: self._loading.pop(device_id, None))
        return await asyncio.shield(task)

    async def _load(self, device_id: int) -> Session | None:
        stored = await self.store.load(device_id, self.broker.now)
        if not self.is_unloaded(device_id):
            return self.live(device_id)
        if stored is None:
            self.store.remove(device_id)
            return None
        stored.session.context = DeviceState(device_id, stored.muted, stored=True)
        self.broker.restore(stored.session)
        return stored.session

    def state(self, session: Session) -> DeviceState:
        """Return the platform's part of a session; a session that outlives its connection begins to be stored."""
        state = session.context
        if not isinstance(state, DeviceState):
            state = session.context = DeviceState(int(session.key), _NOTHING, stored=False)
        if session.expiry_interval and not state.stored:
            self._begin_storing(state, session)
        return state

    def _begin_storing(self, state: DeviceState, session: Session) -> None:
        def failed() -> None:
            # Nothing that hangs on the session may count as stored; the device's next connection tries again.
            state.stored = False

        state.stored = True
        self.store.save(state.device_id, session, self.broker.now, failed)

    def resumed(self, session: Session) -> DeviceState:
        """Take note that a session was connected."""
        state = session.context
        if isinstance(state, DeviceState) and state.stored:
            self.store.save(state.device_id, session, self.broker.now)
            return state
        return self.state(session)

    def disconnected(self, session: Session) -> None:
        """Take note that a session has lost its connection, and expires from now on."""
        state = session.context
        if isinstance(state, DeviceState) and state.stored and session.expiry_interval:
            self.store.save(state.device_id, session, self.broker.now)

    def ended(self, session: Session) -> None:
        """Take note that a session is over."""
        state = session.context
        if isinstance(state, DeviceState) and state.stored:
            self.store.remove(state.device_id)
