"""Floods of DTLS handshakes: nothing is kept of an address that is not proven, and little of those that are."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest
from OpenSSL import SSL

from thingplane.coap_access import dtls_listener
from thingplane.coap_access.dtls import DtlsContext
from thingplane.coap_access.dtls_listener import DtlsListener
from thingplane.coap_access.metrics import Counters
from thingplane.coap_access.resources import Resources
from thingplane.gateway.psk import PskKeys
from thingplane.tls import Certificates, ensure_certificates

Address = tuple[str, int]


class NoDevices:
    """Devices that cannot be read."""

    def cached(self, _product_key: str, _name: str) -> None:
        return None

    async def find(self, _product_key: str, _name: str) -> None:
        raise OSError("the database is gone")


class NoResources:
    """Answers nothing."""

    def has_session(self, _message: object) -> bool:
        return False

    def tick(self) -> None:
        """Do nothing."""


class Wire:
    """Stands in for the UDP socket, and keeps what is sent by address."""

    def __init__(self) -> None:
        self.sent: dict[Address, list[bytes]] = {}
        self.bytes = 0

    def sendto(self, data: bytes, address: Address) -> None:
        self.sent.setdefault(address, []).append(data)
        self.bytes += len(data)

    def is_closing(self) -> bool:
        return False

    def close(self) -> None:
        """Do nothing."""


class Client:
    """OpenSSL's client side without a socket."""

    def __init__(self, wire: Wire, listener: DtlsListener, address: Address) -> None:
        self._wire = wire
        self._listener = listener
        self.address = address
        context = SSL.Context(SSL.DTLS_CLIENT_METHOD)
        self._connection = SSL.Connection(context, None)
        self._connection.set_ciphertext_mtu(1200)
        self._connection.set_connect_state()

    def step(self) -> bytes:
        """Go on with the handshake and return what is to be sent."""
        for datagram in self._wire.sent.pop(self.address, []):
            self._connection.bio_write(datagram)
            self._shake()
        self._shake()
        try:
            return self._connection.bio_read(65_536)
        except SSL.WantReadError:
            return b""

    def _shake(self) -> None:
        with contextlib.suppress(SSL.WantReadError):
            self._connection.do_handshake()

    def send(self, data: bytes) -> None:
        self._listener.datagram_received(data, self.address)

    def prove(self) -> None:
        """Say hello twice, the second time with the cookie."""
        self.send(self.step())
        self.send(self.step())

    def finish(self) -> None:
        for _ in range(4):
            data = self.step()
            if data:
                self.send(data)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return ensure_certificates(tmp_path_factory.mktemp("tls"), ["localhost"])


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
async def listener(certificates: Certificates, wire: Wire) -> AsyncIterator[DtlsListener]:
    def context() -> DtlsContext:
        return DtlsContext(certificates.pairs, PskKeys(cast("Any", NoDevices())))

    made = DtlsListener(cast("Resources", NoResources()), Counters(), context, 50, 3600)
    made.connection_made(cast("Any", wire))
    yield made
    await made.close(0)


async def test_hellos_without_a_cookie_leave_nothing_and_get_less_than_they_bring(
    listener: DtlsListener, wire: Wire
) -> None:
    client = Client(wire, listener, ("192.0.2.1", 1))
    hello = client.step()
    for port in range(500):
        listener.datagram_received(hello, ("192.0.2.9", port))
    assert (len(listener._peers), len(listener._shaking)) == (0, 0)
    assert wire.bytes < 500 * len(hello)


async def test_a_cookie_is_good_for_its_address_only(listener: DtlsListener, wire: Wire) -> None:
    client = Client(wire, listener, ("192.0.2.1", 1))
    client.send(client.step())
    with_cookie = client.step()
    listener.datagram_received(with_cookie, ("192.0.2.2", 1))
    listener.datagram_received(with_cookie, ("192.0.2.1", 2))
    assert len(listener._peers) == 0
    client.send(with_cookie)
    assert len(listener._peers) == 1


async def test_noise_begins_nothing(listener: DtlsListener, wire: Wire) -> None:
    noise = random.Random(5)
    hello = Client(wire, listener, ("192.0.2.1", 1)).step()
    for port in range(300):
        data = bytearray(hello)
        for _ in range(noise.randrange(1, 6)):
            data[noise.randrange(len(data))] = noise.randrange(256)
        listener.datagram_received(bytes(data), ("192.0.2.9", port))
        listener.datagram_received(noise.randbytes(noise.randrange(100)), ("192.0.2.8", port))
    assert len(listener._peers) == 0


async def test_handshakes_that_are_not_finished_make_room_for_others_and_not_sessions(
    listener: DtlsListener, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dtls_listener, "MAX_SHAKING", 5)
    device = Client(wire, listener, ("192.0.2.1", 1))
    device.prove()
    device.finish()
    assert (len(listener._peers), len(listener._shaking)) == (1, 0)
    for port in range(30):
        Client(wire, listener, ("192.0.2.9", port)).prove()
    assert (len(listener._peers), len(listener._shaking)) == (6, 5)
    assert device.address in listener._peers
    assert listener._counters.handshakes == 1


async def test_sessions_are_so_many(listener: DtlsListener, wire: Wire) -> None:
    for port in range(60):
        client = Client(wire, listener, ("192.0.2.1", port))
        client.prove()
        client.finish()
    assert len(listener._peers) == 50
    assert ("192.0.2.1", 0) not in listener._peers


async def test_sessions_of_strangers_make_room_for_others_and_not_those_of_devices(
    listener: DtlsListener, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Anybody can complete a handshake that needs the server's certificate only."""
    monkeypatch.setattr(dtls_listener, "MAX_STRANGERS", 5)
    device = Client(wire, listener, ("192.0.2.1", 1))
    device.prove()
    device.finish()
    [peer] = listener._strangers
    until = peer.until
    device.send(b"\x17\xfe\xfd\0\1\0\0\0\0\0\x09\0\1x")  # of what follows, nothing makes it last longer …
    assert peer.until == until
    listener._served(peer)  # … but a request that succeeds
    assert peer.until > until
    for port in range(12):
        stranger = Client(wire, listener, ("192.0.2.9", port))
        stranger.prove()
        stranger.finish()
    assert (len(listener._peers), len(listener._strangers)) == (6, 5)
    assert device.address in listener._peers


async def test_a_handshake_takes_no_longer_because_its_peer_says_something(listener: DtlsListener, wire: Wire) -> None:
    client = Client(wire, listener, ("192.0.2.1", 1))
    client.prove()
    [peer] = listener._shaking
    until = peer.until
    await asyncio.sleep(0.01)
    client.send(b"\x16\xfe\xfd\0\0\0\0\0\0\0\0\0\0")
    assert peer.until == until


async def test_a_device_that_cannot_be_read_ends_nothing_but_its_handshake(
    listener: DtlsListener, wire: Wire, caplog: pytest.LogCaptureFixture
) -> None:
    client = Client(wire, listener, ("192.0.2.1", 1))
    client.prove()
    client.send(b"\x16\xfe\xfd" + b"\0" * 8 + b"\0\x30" + b"devicename|hmacsha256|a1ExampleK1&lamp-1|1" + b"\0" * 20)
    await asyncio.gather(*listener._tasks)
    assert caplog.records == []
    other = Client(wire, listener, ("192.0.2.1", 2))
    other.prove()
    other.finish()
    assert listener._counters.handshakes == 1
