"""Files on their way into packages and batches: their URLs, their content, and their end when nobody uses them."""

import hashlib
import re
import secrets
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
from sqlalchemy import delete, exists, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from thingplane.clock import Clock
from thingplane.files.service import Garbage
from thingplane.ota.errors import INVALID_FIRMWARE_URL, MALFORMED_FIRMWARE_URL, UPGRADE_DEVICE_COUNT_EXCEED_LIMIT
from thingplane.ota.policy import LIFETIME_MS, Policy, PolicySigner
from thingplane.ota.tables import ota_jobs, ota_package_files, ota_upload_secrets, ota_uploads
from thingplane.ota.uids import new_uid
from thingplane.storage.blobs import BlobNotFoundError, BlobStore, BlobWriter
from thingplane.storage.database import Database
from thingplane.storage.lasting_secret import lasting_secret

FIRMWARE: Final = "firmware"
NAMES: Final = "names"
MAX_BYTES: Final = {FIRMWARE: 2000 * 1024 * 1024, NAMES: 5 * 1024 * 1024}
"""Bytes of an uploaded file (guide: GenerateOTAUploadURL, GenerateDeviceNameListURL)."""
MAX_NAMES: Final = 1_000_000
"""Devices that a list may have (guide: CreateOTAStaticUpgradeJob); its size bounds it earlier."""
LONGEST_NAME: Final = 64
"""Characters; names of devices have fewer."""
KEPT_MS: Final = 3_600_000
"""Time in which an uploaded file has to become part of a package or batch."""
ABANDONED_MS: Final = 24 * 3_600_000
"""After this time, what a crash has left of an upload is deleted."""

_KEY: Final = re.compile(r"ota/[0-9a-f]{32}/[A-Za-z0-9]{26}\.[a-z.]{2,6}", re.ASCII)


class Ticket(msgspec.Struct, frozen=True):
    """What somebody needs who uploads a file."""

    key: str
    access_key_id: str
    policy: str
    signature: str
    created_at: int
    """Epoch milliseconds."""


class Uploaded(msgspec.Struct, frozen=True):
    """A file that was uploaded."""

    key: str
    blob: str
    size: int
    md5: str
    sha256: str


class UploadWriter:
    """Takes the content of a file and its digests, in constant memory."""

    def __init__(self, blob: str, writer: BlobWriter) -> None:
        self.blob = blob
        self._writer = writer
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._sha256 = hashlib.sha256()

    @property
    def size(self) -> int:
        """Bytes taken so far."""
        return self._writer.size

    @property
    def md5(self) -> "hashlib._Hash":
        """Digest of what was taken so far."""
        return self._md5

    async def write(self, data: bytes) -> None:
        """Take the next bytes.

        Raises:
            OSError: the store does not take them.
        """
        self._md5.update(data)
        self._sha256.update(data)
        await self._writer.write(data)

    async def commit(self, key: str) -> Uploaded:
        """Make the content durable and return what it is.

        Raises:
            OSError: the store does not take it; nothing is left.
        """
        await self._writer.commit()
        return Uploaded(key, self.blob, self.size, self._md5.hexdigest(), self._sha256.hexdigest())

    async def abort(self) -> None:
        """Throw away what was taken."""
        await self._writer.abort()


class UploadService:
    """The uploads of all instances."""

    def __init__(self, database: Database, clock: Clock, blobs: BlobStore) -> None:
        """Wire; ``start`` has to be awaited before URLs are made.

        Args:
            database: where uploads are noted.
            clock: tells when they expire.
            blobs: where contents are kept.
        """
        self._database = database
        self._clock = clock
        self._blobs = blobs
        self.garbage = Garbage(database, clock, blobs)
        self._signer = PolicySigner("")

    async def start(self) -> None:
        """Read the key that signs; make it at the first start."""
        self._signer = PolicySigner(
            await lasting_secret(self._database, ota_upload_secrets, lambda: secrets.token_hex(32))
        )

    async def ticket(self, instance_id: int, kind: str, suffix: str) -> Ticket:
        """Allow one upload.

        Args:
            instance_id: whose file it will be.
            kind: FIRMWARE or NAMES.
            suffix: of the file's name, without the period.
        """
        now = self._clock.now_ms()
        key = f"ota/{secrets.token_hex(16)}/{new_uid()}.{suffix}"
        row = {"key": key, "instance_id": instance_id, "kind": kind, "created_at": now}
        async with self._database.write() as connection:
            await connection.execute(insert(ota_uploads).values(row))
        policy, signature = self._signer.make(Policy(key, MAX_BYTES[kind], now + LIFETIME_MS))
        return Ticket(key, self._signer.access_key_id, policy, signature, now)

    def allowed(self, form: dict[str, str]) -> Policy:
        """Return what the fields of an upload form allow.

        Raises:
            PolicyError: nothing.
        """
        return self._signer.check(form, self._clock.now_ms())

    async def begin(self) -> UploadWriter:
        """Begin to take a file.

        Raises:
            OSError: the store does not take it.
        """
        blob = secrets.token_hex(16)
        async with self._database.write() as connection:
            # Until the file is complete, its content is something to be deleted some time.
            await self.garbage.note(connection, [blob], ABANDONED_MS)
        return UploadWriter(blob, await self._blobs.create(blob))

    async def finish(self, uploaded: Uploaded) -> bool:
        """Note a file whose content is durable; False when its URL is not valid any more.

        A second upload of the same key takes the place of the first, except in what was made of it already.
        """
        values = {name: getattr(uploaded, name) for name in ("blob", "size", "md5", "sha256")}
        async with self._database.write() as connection:
            query = select(ota_uploads.c.blob).where(ota_uploads.c.key == uploaded.key).with_for_update()
            row = (await connection.execute(query)).first()
            if row is not None and await self.garbage.keep(connection, uploaded.blob):
                change = update(ota_uploads).where(ota_uploads.c.key == uploaded.key)
                await connection.execute(change.values(values))
                await self._discard(connection, [row.blob] if row.blob else [])
                return True
        await self.garbage.delete([uploaded.blob])
        return False

    async def discard(self, writer: UploadWriter) -> None:
        """Throw away a file that is not taken."""
        await writer.abort()
        await self.garbage.delete([writer.blob])

    async def find(self, connection: AsyncConnection, instance_id: int, kind: str, url: str) -> Uploaded:
        """Return the file behind a URL and keep it from being deleted until the transaction ends.

        Raises:
            BusinessError: iot.firmware.MalformedFirmwareUrl, iot.firmware.InvalidFirmwareUrl.
        """
        try:
            key = _KEY.search(urlsplit(url).path)
        except ValueError:
            key = None
        if key is None:
            raise MALFORMED_FIRMWARE_URL()
        query = select(ota_uploads).where(
            ota_uploads.c.key == key.group(),
            ota_uploads.c.instance_id == instance_id,
            ota_uploads.c.kind == kind,
            ota_uploads.c.blob.is_not(None),
        )
        row = (await connection.execute(query.with_for_update())).first()
        if row is None:
            raise INVALID_FIRMWARE_URL()
        return Uploaded(row.key, row.blob, row.size, row.md5, row.sha256)

    async def names(self, blob: str) -> list[str]:
        """Return the names in an uploaded list, one a line, each once; an empty list when it is gone.

        What cannot be a name is left out as names of unknown devices are.
        """
        content = bytearray()
        try:
            async for part in self._blobs.read(blob):
                content += part
        except BlobNotFoundError:
            return []
        lines = content.decode("utf-8-sig", "replace").splitlines()
        names = list(dict.fromkeys(name for line in lines if _is_name(name := line.strip().strip(",").strip('"'))))
        if len(names) > MAX_NAMES:
            raise UPGRADE_DEVICE_COUNT_EXCEED_LIMIT()
        return names

    async def release(self, connection: AsyncConnection, blob: str) -> None:
        """Note inside a transaction that a batch needs an uploaded list no more."""
        await self._discard(connection, [blob])

    async def sweep(self) -> None:
        """Forget uploads that nobody has used in time, and delete their contents."""
        old = ota_uploads.c.created_at <= self._clock.now_ms() - KEPT_MS
        async with self._database.write() as connection:
            gone = delete(ota_uploads).where(old).returning(ota_uploads.c.blob)
            blobs = [blob for blob in (await connection.execute(gone)).scalars() if blob]
            await self._discard(connection, blobs)

    async def _discard(self, connection: AsyncConnection, blobs: list[str]) -> None:
        """Note contents for deletion, unless packages or batches have them."""
        await self.garbage.note(connection, await unused(connection, blobs))


def _is_name(text: str) -> bool:
    """Tell whether a database may be asked for it: PostgreSQL has no place for zero characters."""
    return 0 < len(text) <= LONGEST_NAME and text.isprintable()


async def unused(connection: AsyncConnection, blobs: list[str]) -> list[str]:
    """Return those contents that neither a package nor a batch that is being made needs."""
    left: list[str] = []
    for blob in dict.fromkeys(blobs):
        in_package: Any = exists().where(ota_package_files.c.blob == blob)
        in_batch: Any = exists().where(ota_jobs.c.targets == f"blob:{blob}", ota_jobs.c.building.is_(True))
        in_upload: Any = exists().where(ota_uploads.c.blob == blob)
        if not await connection.scalar(select(in_package | in_batch | in_upload)):
            left.append(blob)
    return left
