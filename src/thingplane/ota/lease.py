"""A lease in the database: what only one node may do, one node does."""

import secrets
from typing import Final

from sqlalchemy import delete, insert, update
from sqlalchemy.exc import IntegrityError

from thingplane.clock import Clock
from thingplane.ota.tables import ota_leases
from thingplane.storage.database import Database

LIFETIME_MS: Final = 15_000
RENEWED_AFTER_MS: Final = 5_000


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
        self._name = name
        self._holder = secrets.token_hex(16)
        self._until = 0

    async def hold(self) -> bool:
        """Take or renew the lease if nobody else has it; return whether this node may go on."""
        now = self._clock.now_ms()
        if now < self._until - LIFETIME_MS + RENEWED_AFTER_MS:
            return True
        until = now + LIFETIME_MS
        mine = (ota_leases.c.holder == self._holder) | (ota_leases.c.expires_at <= now)
        change = update(ota_leases).where(ota_leases.c.name == self._name, mine)
        async with self._database.write() as connection:
            held = bool((await connection.execute(change.values(holder=self._holder, expires_at=until))).rowcount)
        if not held:
            held = await self._first(until)
        self._until = until if held else 0
        return held

    async def _first(self, until: int) -> bool:
        row = {"name": self._name, "holder": self._holder, "expires_at": until}
        try:
            async with self._database.write() as connection:
                await connection.execute(insert(ota_leases).values(row))
        except IntegrityError:
            # Somebody holds it.
            return False
        return True

    async def release(self) -> None:
        """Let another node take over at once."""
        self._until = 0
        mine = (ota_leases.c.name == self._name, ota_leases.c.holder == self._holder)
        async with self._database.write() as connection:
            await connection.execute(delete(ota_leases).where(*mine))
