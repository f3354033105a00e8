"""Attacks over UDP."""

import asyncio
import contextlib
import random
import socket
import time
from collections.abc import Callable, Sequence
from typing import Final

from OpenSSL import SSL

from benchmarks.field import Field
from thingplane.coap import Code, Message, Number, Type

SECONDS: Final = 8.0
_SOCKETS: Final = 50
_HANDSHAKES: Final = 2_000


async def coap_flood(field: Field) -> str:
    """Send as fast as possible: requests of strangers, first blocks of bodies that never end, and noise."""
    sent = await asyncio.to_thread(_flood, field.address("coap"), [_request, _block, _noise])
    return f"{sent} datagrams in {SECONDS:g} s"


async def dtls_flood(field: Field) -> str:
    """Say hello from many addresses, then shake hands from many others, as anybody can who needs no key."""
    address = field.address("coaps")
    hello = _Stranger(address).hello()
    sent = await asyncio.to_thread(_flood, address, [lambda _number: hello])
    done = await asyncio.to_thread(_shake_all, address)
    return f"{sent} hellos in {SECONDS:g} s, {done} handshakes"


def _flood(address: tuple[str, int], kinds: Sequence[Callable[[int], bytes]]) -> int:
    sockets = [_connected(address) for _ in range(_SOCKETS)]
    until = time.perf_counter() + SECONDS
    sent = 0
    while time.perf_counter() < until:
        for one in sockets:
            for kind in kinds:
                sent += 1
                try:
                    one.send(kind(sent))
                    one.recv(2048)
                except (BlockingIOError, ConnectionRefusedError):
                    continue
    for one in sockets:
        one.close()
    return sent


def _connected(address: tuple[str, int]) -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.connect(address)
    made.setblocking(False)
    return made


def _request(number: int) -> bytes:
    body = b'{"productKey":"a1Stranger","deviceName":"nobody%d","clientId":"x","sign":"0","seq":"1"}' % number
    return Message(Type.CON, Code.POST, number & 0xFFFF, b"x", [(int(Number.URI_PATH), b"auth")], body).encode()


def _block(number: int) -> bytes:
    path, block = (int(Number.URI_PATH), b"%d" % number), (int(Number.BLOCK1), b"\x0e")
    return Message(Type.CON, Code.POST, number & 0xFFFF, b"x", [path, block], bytes(1024)).encode()


def _noise(number: int) -> bytes:
    return random.Random(number).randbytes(number % 1200)


class _Stranger:
    """OpenSSL's client side, without a key or certificate of its own."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.connect(address)
        self.socket.settimeout(2)
        self._connection = SSL.Connection(SSL.Context(SSL.DTLS_CLIENT_METHOD), None)
        self._connection.set_ciphertext_mtu(1200)
        self._connection.set_connect_state()

    def hello(self) -> bytes:
        """Return the first datagram."""
        try:
            self._connection.do_handshake()
        except SSL.WantReadError:
            return self._connection.bio_read(65_536)
        raise AssertionError("a handshake without a server")

    def shake(self) -> bool:
        """Shake hands; tell whether that worked."""
        while True:
            try:
                self._connection.do_handshake()
            except SSL.WantReadError:
                self._flush()
            except SSL.Error:
                return False
            else:
                self._flush()
                return True
            try:
                self._connection.bio_write(self.socket.recv(65_536))
            except TimeoutError:
                return False

    def _flush(self) -> None:
        with contextlib.suppress(SSL.WantReadError):
            while True:
                self.socket.send(self._connection.bio_read(1200))


def _shake_all(address: tuple[str, int]) -> int:
    # Their sockets stay open, since the node knows peers by their addresses.
    strangers = [_Stranger(address) for _ in range(_HANDSHAKES)]
    done = sum(stranger.shake() for stranger in strangers)
    for stranger in strangers:
        stranger.socket.close()
    return done
