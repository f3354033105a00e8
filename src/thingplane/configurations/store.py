"""Configurations in the database: written by the command line, read by nodes."""

import hashlib
import secrets
from collections.abc import AsyncIterator
from typing import Any, Final

import msgspec
from sqlalchemy import delete, insert, select, update

from thingplane.clock import Clock
from thingplane.configurations.tables import configuration_pushes, configuration_switches, product_configurations
from thingplane.storage.blobs import BlobNotFoundError
from thingplane.storage.database import Database
from thingplane.storage.revisions import Revision

MAX_BYTES: Final = 64 * 1024
VERSIONS_KEPT: Final = 5
PUSHES_KEPT: Final = 5
HOUR_MS: Final = 3_600_000
BLOB_PREFIX: Final = "config-"
"""Begins the keys under which configurations are downloaded."""

_HEAD: Final = [product_configurations.c[name] for name in ("config_id", "size", "sha256", "created_at")]


class ConfigurationError(Exception):
    """A configuration that cannot be saved or pushed; the text says why in one line."""


class Configuration(msgspec.Struct, frozen=True):
    """A version of a product's configuration, without its content."""

    config_id: str
    size: int
    """Bytes."""
    sha256: str
    """Lower-case hexadecimal."""
    created_at: int
    """Epoch milliseconds."""

    @property
    def blob(self) -> str:
        """Key under which it is downloaded."""
        return BLOB_PREFIX + self.config_id


class Push(msgspec.Struct, frozen=True):
    """A configuration on its way to all devices of a product that are online."""

    id: int
    product_id: int
    requested_at: int
    """Epoch milliseconds."""
    done_at: int | None
    """Epoch milliseconds; None while no node has taken it up."""
    sent: int | None
    """Devices that it was sent to."""


class ConfigurationStore:
    """The configurations of all products; also a source of downloads (``files.Downloads``)."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self.pushes = Revision(database, "configuration pushes")
        """Grows with every push that is requested."""

    # Versions.

    async def save(self, product_id: int, content: bytes) -> Configuration:
        """Put a configuration in force for a product; the newest five versions are kept.

        Raises:
            ConfigurationError: it is not JSON, or too large.
        """
        if len(content) > MAX_BYTES:
            raise ConfigurationError(f"a configuration has at most {MAX_BYTES} bytes")
        try:
            msgspec.json.decode(content)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise ConfigurationError(f"a configuration is JSON: {error}") from None
        table = product_configurations
        now = self._clock.now_ms()
        saved = Configuration(secrets.token_hex(16), len(content), hashlib.sha256(content).hexdigest(), now)
        async with self._database.write() as connection:
            row = {**msgspec.structs.asdict(saved), "product_id": product_id, "content": content}
            await connection.execute(insert(table).values(row))
            mine = table.c.product_id == product_id
            newest = select(table.c.id).where(mine).order_by(table.c.id.desc()).limit(VERSIONS_KEPT)
            ids = (await connection.execute(newest)).scalars().all()
            await connection.execute(delete(table).where(mine, table.c.id < ids[-1]))
        return saved

    async def versions(self, product_id: int) -> list[Configuration]:
        """Return the versions of a product's configuration, the one in force first."""
        table = product_configurations
        query = select(*_HEAD).where(table.c.product_id == product_id).order_by(table.c.id.desc())
        async with self._database.read() as connection:
            return [Configuration(*row) for row in await connection.execute(query)]

    async def current(self, product_id: int) -> Configuration | None:
        """Return the configuration in force."""
        table = product_configurations
        query = select(*_HEAD).where(table.c.product_id == product_id).order_by(table.c.id.desc()).limit(1)
        async with self._database.read() as connection:
            row = (await connection.execute(query)).first()
        return None if row is None else Configuration(*row)

    async def content(self, config_id: str) -> bytes | None:
        """Return the content of a version; None when it is not kept any more."""
        query = select(product_configurations.c.content).where(product_configurations.c.config_id == config_id)
        async with self._database.read() as connection:
            content = await connection.scalar(query)
        return None if content is None else bytes(content)

    async def size(self, key: str) -> int:
        """Return the size of a download.

        Raises:
            BlobNotFoundError: the version is not kept any more.
        """
        return len(await self._downloaded(key))

    async def read(self, key: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """Give the bytes of a download.

        Raises:
            BlobNotFoundError: the version is not kept any more.
        """
        yield (await self._downloaded(key))[start:end]

    async def _downloaded(self, key: str) -> bytes:
        content = await self.content(key.removeprefix(BLOB_PREFIX))
        if content is None:
            raise BlobNotFoundError(key)
        return content

    # The switch.

    async def enabled(self, product_id: int) -> bool:
        """Tell whether devices of a product get its configuration."""
        query = select(configuration_switches.c.enabled).where(configuration_switches.c.product_id == product_id)
        async with self._database.read() as connection:
            found = await connection.scalar(query)
        return found is not False

    async def switch(self, product_id: int, *, enabled: bool) -> None:
        """Turn the remote configuration of a product on or off."""
        table = configuration_switches
        async with self._database.write() as connection:
            await connection.execute(delete(table).where(table.c.product_id == product_id))
            await connection.execute(insert(table).values(product_id=product_id, enabled=enabled))

    # Pushes.

    async def request_push(self, product_id: int, *, per_hour: int = 0) -> Push:
        """Ask the nodes to push the configuration in force to the devices that are online.

        Args:
            product_id: whose devices.
            per_hour: pushes of one product an hour; 0: unlimited, the vendor allows 1.

        Raises:
            ConfigurationError: there is nothing to push, it is turned off, or it was pushed too often.
        """
        if not await self.enabled(product_id):
            raise ConfigurationError("the remote configuration of the product is turned off")
        if await self.current(product_id) is None:
            raise ConfigurationError("the product has no configuration: set one first")
        table, now = configuration_pushes, self._clock.now_ms()
        mine = table.c.product_id == product_id
        async with self._database.write() as connection:
            recent = select(table.c.id).where(mine, table.c.requested_at > now - HOUR_MS).limit(PUSHES_KEPT)
            if per_hour and len((await connection.execute(recent)).all()) >= per_hour:
                raise ConfigurationError(f"a configuration can be pushed {per_hour} times an hour")
            values = {"product_id": product_id, "requested_at": now}
            made = (await connection.execute(insert(table).values(values).returning(table.c.id))).scalar_one()
            newest = select(table.c.id).where(mine).order_by(table.c.id.desc()).limit(PUSHES_KEPT)
            ids = (await connection.execute(newest)).scalars().all()
            await connection.execute(delete(table).where(mine, table.c.id < ids[-1]))
            await self.pushes.increase(connection)
        return Push(made, product_id, now, None, None)

    async def push(self, push_id: int) -> Push | None:
        """Return a push."""
        async with self._database.read() as connection:
            row = (
                await connection.execute(select(configuration_pushes).where(configuration_pushes.c.id == push_id))
            ).first()
        return None if row is None else _to_push(row)

    async def withdraw(self, push: Push) -> None:
        """Forget a push that no node has taken up."""
        table = configuration_pushes
        async with self._database.write() as connection:
            await connection.execute(delete(table).where(table.c.id == push.id, table.c.done_at.is_(None)))

    async def waiting(self) -> list[Push]:
        """Return the pushes that no node has taken up, oldest first."""
        table = configuration_pushes
        async with self._database.read() as connection:
            rows = await connection.execute(select(table).where(table.c.done_at.is_(None)).order_by(table.c.id))
            return [_to_push(row) for row in rows]

    async def pushed(self, push: Push, sent: int) -> None:
        """Note that a push was done."""
        table = configuration_pushes
        change = update(table).where(table.c.id == push.id).values(done_at=self._clock.now_ms(), sent=sent)
        async with self._database.write() as connection:
            await connection.execute(change)


def _to_push(row: Any) -> Push:
    return Push(**row._mapping)  # noqa: SLF001 - the documented way to a row's columns
