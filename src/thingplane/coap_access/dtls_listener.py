"""UDP with DTLS: sessions by address, and keys that are fetched before OpenSSL asks for them."""

import asyncio
import functools
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Any, Final, cast

import structlog

from thingplane.coap import Limits
from thingplane.coap_access.errors import DtlsError
from thingplane.coap_access.metrics import Counters
from thingplane.coap_access.resources import Resources
from thingplane.coap_access.server import CoapServer
from thingplane.coap_access.udp import Address, DatagramListener

if TYPE_CHECKING:
    from thingplane.coap_access.dtls import DtlsContext, DtlsSession

_log = structlog.get_logger(__name__)

_TICK_S: Final = 0.25
_HANDSHAKE_S: Final = 30.0
"""Seconds that a handshake may take."""
MAX_SHAKING: Final = 1_000
"""Handshakes at a time. Beyond, the oldest of them makes room, and no session that is complete."""
MAX_STRANGERS: Final = 1_000
"""Sessions at a time whose peers have shown neither a device's key nor its signature or token: with the certificate of
the server alone anybody gets that far. Beyond, the oldest of them makes room, and no device's."""
_STRANGER_S: Final = 30.0
"""Seconds that such a session lasts."""


class _Peer:
    """A DTLS session with its address; also what CoAP takes for the peer, so that a new session begins anew."""

    __slots__ = ("address", "is_device", "is_loading", "session", "until")

    def __init__(self, address: Address, session: "DtlsSession", until: float) -> None:
        self.address = address
        self.session = session
        self.until = until
        self.is_loading = False
        self.is_device = False


class DtlsListener(DatagramListener):
    """CoAP in DTLS. As many sessions as fit; the one that has been silent for the longest time makes room."""

    def __init__(
        self,
        resources: Resources,
        counters: Counters,
        make_context: Callable[[], "DtlsContext"],
        max_sessions: int,
        idle_s: float,
    ) -> None:
        """Prepare.

        Args:
            resources: answer requests.
            counters: where to count.
            make_context: loads what sessions share; called when the first datagram comes, since OpenSSL's second copy
                in the process takes twelve megabytes that a node without such devices can do without.
            max_sessions: at a time.
            idle_s: seconds of silence after which a session ends.
        """
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.DatagramTransport | None = None
        self._context = functools.cache(make_context)
        self._counters = counters
        self._max = max_sessions
        self._idle_s = idle_s
        self._peers: OrderedDict[Address, _Peer] = OrderedDict()
        self._shaking: dict[_Peer, None] = {}  # oldest first
        self._strangers: dict[_Peer, None] = {}  # likewise
        self._tasks: set[asyncio.Task[None]] = set()
        self.server = CoapServer(
            resources, counters, self._send, _peer_host, Limits(), secure=True, served=self._served
        )
        self._ticking = self._loop.create_task(self._tick())

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: Any) -> None:
        address: Address = addr[:2]
        peer = self._peers.get(address)
        if peer is None or (peer.session.is_ready and _is_client_hello(data)):
            if not _is_client_hello(data):
                return
            # A device that has started again uses its old port, perhaps (RFC 6347, 4.2.8): the old session lasts until
            # the new one has proven its address.
            session, answers = self._context().hello(data, f"{address[0]} {address[1]}".encode())
            for answer in answers:
                self._write(answer, address)
            if session is None:
                return
            if peer is not None:
                self._forget(peer)
            peer = self._begin(address, session)
            data = b""
        if peer.is_loading:
            return  # it is sent again
        if peer.is_device:
            self._heard(peer)
        absent = None if peer.session.is_ready else self._context().keys.absent(data)
        if absent is None:
            self._take(peer, data or None)
            return
        peer.is_loading = True
        task = self._loop.create_task(self._load(peer, data, absent))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _begin(self, address: Address, session: "DtlsSession") -> _Peer:
        peer = self._peers[address] = _Peer(address, session, self._loop.time() + _HANDSHAKE_S)
        self._shaking[peer] = None
        if len(self._shaking) > MAX_SHAKING:
            self._fail(next(iter(self._shaking)), DtlsError("too many handshakes"))
        if len(self._peers) > self._max:
            self._forget(next(iter(self._peers.values())))
        self._counters.sessions = len(self._peers)
        return peer

    def _shaken(self, peer: _Peer) -> None:
        self._shaking.pop(peer, None)
        self._counters.handshakes += 1
        if peer.session.psk is not None:
            peer.is_device = True
            self._heard(peer)
            return
        peer.until = self._loop.time() + _STRANGER_S
        self._strangers[peer] = None
        if len(self._strangers) > MAX_STRANGERS:
            self._forget(next(iter(self._strangers)))

    def _served(self, served: Hashable) -> None:
        peer = cast("_Peer", served)
        if not peer.is_device and self._peers.get(peer.address) is peer:
            peer.is_device = True
            self._strangers.pop(peer, None)
            self._heard(peer)

    def _heard(self, peer: _Peer) -> None:
        peer.until = self._loop.time() + self._idle_s
        self._peers.move_to_end(peer.address)

    async def _load(self, peer: _Peer, data: bytes, names: tuple[str, str]) -> None:
        """Bring the device into memory whose key OpenSSL is going to ask for."""
        try:
            await self._context().keys.load(*names)
        except Exception:  # noqa: BLE001 - whatever failed, the handshake ends, and the device begins another one
            _log.exception("device of a handshake could not be read", product_key=names[0], device_name=names[1])
        peer.is_loading = False
        if self._peers.get(peer.address) is peer:
            self._take(peer, data)

    def _take(self, peer: _Peer, data: bytes | None) -> None:
        session = peer.session
        was_ready = session.is_ready
        try:
            messages = session.receive(data)
        except DtlsError as error:
            self._fail(peer, error)
            return
        self._flush(peer)
        if session.is_ready and not was_ready:
            self._shaken(peer)
        for message in messages:
            self.server.receive(message, peer)

    def _send(self, data: bytes, peer: Hashable) -> None:
        target = cast("_Peer", peer)
        if self._peers.get(target.address) is not target:
            return
        try:
            target.session.send(data)
        except DtlsError as error:
            self._fail(target, error)
            return
        self._flush(target)

    def _flush(self, peer: _Peer) -> None:
        for datagram in peer.session.outgoing():
            self._write(datagram, peer.address)

    def _write(self, data: bytes, address: Address) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.sendto(data, address)

    def _fail(self, peer: _Peer, error: DtlsError) -> None:
        self._counters.failed += 1
        _log.debug("DTLS session ended", peer=peer.address[0], reason=str(error))
        self._flush(peer)  # an alert, perhaps
        self._forget(peer)

    def _forget(self, peer: _Peer) -> None:
        if self._peers.get(peer.address) is peer:
            del self._peers[peer.address]
        self._shaking.pop(peer, None)
        self._strangers.pop(peer, None)
        self._counters.sessions = len(self._peers)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(_TICK_S)
            now = self._loop.time()
            for peer in list(self._shaking):
                if peer.until <= now:
                    self._fail(peer, DtlsError("the handshake took too long"))
                    continue
                try:
                    peer.session.handle_timeout()
                except DtlsError as error:
                    self._fail(peer, error)
                    continue
                self._flush(peer)
            while self._strangers:
                oldest = next(iter(self._strangers))
                if oldest.until > now:
                    break
                self._forget(oldest)
            while self._peers:
                oldest = next(iter(self._peers.values()))
                if oldest.until > now:
                    break
                self._forget(oldest)

    async def close(self, seconds: float) -> None:
        await self.server.stop(seconds)
        self._ticking.cancel()
        for peer in list(self._peers.values()):
            peer.session.close()
            self._flush(peer)
        if self._transport is not None:
            self._transport.close()


def _peer_host(peer: Hashable) -> str:
    return cast("_Peer", peer).address[0]


def _is_client_hello(data: bytes) -> bool:
    """Tell whether a datagram begins with an unencrypted ClientHello: epoch 0, handshake, type 1."""
    return len(data) > 13 and data[0] == 22 and data[3:5] == b"\0\0" and data[13] == 1
