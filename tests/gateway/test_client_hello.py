"""Telling clients apart by the first thing they say."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.gateway.real_world import RealWorld, real_world
from thingplane.devices.x509 import make_authority
from thingplane.gateway.client_hello import breaks_off_when_asked
from thingplane.storage.database import Database
from thingplane.tls import Certificates

SERVER_HELLO_DONE = 14
CERTIFICATE_REQUEST = 13
LINK_KIT = "003d 0035 003c 002f 0095 00b6 0094 008d 00ae 008c 00ff"
LINK_SDK = "003d 0035 003c 002f 00b7 0095 00b6 0094 00af 008d 00ae 008c 00ff"
SHA1_TOO = "000d 0008 0006 0401 0301 0201"
NO_SHA1 = "000d 0006 0004 0401 0301"
TICKET = "0023 0000"
LOCALHOST = "0000 000e 000c 00 0009 6c6f63616c686f7374"


def sized(content: bytes, size: int = 2) -> bytes:
    return len(content).to_bytes(size, "big") + content


def hello(suites: str, *extensions: str) -> bytes:
    """Return the record of a ClientHello of TLS 1.2, as devices send it."""
    content = bytes.fromhex("0303") + bytes(range(32)) + b"\0"
    content += sized(bytes.fromhex(suites)) + b"\1\0" + sized(bytes.fromhex("".join(extensions)))
    return bytes.fromhex("160303") + sized(b"\1" + sized(content, 3))


@pytest.mark.parametrize(
    ("said", "breaks_off"),
    [
        (hello(LINK_KIT, SHA1_TOO, TICKET), True),
        (hello(LINK_KIT, SHA1_TOO), True),
        # Link SDK 4.1 and 4.2, by name and by address
        (hello(LINK_KIT, LOCALHOST, NO_SHA1, TICKET), False),
        (hello(LINK_SDK, LOCALHOST, "000d 000a 0008 0601 0501 0401 0301", TICKET), False),
        (hello(LINK_KIT, NO_SHA1, TICKET), False),
        # Others
        (hello("c02b 002f", SHA1_TOO, TICKET), False),
        (hello(LINK_KIT), False),
        (b"", False),
        (b"\x16\x03\x01", False),
    ],
)
def test_link_kit_is_told_from_clients_that_may_have_a_certificate(said: bytes, breaks_off: bool) -> None:
    assert breaks_off_when_asked(said) is breaks_off


@given(st.integers(0, 200), st.lists(st.tuples(st.integers(0, 199), st.integers(0, 255)), max_size=8))
def test_whatever_comes_is_read(end: int, changes: list[tuple[int, int]]) -> None:
    said = bytearray(hello(LINK_KIT, SHA1_TOO, TICKET)[:end])
    for position, value in changes:
        if position < len(said):
            said[position] = value
    assert breaks_off_when_asked(bytes(said)) in {True, False}


def test_a_record_that_is_not_complete_is_not_judged() -> None:
    said = hello(LINK_KIT, SHA1_TOO, TICKET)
    assert [end for end in range(len(said)) if breaks_off_when_asked(said[:end])] == []


@pytest.fixture
async def world(embedded: Database, certificates: Certificates) -> AsyncIterator[RealWorld]:
    async with real_world(embedded, certificates) as world:
        yield world


async def flight(world: RealWorld, said: bytes) -> list[int]:
    """Return the types of the handshake messages that answer a ClientHello."""
    reader, writer = await asyncio.open_connection("127.0.0.1", world.ports.mqtt)
    writer.write(said)
    types: list[int] = []
    async with asyncio.timeout(10):
        while SERVER_HELLO_DONE not in types:
            header = await reader.readexactly(5)
            record = await reader.readexactly(int.from_bytes(header[3:], "big"))
            assert header[0] == 22, record
            while record:
                types.append(record[0])
                record = record[4 + int.from_bytes(record[1:4], "big") :]
    writer.close()
    return types


async def test_only_who_can_bear_it_is_asked_for_a_certificate(world: RealWorld) -> None:
    kit, sdk = hello(LINK_KIT, SHA1_TOO, TICKET), hello(LINK_SDK, LOCALHOST, NO_SHA1, TICKET)
    assert CERTIFICATE_REQUEST not in [*await flight(world, kit), *await flight(world, sdk)]
    authority = make_authority("A test's device CA")
    await world.devices.certificates.add_authority(1, authority.certificate)
    await world.devices.certificates.refresh()
    assert CERTIFICATE_REQUEST not in await flight(world, kit)
    assert CERTIFICATE_REQUEST in await flight(world, sdk)
