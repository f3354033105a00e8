"""Access keys, sub-users and policies: changed through here, found from memory for every call."""

import re
import secrets
import string
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from thingplane.access.tables import access_keys, access_policies, access_users
from thingplane.clock import Clock
from thingplane.cloud.context import Caller
from thingplane.cloud.credentials import AccessKey
from thingplane.cloud.policy import MANAGED_POLICIES, Policy
from thingplane.storage.database import Database
from thingplane.storage.polling import Poller
from thingplane.storage.revisions import Revision

DEFAULT_ACCOUNT_ID: Final = "1000000000000001"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
_KEY_ID = re.compile("[A-Za-z0-9._-]{1,128}")
_ALPHANUMERIC = string.ascii_letters + string.digits


class AccessError(Exception):
    """A change that cannot be made; the text says why in one line."""


@dataclass(frozen=True, slots=True)
class KeyInfo:
    """An access key as lists show it."""

    access_key_id: str
    user: str | None
    enabled: bool
    created_at: int
    """Epoch milliseconds."""


@dataclass(frozen=True, slots=True)
class NewKey:
    """An AccessKey pair that was just made; its secret is not shown again."""

    access_key_id: str
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class UserInfo:
    """A sub-user with the names of the policies that are attached to it."""

    name: str
    created_at: int
    """Epoch milliseconds."""
    policies: tuple[str, ...]


class AccessService:
    """The key ring of a node (``thingplane.cloud.credentials.KeyRing``), and the way to change it."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        *,
        account_id: str = DEFAULT_ACCOUNT_ID,
        poll_interval_s: float = 2.0,
    ) -> None:
        """Make an empty key ring; ``start`` or ``refresh`` fills it.

        Args:
            database: where keys are kept.
            clock: what the time is.
            account_id: the account that everything belongs to.
            poll_interval_s: seconds after which changes by other processes are noticed.
        """
        self._database = database
        self._clock = clock
        self._account_id = account_id
        self._revision = Revision(database, "access")
        self._keys: dict[str, AccessKey] = {}
        self._poller = Poller("access", self._revision, self.load, poll_interval_s)

    async def start(self) -> None:
        """Load the keys, and from now on notice what other processes change."""
        await self._poller.start()

    async def stop(self) -> None:
        """Stop noticing changes."""
        await self._poller.stop()

    async def refresh(self) -> None:
        """Load the keys if anything was changed since they were loaded."""
        await self._poller.refresh()

    def find_key(self, access_key_id: str) -> AccessKey | None:
        """Return a key from memory, also a disabled one."""
        return self._keys.get(access_key_id)

    async def load(self) -> None:
        """Read all keys and policies."""
        keys = select(access_keys, access_users.c.name).outerjoin(
            access_users, access_users.c.id == access_keys.c.user_id
        )
        async with self._database.read() as connection:
            documents: dict[int, list[str]] = {}
            for policy in await connection.execute(select(access_policies.c.user_id, access_policies.c.document)):
                documents.setdefault(policy.user_id, []).append(policy.document)
            rows = (await connection.execute(keys)).all()
        policies = {user_id: Policy.parse(*texts) for user_id, texts in documents.items()}
        self._keys = {
            row.access_key_id: AccessKey(
                Caller(self._account_id, row.access_key_id, row.name),
                row.secret,
                row.enabled,
                None if row.user_id is None else policies.get(row.user_id, Policy()),
            )
            for row in rows
        }

    async def ensure_root_key(self, access_key_id: str, secret: str) -> None:
        """Make sure that this pair is an enabled key of the account itself.

        Raises:
            AccessError: the id is malformed, the secret is empty, or the id belongs to a sub-user.
        """
        if not _KEY_ID.fullmatch(access_key_id) or not secret:
            raise AccessError("an AccessKeyId has 1 to 128 letters, digits, '.', '_' or '-', and comes with a secret")
        async with self._database.write() as connection:
            query = select(access_keys).where(access_keys.c.access_key_id == access_key_id)
            known = (await connection.execute(query)).one_or_none()
            if known is not None and known.user_id is not None:
                raise AccessError(f"access key {access_key_id} belongs to a sub-user")
            if known is None:
                await self._insert_key(connection, NewKey(access_key_id, secret), None)
            elif known.secret != secret or not known.enabled:
                same = access_keys.c.access_key_id == access_key_id
                await connection.execute(update(access_keys).where(same).values(secret=secret, enabled=True))
            else:
                return
            await self._revision.increase(connection)
        await self.refresh()

    async def create_key(self, user: str | None = None) -> NewKey:
        """Make an AccessKey pair for a sub-user, or for the account itself.

        Raises:
            AccessError: there is no such sub-user.
        """
        key = NewKey("LTAI" + _random_text(20), _random_text(30))
        async with self._database.write() as connection:
            user_id = None if user is None else await _user_id(connection, user)
            await self._insert_key(connection, key, user_id)
            await self._revision.increase(connection)
        await self.refresh()
        return key

    async def list_keys(self, user: str | None = None) -> list[KeyInfo]:
        """Return all keys, or those of one sub-user, oldest first."""
        query = (
            select(access_keys, access_users.c.name)
            .outerjoin(access_users, access_users.c.id == access_keys.c.user_id)
            .order_by(access_keys.c.created_at, access_keys.c.access_key_id)
        )
        if user is not None:
            query = query.where(access_users.c.name == user)
        async with self._database.read() as connection:
            rows = await connection.execute(query)
            return [KeyInfo(row.access_key_id, row.name, row.enabled, row.created_at) for row in rows]

    async def set_key_enabled(self, access_key_id: str, enabled: bool) -> None:
        """Enable or disable a key.

        Raises:
            AccessError: there is no such key.
        """
        statement = update(access_keys).where(access_keys.c.access_key_id == access_key_id).values(enabled=enabled)
        async with self._database.write() as connection:
            if not (await connection.execute(statement)).rowcount:
                raise AccessError(f"no access key {access_key_id}")
            await self._revision.increase(connection)
        await self.refresh()

    async def delete_key(self, access_key_id: str) -> None:
        """Delete a key.

        Raises:
            AccessError: there is no such key.
        """
        statement = delete(access_keys).where(access_keys.c.access_key_id == access_key_id)
        async with self._database.write() as connection:
            if not (await connection.execute(statement)).rowcount:
                raise AccessError(f"no access key {access_key_id}")
            await self._revision.increase(connection)
        await self.refresh()

    async def create_user(self, name: str) -> None:
        """Create a sub-user, who may do nothing yet.

        Raises:
            AccessError: the name is malformed or taken.
        """
        if not _NAME.fullmatch(name):
            raise AccessError("a user name has 1 to 64 letters, digits, '.', '_', '@' or '-', and starts with neither")
        try:
            async with self._database.write() as connection:
                await connection.execute(insert(access_users).values(name=name, created_at=self._clock.now_ms()))
        except IntegrityError as error:
            raise AccessError(f"user {name} exists already") from error

    async def delete_user(self, name: str) -> None:
        """Delete a sub-user with all its keys and policies.

        Raises:
            AccessError: there is no such sub-user.
        """
        async with self._database.write() as connection:
            user_id = await _user_id(connection, name)
            for table in (access_keys, access_policies):
                await connection.execute(delete(table).where(table.c.user_id == user_id))
            await connection.execute(delete(access_users).where(access_users.c.id == user_id))
            await self._revision.increase(connection)
        await self.refresh()

    async def list_users(self) -> list[UserInfo]:
        """Return all sub-users by name."""
        async with self._database.read() as connection:
            policies: dict[int, list[str]] = {}
            attached = select(access_policies.c.user_id, access_policies.c.name).order_by(access_policies.c.name)
            for row in await connection.execute(attached):
                policies.setdefault(row.user_id, []).append(row.name)
            users = await connection.execute(select(access_users).order_by(access_users.c.name))
            return [UserInfo(row.name, row.created_at, tuple(policies.get(row.id, ()))) for row in users]

    async def attach_policy(self, user: str, name: str, document: str | None = None) -> None:
        """Attach a policy to a sub-user; one with the same name is replaced.

        Args:
            user: name of the sub-user.
            name: of the policy; a managed one (AliyunIOTFullAccess, AliyunIOTReadOnlyAccess) needs no document.
            document: the policy in JSON (see ``thingplane.cloud.policy``).

        Raises:
            AccessError: there is no such sub-user, or no managed policy of this name.
            InvalidPolicyError: the document is malformed or has conditions.
        """
        if document is None:
            document = MANAGED_POLICIES.get(name)
            if document is None:
                raise AccessError(f"no managed policy {name}; there are {', '.join(MANAGED_POLICIES)}")
        elif name in MANAGED_POLICIES:
            raise AccessError(f"{name} is a managed policy and takes no document")
        elif not _NAME.fullmatch(name):
            raise AccessError("a policy name has 1 to 64 letters, digits, '.', '_', '@' or '-'")
        Policy.parse(document)
        async with self._database.write() as connection:
            user_id = await _user_id(connection, user)
            same = (access_policies.c.user_id == user_id) & (access_policies.c.name == name)
            await connection.execute(delete(access_policies).where(same))
            await connection.execute(insert(access_policies).values(user_id=user_id, name=name, document=document))
            await self._revision.increase(connection)
        await self.refresh()

    async def detach_policy(self, user: str, name: str) -> None:
        """Detach a policy from a sub-user.

        Raises:
            AccessError: there is no such sub-user, or it has no such policy.
        """
        async with self._database.write() as connection:
            user_id = await _user_id(connection, user)
            same = (access_policies.c.user_id == user_id) & (access_policies.c.name == name)
            if not (await connection.execute(delete(access_policies).where(same))).rowcount:
                raise AccessError(f"user {user} has no policy {name}")
            await self._revision.increase(connection)
        await self.refresh()

    async def _insert_key(self, connection: AsyncConnection, key: NewKey, user_id: int | None) -> None:
        await connection.execute(
            insert(access_keys).values(
                access_key_id=key.access_key_id,
                secret=key.secret,
                enabled=True,
                user_id=user_id,
                created_at=self._clock.now_ms(),
            )
        )


async def _user_id(connection: AsyncConnection, name: str) -> int:
    # Locked on PostgreSQL: a key or policy must not be given to a user who is being deleted.
    query = select(access_users.c.id).where(access_users.c.name == name).with_for_update()
    user_id: int | None = (await connection.execute(query)).scalar()
    if user_id is None:
        raise AccessError(f"no user {name}")
    return user_id


def _random_text(length: int) -> str:
    return "".join(secrets.choice(_ALPHANUMERIC) for _ in range(length))
