"""Packages: making, finding and deleting them."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, delete, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from thingplane.clock import Clock
from thingplane.ota import errors
from thingplane.ota.job import RUNNING
from thingplane.ota.ledger import UNFINISHED_COUNT
from thingplane.ota.modules import ModuleService
from thingplane.ota.package import DEFAULT_MODULE, USABLE, Package, PackageFile, Verification
from thingplane.ota.rows import MAX_OFFSET, packages_of
from thingplane.ota.tables import ota_job_counts, ota_jobs, ota_package_files, ota_packages
from thingplane.ota.uids import new_uid
from thingplane.ota.uploads import FIRMWARE, UploadService, unused
from thingplane.products.service import Product, ProductService
from thingplane.storage.database import Database

MAX_PACKAGES: Final = 500
"""Packages of an instance (guide: CreateOTAFirmware)."""


class NewFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file of a package to be, as its creator describes it; what is None is taken from the upload."""

    url: str
    name: str | None = None
    size: int | None = None
    sign: str | None = None
    md5: str | None = None


class NewPackage(msgspec.Struct, frozen=True, kw_only=True):
    """A package to be."""

    name: str
    version: str
    files: Sequence[NewFile]
    multi: bool
    kind: int = 0
    src_version: str | None = None
    module: str = DEFAULT_MODULE
    sign_method: str = "MD5"
    description: str | None = None
    udi: str | None = None
    needs_verification: bool = True


class PackageService:
    """The packages of all instances."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        products: ProductService,
        modules: ModuleService,
        uploads: UploadService,
        *,
        max_packages: int = MAX_PACKAGES,
    ) -> None:
        """Wire.

        Args:
            database: where packages are kept.
            clock: tells creation times.
            products: the service of their products; packages go with them.
            modules: the service of their modules.
            uploads: where their files come from.
            max_packages: most packages of an instance.
        """
        self._database = database
        self._clock = clock
        self._products = products
        self._modules = modules
        self._uploads = uploads
        self._max_packages = max_packages
        products.on_delete.append(self._leave)

    async def get(self, instance_id: int, firmware_id: str) -> Package:
        """Return the instance's package with this id.

        Raises:
            BusinessError: iot.firmware.NullFirmwareId, iot.firmware.FirmwareNotFound.
        """
        if not firmware_id:
            raise errors.NULL_FIRMWARE_ID()
        query = select(ota_packages).where(
            ota_packages.c.firmware_id == firmware_id, ota_packages.c.instance_id == instance_id
        )
        async with self._database.read() as connection:
            found = await packages_of(connection, query)
        if not found:
            raise errors.FIRMWARE_NOT_FOUND()
        return found[0]

    async def page(
        self, instance_id: int, page: int, size: int, *, product: Product | None, version: str | None
    ) -> tuple[list[Package], int]:
        """Return a page of an instance's packages, newest first, and the number of all that fit.

        Args:
            instance_id: whose packages.
            page: number of the page, from 1.
            size: packages on a page.
            product: only its packages.
            version: only those of this version.
        """
        fits: list[ColumnElement[bool]] = [ota_packages.c.instance_id == instance_id]
        if product is not None:
            fits.append(ota_packages.c.product_id == product.id)
        if version is not None:
            fits.append(ota_packages.c.version == version)
        query = select(ota_packages).where(*fits).order_by(ota_packages.c.id.desc())
        query = query.limit(size).offset(min((page - 1) * size, MAX_OFFSET))
        async with self._database.read() as connection:
            total = (await connection.execute(select(func.count()).select_from(ota_packages).where(*fits))).scalar_one()
            return await packages_of(connection, query), total

    async def create(self, instance_id: int, product: Product | None, new: NewPackage) -> Package:
        """Make a package of files that were uploaded.

        Args:
            instance_id: whose package.
            product: the product it is for; None for every product of the instance.
            new: what it is.

        Raises:
            BusinessError: iot.firmware.* and iot.ota.Package… for what does not fit together, does not fit the uploads
                or exists already; iot.ota.OTAModuleNotExist; iot.prod.NotExistedProduct.
        """
        _check(new)
        now = self._clock.now_ms()
        values: dict[str, Any] = {
            "firmware_id": new_uid(),
            "instance_id": instance_id,
            "product_id": None if product is None else product.id,
            "name": new.name,
            "version": new.version,
            "src_version": new.src_version,
            "module": new.module,
            "kind": new.kind,
            "sign_method": new.sign_method,
            "description": new.description,
            "udi": new.udi,
            "status": int(Verification.UNVERIFIED if new.needs_verification else Verification.NOT_NEEDED),
            "multi": new.multi,
            "created_at": now,
            "modified_at": now,
        }
        try:
            async with self._database.write() as connection:
                await self._check_room(connection, instance_id, product, new)
                created = insert(ota_packages).values(values).returning(ota_packages.c.id)
                package_id = (await connection.execute(created)).scalar_one()
                files = [
                    await self._file(connection, instance_id, new, number, file)
                    for number, file in enumerate(new.files, 1)
                ]
                _check_distinct(files, new.sign_method)
                rows = [{"package_id": package_id, **msgspec.structs.asdict(file)} for file in files]
                await connection.execute(insert(ota_package_files), rows)
        except IntegrityError:
            # Another call was quicker with the name.
            raise errors.ALREADY_EXISTED_FIRMWARE_NAME() from None
        return Package(id=package_id, files=tuple(files), **values)

    async def _check_room(
        self, connection: AsyncConnection, instance_id: int, product: Product | None, new: NewPackage
    ) -> None:
        mine = ota_packages.c.instance_id == instance_id
        if product is not None:
            # Packages of one product are made one after the other.
            await self._products.locked(connection, product.id)
            await self._modules.check(connection, product.id, new.module)
        elif new.module != DEFAULT_MODULE:
            raise errors.MODULE_NOT_EXIST("A package for every product is for the default module.")
        count = await connection.scalar(select(func.count()).select_from(ota_packages).where(mine))
        if (count or 0) >= self._max_packages:
            raise errors.FIRMWARE_COUNT_EXCEED_MAX()
        if await _any(connection, mine, ota_packages.c.name == new.name):
            raise errors.ALREADY_EXISTED_FIRMWARE_NAME()
        same = [mine, ota_packages.c.version == new.version, ota_packages.c.module == new.module]
        same.append(ota_packages.c.product_id.is_(None) if product is None else ota_packages.c.product_id == product.id)
        same.append(ota_packages.c.kind == new.kind)
        if new.kind:
            same.append(ota_packages.c.src_version == new.src_version)
        if await _any(connection, *same):
            raise errors.ALREADY_EXISTED_FIRMWARE_VERSION()

    async def _file(
        self, connection: AsyncConnection, instance_id: int, new: NewPackage, number: int, file: NewFile
    ) -> PackageFile:
        """Return the file behind a URL, if it is what its creator says."""
        found = await self._uploads.find(connection, instance_id, FIRMWARE, file.url)
        if not found.size:
            raise errors.EMPTY_FIRMWARE_FILE()
        if file.size is not None and file.size != found.size:
            raise errors.INVALID_FIRMWARE_SIZE(f"The uploaded file has {found.size} bytes, not {file.size}.")
        name = found.key.rpartition("/")[2] if file.name is None else file.name
        made = PackageFile(
            number=number, name=name, size=found.size, blob=found.blob, md5=found.md5, sha256=found.sha256
        )
        if file.sign and file.sign.lower() != made.sign(new.sign_method):
            raise errors.INVALID_FIRMWARE_SIGN()
        if file.md5 and file.md5.lower() != made.md5:
            raise errors.INVALID_FIRMWARE_SIGN()
        return made

    async def delete(self, package: Package) -> None:
        """Delete a package with its files and batches.

        Raises:
            BusinessError: iot.firmware.DeleteFirmwareFailure while a batch of it runs; iot.firmware.FirmwareNotFound.
        """
        async with self._database.write() as connection:
            found = select(ota_packages.c.id).where(ota_packages.c.id == package.id).with_for_update()
            if (await connection.execute(found)).first() is None:
                raise errors.FIRMWARE_NOT_FOUND()
            # A dynamic batch whose policy was cancelled goes on with its tasks.
            running = select(ota_jobs.c.id).join(ota_job_counts, ota_job_counts.c.job_id == ota_jobs.c.id)
            running = running.where(
                ota_jobs.c.package_id == package.id, or_(ota_jobs.c.status.in_(RUNNING), UNFINISHED_COUNT > 0)
            )
            if (await connection.execute(running.limit(1))).first() is not None:
                raise errors.DELETE_FIRMWARE_FAILURE()
            blobs = await self._delete(connection, [package.id])
        await self._uploads.garbage.delete(blobs)

    async def _delete(self, connection: AsyncConnection, package_ids: Sequence[int]) -> list[str]:
        """Delete packages inside a transaction; return the contents that have to be deleted after it."""
        wanted = ota_package_files.c.package_id.in_(package_ids)
        blobs = list((await connection.execute(select(ota_package_files.c.blob).where(wanted))).scalars())
        # Tasks and counts go with their jobs, files with their package.
        await connection.execute(delete(ota_jobs).where(ota_jobs.c.package_id.in_(package_ids)))
        await connection.execute(delete(ota_packages).where(ota_packages.c.id.in_(package_ids)))
        left = await unused(connection, blobs)
        await self._uploads.garbage.note(connection, left)
        return left

    async def _leave(self, connection: AsyncConnection, product_id: int) -> None:
        """Delete what a product has, in the transaction that deletes it; contents are deleted by the next sweep."""
        await connection.execute(delete(ota_jobs).where(ota_jobs.c.product_id == product_id))
        query = select(ota_packages.c.id).where(ota_packages.c.product_id == product_id)
        await self._delete(connection, (await connection.execute(query)).scalars().all())

    async def begin_verification(self, connection: AsyncConnection, package: Package) -> None:
        """Note that a package is being verified, inside a transaction.

        Raises:
            BusinessError: iot.firmware.InProgressVerifyJobExisted, iot.firmware.VerifyFirmwareNoNeed,
                iot.firmware.FirmwareNotFound.
        """
        check_unverified(await self._status(connection, package))
        change = update(ota_packages).where(ota_packages.c.id == package.id)
        values = {"status": int(Verification.VERIFYING), "modified_at": self._clock.now_ms()}
        await connection.execute(change.values(values))

    async def check_usable(self, connection: AsyncConnection, package: Package) -> None:
        """Check that a package may be used, and keep it from being deleted until the transaction ends.

        Raises:
            BusinessError: iot.firmware.FirmwareNotVerified, iot.firmware.FirmwareNotFound.
        """
        if await self._status(connection, package) not in USABLE:
            raise errors.FIRMWARE_NOT_VERIFIED()

    @staticmethod
    async def _status(connection: AsyncConnection, package: Package) -> int:
        query = select(ota_packages.c.status).where(ota_packages.c.id == package.id).with_for_update()
        status: int | None = await connection.scalar(query)
        if status is None:
            raise errors.FIRMWARE_NOT_FOUND()
        return status


def check_unverified(status: int) -> None:
    """Check that a package with this status may be verified.

    Raises:
        BusinessError: iot.firmware.InProgressVerifyJobExisted, iot.firmware.VerifyFirmwareNoNeed.
    """
    if status == Verification.VERIFYING:
        raise errors.IN_PROGRESS_VERIFY_JOB_EXISTED()
    if status in USABLE:
        raise errors.VERIFY_NO_NEED()


async def _any(connection: AsyncConnection, *fits: ColumnElement[bool]) -> bool:
    return (await connection.execute(select(ota_packages.c.id).where(*fits).limit(1))).first() is not None


def _check(new: NewPackage) -> None:
    if new.kind and not new.src_version:
        raise errors.SRC_VERSION_IS_MANDATORY()
    if new.src_version == new.version:
        raise errors.SRC_DEST_VERSION_MATCHED()
    if new.multi:
        names = [file.name for file in new.files]
        if len(set(names)) < len(names):
            raise errors.PACKAGE_FILE_NAME_DUPLICATED()
        if len({file.url for file in new.files}) < len(names):
            raise errors.PACKAGE_FILE_URL_DUPLICATED()


def _check_distinct(files: Sequence[PackageFile], method: str) -> None:
    if len({file.sign(method) for file in files}) < len(files):
        raise errors.PACKAGE_FILE_SIGN_DUPLICATED()
