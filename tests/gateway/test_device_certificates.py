"""X.509 certificates of devices (device-protocol, 1.10)."""

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.gateway.client import Client
from tests.gateway.real_world import RealWorld, real_world
from tests.gateway.support import until
from tests.gateway.test_registering import secret_connect
from thingplane.devices.certificates import Authority, CertificateError
from thingplane.devices.service import Device
from thingplane.devices.x509 import Issued, issue, make_authority
from thingplane.mqtt.packets import Connack, Connect, Publish
from thingplane.storage.database import Database
from thingplane.tls import Certificates


class Signer(NamedTuple):
    authority: Authority
    issued: Issued


@pytest.fixture(scope="session")
def made() -> Issued:
    return make_authority("A test's device CA")


@pytest.fixture
async def world(embedded: Database, certificates: Certificates) -> AsyncIterator[RealWorld]:
    async with real_world(embedded, certificates) as world:
        yield world


@pytest.fixture
async def device(world: RealWorld) -> Device:
    return await world.device(await world.product(auth_type="x509"))


@pytest.fixture
async def signer(world: RealWorld, made: Issued) -> Signer:
    authority = await world.devices.certificates.add_authority(1, made.certificate)
    await world.devices.certificates.refresh()
    return Signer(authority, made)


def identity(certificates: Certificates, issued: Issued, folder: Path) -> ssl.SSLContext:
    """Return the TLS context of a device with a certificate."""
    file = folder / f"{issued.serial}.pem"
    file.write_bytes(issued.certificate.encode() + issued.key)
    context = ssl.create_default_context(cafile=str(certificates.ca))
    context.load_cert_chain(file)
    return context


def nameless() -> Connect:
    """What the SDK for C says that knows neither ProductKey nor DeviceName yet."""
    client_id = ".|timestamp=2524608000000,_ss=1,_v=sdk-c-4.2.0,securemode=2,signmethod=hmacsha256,ext=3,_conn=tls_0|"
    return Connect(client_id=client_id, username="&", password=b"0" * 64, keepalive=60)


def named(device: Device, name: str | None = None) -> Connect:
    client_id = "sn1|securemode=2,signmethod=hmacsha1,timestamp=1|"
    return Connect(client_id=client_id, username=f"{name or device.name}&{device.product_key}", keepalive=60)


async def connected(world: RealWorld, packet: Connect, context: ssl.SSLContext) -> tuple[Client, int]:
    client = await Client.open(world, secure=context)
    client.send(packet)
    return client, (await client.expect(Connack)).code


@pytest.mark.parametrize("elliptic", [False, True])
async def test_a_device_learns_who_it_is_and_comes_back_by_name(  # noqa: PLR0917 - fixtures and parameters
    world: RealWorld, device: Device, signer: Signer, certificates: Certificates, tmp_path: Path, elliptic: bool
) -> None:
    mine = issue(signer.issued.certificate, signer.issued.key, "any name", 30, elliptic=elliptic)
    await world.devices.certificates.bind(signer.authority, [(mine.serial, device)])
    context = identity(certificates, mine, tmp_path)
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        context.minimum_version = context.maximum_version = version
        client, code = await connected(world, nameless(), context)
        assert code == 0
        message = await client.expect(Publish)
        assert message.topic == "/ext/auth/identity/response"
        assert json.loads(message.payload) == {"productKey": device.product_key, "deviceName": device.name}
        assert world.devices.status(device) == "ONLINE"
        client, code = await connected(world, named(device), context)
        assert code == 0
        assert await client.drain() == []


async def test_a_certificate_counts_for_its_device_only(
    world: RealWorld, device: Device, signer: Signer, certificates: Certificates, tmp_path: Path
) -> None:
    product = await world.products.find(device.product_key)
    assert product is not None
    other = await world.device(product, "lamp-2")
    mine = issue(signer.issued.certificate, signer.issued.key, "a", 30)
    unbound = issue(signer.issued.certificate, signer.issued.key, f"{other.product_key}.{other.name}", 30)
    await world.devices.certificates.bind(signer.authority, [(mine.serial, device)])
    context = identity(certificates, mine, tmp_path)
    assert (await connected(world, named(device, "lamp-2"), context))[1] == 4
    assert (await connected(world, named(device, "LAMP-1"), context))[1] == 4
    assert (await connected(world, secret_connect(other), context))[1] == 4
    assert (await connected(world, nameless(), identity(certificates, unbound, tmp_path)))[1] == 4
    await world.devices.disable(device)
    assert (await connected(world, named(device), context))[1] == 4


async def test_secrets_and_certificates_do_not_stand_in_for_each_other(  # noqa: PLR0917 - fixtures and parameters
    world: RealWorld,
    device: Device,
    signer: Signer,
    certificates: Certificates,
    trusting: ssl.SSLContext,
    tmp_path: Path,
) -> None:
    assert (await connected(world, secret_connect(device), trusting))[1] == 4
    assert (await connected(world, named(device), trusting))[1] == 4
    plain = await world.device(await world.product(), "lamp-3")
    mine = issue(signer.issued.certificate, signer.issued.key, "a", 30)
    await world.devices.certificates.bind(signer.authority, [(mine.serial, plain)])
    assert (await connected(world, named(plain), identity(certificates, mine, tmp_path)))[1] == 4


async def test_strange_authorities_do_not_get_through_tls(
    world: RealWorld, device: Device, signer: Signer, certificates: Certificates, tmp_path: Path
) -> None:
    # With the very same names and serial number.
    impostor = make_authority("A test's device CA")
    forged = issue(impostor.certificate, impostor.key, "a", 30)
    await world.devices.certificates.bind(signer.authority, [(forged.serial, device)])
    client = await Client.open(world, secure=None)
    client.close()
    context = identity(certificates, forged, tmp_path)
    with pytest.raises((ssl.SSLError, ConnectionError, EOFError, AssertionError)):
        await connected(world, named(device), context)
    assert world.devices.status(device) == "UNACTIVE"


async def test_an_authority_vouches_for_devices_of_its_instance_only(
    world: RealWorld, certificates: Certificates, made: Issued, device: Device, tmp_path: Path
) -> None:
    store = world.devices.certificates
    foreign = await store.add_authority(2, made.certificate)
    await store.refresh()
    mine = issue(made.certificate, made.key, "a", 30)
    with pytest.raises(CertificateError, match="another instance"):
        await store.bind(foreign, [(mine.serial, device)])
    with pytest.raises(CertificateError, match="another instance"):
        await store.add_authority(1, made.certificate)
    assert (await connected(world, named(device), identity(certificates, mine, tmp_path)))[1] == 4


async def test_revoked_certificates_end_their_connections(
    world: RealWorld, device: Device, signer: Signer, certificates: Certificates, tmp_path: Path
) -> None:
    store = world.devices.certificates
    first, second = (issue(signer.issued.certificate, signer.issued.key, "a", 30) for _ in range(2))
    await store.bind(signer.authority, [(first.serial, device), (second.serial.lower(), device)])
    assert {item.serial for item in await store.list(device)} == {first.serial, second.serial}
    client, code = await connected(world, named(device), identity(certificates, first, tmp_path))
    assert code == 0
    assert await store.revoke(device, second.serial) == 1
    await store.refresh()
    await world.gateway.check_certificates()
    assert await client.drain() == []
    assert await store.revoke(device) == 1
    await store.refresh()
    await world.gateway.check_certificates()
    assert await client.closed() == []
    assert (await connected(world, named(device), identity(certificates, first, tmp_path)))[1] == 4


async def test_an_authority_that_is_removed_counts_no_more(
    world: RealWorld, device: Device, signer: Signer, certificates: Certificates, tmp_path: Path
) -> None:
    store = world.devices.certificates
    mine = issue(signer.issued.certificate, signer.issued.key, "a", 30)
    await store.bind(signer.authority, [(mine.serial, device)])
    client, code = await connected(world, named(device), identity(certificates, mine, tmp_path))
    assert code == 0
    await store.remove_authority(signer.authority.fingerprint)
    await store.refresh()
    await world.gateway.check_certificates()
    assert await client.closed() == []
    # Nobody is asked for a certificate any more, so this one is not shown.
    assert (await connected(world, named(device), identity(certificates, mine, tmp_path)))[1] == 4


async def test_handshakes_end_in_time(world: RealWorld, signer: Signer) -> None:
    assert signer.authority.id
    reader, writer = await asyncio.open_connection("127.0.0.1", world.ports.mqtt)
    writer.write(b"\x16\x03\x01")
    await until(lambda: bool(world.gateway._hub._entering))
    world.pass_time(11)
    async with asyncio.timeout(5):
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""
    writer.close()
