"""X.509 certificates of devices: the authorities that are trusted, and which certificate is whose.

A certificate belongs to a device by the authority that has issued it and its serial number (device-protocol, 1.10).
Authorities belong to an instance, and vouch for devices of this instance only.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import delete, func, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from thingplane.clock import Clock
from thingplane.devices.record import Device
from thingplane.devices.tables import device_authorities, device_certificates
from thingplane.storage.database import Database
from thingplane.storage.polling import Poller
from thingplane.storage.revisions import Revision

MAX_AUTHORITIES: Final = 10
"""Authorities of an instance (device-protocol, 1.10)."""
_CACHED: Final = 10_000


class CertificateError(Exception):
    """A change that can't be made; the text says why in one line."""


class Authority(msgspec.Struct, frozen=True):
    """A certificate authority of devices."""

    id: int
    instance_id: int
    fingerprint: str
    """SHA-256 of its certificate, in hexadecimal digits."""
    certificate: str
    """PEM."""
    created_at: int
    """Epoch milliseconds."""


class Binding(msgspec.Struct, frozen=True):
    """Whose a certificate is."""

    serial: str
    """Serial number in hexadecimal digits, upper case, without leading zeros."""
    authority: str
    """Fingerprint of its issuer."""
    created_at: int
    """Epoch milliseconds."""


class DeviceCertificates:
    """The authorities and certificates of all devices; changes by other processes are noticed."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        find: Callable[[int], Awaitable[Device | None]],
        *,
        max_authorities: int = MAX_AUTHORITIES,
        poll_interval_s: float = 2.0,
    ) -> None:
        """Wire; ``start`` loads.

        Args:
            database: where authorities and certificates are kept.
            clock: tells when they were added.
            find: returns a device by its key.
            max_authorities: most authorities of an instance.
            poll_interval_s: seconds after which changes by other processes are noticed.
        """
        self.authorities: Sequence[Authority] = ()
        """All of them, of all instances, oldest first."""
        self.on_change: list[Callable[[], None]] = []
        """Called when authorities or certificates have changed."""
        self._database = database
        self._clock = clock
        self._find = find
        self._max_authorities = max_authorities
        self._revision = Revision(database, "device_certificates")
        self._poller = Poller("device_certificates", self._revision, self._load, poll_interval_s)
        self._owners: OrderedDict[bytes, int] = OrderedDict()

    async def start(self) -> None:
        """Load the authorities, and notice what other processes change from now on."""
        await self._poller.start()

    async def close(self) -> None:
        """Notice nothing any more."""
        await self._poller.stop()

    async def refresh(self) -> None:
        """Notice now."""
        await self._poller.refresh()

    async def _load(self) -> None:
        async with self._database.read() as connection:
            rows = (await connection.execute(select(device_authorities).order_by(device_authorities.c.id))).all()
        self.authorities = [Authority(**row._mapping) for row in rows]  # noqa: SLF001 (its documented name)
        self._owners.clear()
        for callback in self.on_change:
            callback()

    async def owner(self, certificate: bytes) -> Device | None:
        """Return the device that a certificate belongs to.

        Args:
            certificate: DER; TLS has checked that it is valid now and was issued by one of the authorities.
        """
        digest = hashlib.sha256(certificate).digest()
        device_id = self._owners.get(digest)
        if device_id is None:
            device_id = await self._owner(certificate)
            if device_id is None:
                return None
            self._owners[digest] = device_id
            if len(self._owners) > _CACHED:
                self._owners.popitem(last=False)
        return await self._find(device_id)

    async def _owner(self, certificate: bytes) -> int | None:
        # With its library, which takes memory that nodes without certificates need not spend.
        from thingplane.devices.x509 import issuer_of, serial_of  # noqa: PLC0415

        authority = issuer_of(certificate, self.authorities)
        if authority is None:
            return None
        query = select(device_certificates.c.device_id).where(
            device_certificates.c.authority_id == authority.id, device_certificates.c.serial == serial_of(certificate)
        )
        async with self._database.read() as connection:
            device_id = (await connection.execute(query)).scalar()
        if device_id is None:
            return None
        device = await self._find(device_id)
        return None if device is None or device.instance_id != authority.instance_id else device.id

    # Changes

    async def add_authority(self, instance_id: int, pem: str) -> Authority:
        """Trust an authority for the devices of an instance; one that is trusted already stays as it is.

        Raises:
            CertificateError: it is no certificate of an authority, another instance has it, or there are too many.
        """
        from thingplane.devices.x509 import read_authority  # noqa: PLC0415 - as above

        try:
            fingerprint, normal = read_authority(pem)
        except ValueError as error:
            raise CertificateError(str(error)) from None
        values: dict[str, Any] = {
            "instance_id": instance_id,
            "fingerprint": fingerprint,
            "certificate": normal,
            "created_at": self._clock.now_ms(),
        }
        count = select(func.count()).where(device_authorities.c.instance_id == instance_id)
        try:
            async with self._database.write() as connection:
                query = select(device_authorities).where(device_authorities.c.fingerprint == fingerprint)
                row = (await connection.execute(query)).one_or_none()
                if row is not None:
                    if row.instance_id != instance_id:
                        raise CertificateError("this authority belongs to another instance")
                    return Authority(**row._mapping)  # noqa: SLF001 (its documented name)
                if (await connection.execute(count)).scalar_one() >= self._max_authorities:
                    raise CertificateError(f"an instance has at most {self._max_authorities} certificate authorities")
                added = insert(device_authorities).values(values).returning(device_authorities.c.id)
                authority_id: int = (await connection.execute(added)).scalar_one()
                await self._revision.increase(connection)
        except IntegrityError:
            raise CertificateError("this authority is being added by somebody else") from None
        return Authority(id=authority_id, **values)

    async def remove_authority(self, fingerprint: str) -> None:
        """Trust an authority no more; its certificates are worth nothing then.

        Raises:
            CertificateError: there is no such authority.
        """
        async with self._database.write() as connection:
            mine = device_authorities.c.fingerprint == fingerprint.lower()
            authority_id = (await connection.execute(select(device_authorities.c.id).where(mine))).scalar()
            if authority_id is None:
                raise CertificateError(f"there is no certificate authority {fingerprint}")
            mine_too = device_certificates.c.authority_id == authority_id
            await connection.execute(delete(device_certificates).where(mine_too))
            await connection.execute(delete(device_authorities).where(mine))
            await self._revision.increase(connection)

    async def bind(self, authority: Authority, bindings: Sequence[tuple[str, Device]]) -> None:
        """Say whose certificates are, all or none.

        Args:
            authority: who has issued them.
            bindings: serial number in hexadecimal digits, and device.

        Raises:
            CertificateError: a serial number is malformed or another device's, or a device is of another instance.
        """
        now = self._clock.now_ms()
        table = device_certificates.c
        async with self._database.write() as connection:
            for serial, device in bindings:
                number = _number(serial)
                if device.instance_id != authority.instance_id:
                    raise CertificateError(f"{device.name} belongs to another instance than the certificate authority")
                known = select(table.device_id).where(table.authority_id == authority.id, table.serial == number)
                owner = (await connection.execute(known)).scalar()
                if owner is not None and owner != device.id:
                    raise CertificateError(f"the certificate {number} belongs to another device")
                if owner is None:
                    row = {
                        "authority_id": authority.id,
                        "serial": number,
                        "device_id": device.id,
                        "created_at": now,
                    }
                    await connection.execute(insert(device_certificates).values(row))
            await self._revision.increase(connection)

    async def revoke(self, device: Device, serial: str | None = None) -> int:
        """Let certificates of a device count no more; returns how many there were.

        Args:
            device: whose certificates.
            serial: serial number of one of them; None for all.

        Raises:
            CertificateError: the serial number is malformed.
        """
        mine = [device_certificates.c.device_id == device.id]
        if serial is not None:
            mine.append(device_certificates.c.serial == _number(serial))
        async with self._database.write() as connection:
            revoked = (await connection.execute(delete(device_certificates).where(*mine))).rowcount
            await self._revision.increase(connection)
        return revoked

    async def leave(self, connection: AsyncConnection, device_ids: Sequence[int]) -> None:
        """Let no certificate of some devices count any more, in the transaction that takes them to another instance."""
        mine = device_certificates.c.device_id.in_(device_ids)
        if (await connection.execute(delete(device_certificates).where(mine))).rowcount:
            await self._revision.increase(connection)

    async def count(self, authority: Authority) -> int:
        """Return how many certificates of an authority count."""
        query = select(func.count()).where(device_certificates.c.authority_id == authority.id)
        async with self._database.read() as connection:
            return (await connection.execute(query)).scalar_one()

    async def list(self, device: Device) -> Sequence[Binding]:
        """Return the certificates of a device, oldest first."""
        query = (
            select(device_certificates.c.serial, device_authorities.c.fingerprint, device_certificates.c.created_at)
            .join(device_authorities, device_authorities.c.id == device_certificates.c.authority_id)
            .where(device_certificates.c.device_id == device.id)
            .order_by(device_certificates.c.created_at, device_certificates.c.serial)
        )
        async with self._database.read() as connection:
            return [Binding(*row) for row in await connection.execute(query)]


def _number(serial: str) -> str:
    """Return a serial number as it is kept.

    Raises:
        CertificateError: it is no positive hexadecimal number of at most 20 bytes (RFC 5280, 4.1.2.2).
    """
    digits = serial.replace(":", "").strip()
    if not digits or len(digits) > 40 or any(digit not in "0123456789abcdefABCDEF" for digit in digits):
        raise CertificateError(f"{serial!r} is no serial number: up to 40 hexadecimal digits")
    return f"{int(digits, 16):X}"
