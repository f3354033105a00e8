"""A lease in the database: what only one node may do, one node does."""

import secrets
from typing import Final

from sqlalchemy import delete, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from thingplane.clock import Clock
from thingplane.ota.tables import ota_leases
from thingplane.storage.database import Database

LIFETIME_MS: Final = 15_000
RENEWED_AFTER_MS: Final = 5_000

_holder = ota_leases.c.holder
_expires_at = ota_leases.c.expires_at


class Lease:
    """One node's claim. The nodes' clocks must not differ by more than the lifetime."""

    def __init__(self, database: Database, clock: Clock, name: str) -> None:
        """Claim nothing yet.

        Args:
            database: what all nodes share.
            clock: tells when the lease expires.
            name: of what is leased.
        """
        self._database = database
        self._clock = clock
        self._mine = ota_leases.c.name == name
        self._row = {"name": name, "holder": secrets.token_hex(16)}

    async def hold(self) -> bool:
        """Take or renew the lease if nobody else has it; return whether this node may go on.

        The database is asked every time: a node that was taken for dead learns of it.
        """
        now = self._clock.now_ms()
        me = self._row["holder"]
        async with self._database.read() as connection:
            row = (await connection.execute(select(_holder, _expires_at).where(self._mine))).first()
        if row is None:
            return await self._first(now)
        if row.holder == me and 0 < row.expires_at - now - LIFETIME_MS + RENEWED_AFTER_MS <= RENEWED_AFTER_MS:
            return True
        # One that lasts longer than any was made when a clock was wrong.
        free = or_(_holder == me, _expires_at <= now, _expires_at > now + 2 * LIFETIME_MS)
        change = update(ota_leases).where(self._mine, free).values(holder=me, expires_at=now + LIFETIME_MS)
        async with self._database.write() as connection:
            return bool((await connection.execute(change)).rowcount)

    async def _first(self, now: int) -> bool:
        try:
            async with self._database.write() as connection:
                await connection.execute(insert(ota_leases).values(**self._row, expires_at=now + LIFETIME_MS))
        except IntegrityError:
            # Somebody was quicker.
            return False
        return True

    async def take_over(self) -> None:
        """Take the lease from whoever has it: for a node that has the database for itself."""
        now = self._clock.now_ms()
        change = update(ota_leases).where(self._mine).values(holder=self._row["holder"], expires_at=now + LIFETIME_MS)
        async with self._database.write() as connection:
            taken = (await connection.execute(change)).rowcount
        if not taken:
            await self._first(now)

    async def release(self) -> None:
        """Let another node take over at once."""
        async with self._database.write() as connection:
            await connection.execute(delete(ota_leases).where(self._mine, _holder == self._row["holder"]))
