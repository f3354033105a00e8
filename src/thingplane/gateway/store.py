"""Sessions in the metadata database: subscriptions and undelivered messages that survive a restart."""

from collections import deque
from typing import Any, Final

import msgspec
from sqlalchemy import BindParameter, bindparam, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from thingplane.clock import Clock
from thingplane.gateway.journal import Failed, Journal, Then
from thingplane.gateway.tables import messages, sessions, subscriptions
from thingplane.mqtt import Message, Outbound, Properties, Session
from thingplane.mqtt.packets import Subscription
from thingplane.storage.database import Database

_DEVICE: Final[BindParameter[int]] = bindparam("for_device")
_ADD_SESSION: Final = insert(sessions)
_UPDATE_SESSION: Final = (
    update(sessions)
    .where(sessions.c.device_id == _DEVICE)
    .values(
        client_id=bindparam("its_client_id"),
        expiry_interval=bindparam("its_expiry_interval"),
        expires_at=bindparam("its_expires_at"),
    )
)
_REMOVE: Final = tuple(
    delete(table).where(table.c.device_id == _DEVICE) for table in (sessions, subscriptions, messages)
)
_ADD_SUBSCRIPTION: Final = insert(subscriptions)
_REMOVE_SUBSCRIPTION: Final = delete(subscriptions).where(
    subscriptions.c.device_id == _DEVICE, subscriptions.c.topic_filter == bindparam("for_filter")
)
_ADD_MESSAGE: Final = insert(messages)
_REMOVE_MESSAGE: Final = delete(messages).where(messages.c.id == bindparam("for_message"))


class Stored(msgspec.Struct):
    """What was read of one session."""

    session: Session
    muted: frozenset[str]


class SessionStore:
    """Reads sessions and notes their changes; changes are durable when the journal says so."""

    def __init__(self, database: Database, journal: Journal, clock: Clock) -> None:
        self._database = database
        self._journal = journal
        self._clock = clock
        self.known: set[int] = set()
        """Devices that have a session in the database; no other needs to be looked for."""

    async def open(self) -> None:
        """Find out which devices have sessions; those that were connected when the node stopped begin to expire."""
        now = self._clock.now_ms()
        async with self._database.write() as connection:
            await connection.execute(
                update(sessions)
                .where(sessions.c.expires_at.is_(None))
                .values(expires_at=now + sessions.c.expiry_interval * 1000)
            )
        await self.purge()
        async with self._database.read() as connection:
            rows = await connection.execute(select(sessions.c.device_id))
            self.known = set(rows.scalars())

    async def purge(self) -> None:
        """Delete what has expired."""
        now = self._clock.now_ms()
        expired = select(sessions.c.device_id).where(sessions.c.expires_at <= now)
        async with self._database.write() as connection:
            gone = set((await connection.execute(expired)).scalars())
            for device_id in gone:
                await self.remove_device(connection, device_id)
            await connection.execute(delete(messages).where(messages.c.expires_at <= now))
        self.known -= gone

    async def load(self, device_id: int, now: float) -> Stored | None:
        """Read the session of a device.

        Args:
            device_id: key of the device.
            now: s of the broker's clock.

        Returns:
            None when there is none or it has expired.
        """
        wall = self._clock.now_ms()
        async with self._database.read() as connection:
            query = select(sessions).where(sessions.c.device_id == device_id)
            row = (await connection.execute(query)).one_or_none()
            if row is None or (row.expires_at is not None and row.expires_at <= wall):
                return None
            query = select(subscriptions).where(subscriptions.c.device_id == device_id)
            filters = (await connection.execute(query)).all()
            query = select(messages).where(messages.c.device_id == device_id, messages.c.expires_at > wall)
            waiting = (await connection.execute(query.order_by(messages.c.id))).all()
        session = Session(str(device_id), row.client_id, row.expiry_interval)
        if row.expires_at is not None:
            session.expires_at = now + (row.expires_at - wall) / 1000
        session.subscriptions = {
            item.topic_filter: Subscription(
                item.topic_filter, item.qos, item.no_local, item.retain_as_published, item.retain_handling
            )
            for item in filters
            if not item.muted
        }
        session.queue = deque(Outbound(_message(item, now, wall), 1, item.retain) for item in waiting)
        return Stored(session, frozenset(item.topic_filter for item in filters if item.muted))

    # Changes

    def after(self, action: Then) -> None:
        """Call ``action(None)`` when all changes up to now are durable, ``action(error)`` if they could not be."""
        self._journal.after(action)

    async def durable(self) -> None:
        """Return when all changes up to now are durable; raises what made them fail."""
        await self._journal.durable()

    def save(self, device_id: int, session: Session, now: float, failed: Failed | None = None) -> None:
        """Note that a session is to be kept, or that its terms have changed.

        Args:
            device_id: key of the device.
            session: connected, or with its expiry set.
            now: s of the broker's clock.
            failed: called when a new session could not be written after all.
        """
        expires_at = None
        if session.expires_at is not None:
            expires_at = self._clock.now_ms() + round((session.expires_at - now) * 1000)
        terms = {
            "client_id": session.client_id,
            "expiry_interval": session.expiry_interval,
            "expires_at": expires_at,
        }
        if device_id in self.known:
            terms = {f"its_{name}": value for name, value in terms.items()}
            self._journal.write(_UPDATE_SESSION, {"for_device": device_id, **terms})
        else:
            self.known.add(device_id)

            def forget() -> None:
                self.known.discard(device_id)
                if failed is not None:
                    failed()

            self._journal.write(_ADD_SESSION, {"device_id": device_id, **terms}, forget)

    def remove(self, device_id: int) -> None:
        """Note that a session is over."""
        if device_id in self.known:
            self.known.discard(device_id)
            for statement in _REMOVE:
                self._journal.write(statement, {"for_device": device_id})

    async def remove_device(self, connection: AsyncConnection, device_id: int) -> None:
        """Delete everything of a device inside the caller's transaction."""
        for statement in _REMOVE:
            await connection.execute(statement, {"for_device": device_id})

    def subscribe(self, device_id: int, subscription: Subscription, *, muted: bool = False) -> None:
        """Note a subscription, or a system topic that the device does not want."""
        self.unsubscribe(device_id, subscription.topic_filter)
        self._journal.write(
            _ADD_SUBSCRIPTION,
            {
                "device_id": device_id,
                "topic_filter": subscription.topic_filter,
                "muted": muted,
                "qos": subscription.qos,
                "no_local": subscription.no_local,
                "retain_as_published": subscription.retain_as_published,
                "retain_handling": subscription.retain_handling,
            },
        )

    def unsubscribe(self, device_id: int, topic_filter: str) -> None:
        """Note the end of a subscription."""
        self._journal.write(_REMOVE_SUBSCRIPTION, {"for_device": device_id, "for_filter": topic_filter})

    def keep(self, device_id: int, message_id: int, message: Message, now: float) -> None:
        """Note a message of QoS 1 that waits for its device and has an expiry; ``now`` is s of the broker's clock."""
        if message.expires_at is None:
            raise ValueError("a message that is kept must expire")
        self._journal.write(
            _ADD_MESSAGE,
            {
                "id": message_id,
                "device_id": device_id,
                "topic": message.topic,
                "payload": message.payload,
                "properties": _dump(message.properties),
                "retain": message.retain,
                "expires_at": self._clock.now_ms() + round((message.expires_at - now) * 1000),
            },
        )

    def forget(self, message_id: int) -> None:
        """Note that a message was delivered or given up."""
        self._journal.write(_REMOVE_MESSAGE, {"for_message": message_id})


def _dump(properties: Properties | None) -> str | None:
    return None if properties is None else msgspec.json.encode(properties).decode()


def _message(row: Any, now: float, wall: int) -> Message:
    properties = None if row.properties is None else msgspec.json.decode(row.properties, type=Properties)
    return Message(
        row.topic,
        row.payload,
        1,
        row.retain,
        properties,
        expires_at=now + (row.expires_at - wall) / 1000,
        tag=row.id,
    )
