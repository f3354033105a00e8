"""Subscribers in the metadata database, and what each of them has not acknowledged."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import bindparam, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from thingplane.forwarding.cursor import BLOCK, Cursor
from thingplane.forwarding.tables import forwarding_progress, forwarding_subscribers, forwarding_waiting
from thingplane.storage.database import Database

_BYTES = BLOCK // 8
_one_block = (
    forwarding_waiting.c.subscriber_id == bindparam("subscriber"),
    forwarding_waiting.c.block == bindparam("number"),
)
_UPDATE = update(forwarding_waiting).where(*_one_block).values(bits=bindparam("content"))
_DELETE = delete(forwarding_waiting).where(*_one_block)


class Subscriber(NamedTuple):
    """Somebody whom messages are due to."""

    id: int
    kind: str
    reference: str


class Change(NamedTuple):
    """What is different since the last save; to be put back when it could not be saved."""

    inserted: list[dict[str, Any]]
    updated: list[dict[str, Any]]
    deleted: list[dict[str, Any]]
    blocks: list[tuple[Cursor, set[int]]]


class Progress:
    """Loads and saves."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.position = -1
        """Up to this position of the log it is saved who waits for what."""

    async def load(self) -> tuple[list[Subscriber], dict[int, Cursor]]:
        """Return the subscribers and their cursors, as they were at ``position``."""
        columns = forwarding_subscribers.c
        waiting = forwarding_waiting.c
        async with self._database.read() as connection:
            rows = await connection.execute(select(columns.id, columns.kind, columns.reference).order_by(columns.id))
            subscribers = [Subscriber(*row) for row in rows]
            blocks: dict[int, list[tuple[int, int]]] = {subscriber.id: [] for subscriber in subscribers}
            query = select(waiting.subscriber_id, waiting.block, waiting.bits).order_by(waiting.block)
            for subscriber_id, block, bits in await connection.execute(query):
                if subscriber_id in blocks:
                    blocks[subscriber_id].append((block, int.from_bytes(bits, "little")))
            position = await connection.scalar(select(forwarding_progress.c.position))
        self.position = -1 if position is None else position
        cursors = {subscriber.id: Cursor() for subscriber in subscribers}
        for subscriber_id, cursor in cursors.items():
            cursor.restore(blocks[subscriber_id])
        return subscribers, cursors

    async def enroll(self, kind: str, reference: str) -> int:
        """Return the id of a subscriber, new or known."""
        columns = forwarding_subscribers.c
        known = select(columns.id).where(columns.kind == kind, columns.reference == reference)
        for _ in range(2):
            async with self._database.read() as connection:
                subscriber_id: int | None = await connection.scalar(known)
            if subscriber_id is not None:
                return subscriber_id
            try:
                async with self._database.write() as connection:
                    row = insert(forwarding_subscribers).values(kind=kind, reference=reference).returning(columns.id)
                    return int((await connection.execute(row)).scalar_one())
            except IntegrityError:
                continue  # somebody else was quicker: it is known now
        raise RuntimeError("the subscriber comes and goes")

    async def remove(self, subscriber_id: int) -> None:
        """Forget a subscriber and what waits for it."""
        async with self._database.write() as connection:
            await connection.execute(
                delete(forwarding_waiting).where(forwarding_waiting.c.subscriber_id == subscriber_id)
            )
            await connection.execute(delete(forwarding_subscribers).where(forwarding_subscribers.c.id == subscriber_id))

    async def save(self, cursors: Mapping[int, Cursor], position: int) -> None:
        """Write what has changed, in one transaction.

        Args:
            cursors: by subscriber.
            position: the last one of the log that the cursors take into account.
        """
        change = _collect(cursors)
        rows = change.inserted or change.updated or change.deleted
        if not rows and position == self.position:
            return
        try:
            async with self._database.write() as connection:
                for statement, parameters in (
                    (_DELETE, change.deleted),
                    (_UPDATE, change.updated),
                    (insert(forwarding_waiting), change.inserted),
                ):
                    if parameters:
                        await connection.execute(statement, parameters)
                moved = await connection.execute(update(forwarding_progress).values(position=position))
                if not moved.rowcount:
                    await connection.execute(insert(forwarding_progress).values(id=1, position=position))
        except BaseException:
            for cursor, blocks in change.blocks:
                cursor.dirty |= blocks
            raise
        self.position = position
        for cursor, blocks in change.blocks:
            cursor.saved -= blocks
        for subscriber_id, block in _keys(change.inserted) + _updated_keys(change.updated):
            if subscriber_id in cursors:
                cursors[subscriber_id].saved.add(block)


def _collect(cursors: Mapping[int, Cursor]) -> Change:
    change = Change([], [], [], [])
    for subscriber_id, cursor in cursors.items():
        if not cursor.dirty:
            continue
        blocks, cursor.dirty = cursor.dirty, set()
        change.blocks.append((cursor, blocks))
        for block in blocks:
            bits = cursor.bits(block)
            content = bits.to_bytes(_BYTES, "little").rstrip(b"\0")
            if block in cursor.saved:
                if bits:
                    change.updated.append({"subscriber": subscriber_id, "number": block, "content": content})
                else:
                    change.deleted.append({"subscriber": subscriber_id, "number": block})
            elif bits:
                change.inserted.append({"subscriber_id": subscriber_id, "block": block, "bits": content})
    return change


def _keys(rows: Sequence[Mapping[str, Any]]) -> list[tuple[int, int]]:
    return [(row["subscriber_id"], row["block"]) for row in rows]


def _updated_keys(rows: Sequence[Mapping[str, Any]]) -> list[tuple[int, int]]:
    return [(row["subscriber"], row["number"]) for row in rows]
