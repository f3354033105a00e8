"""TLS of the server side between two layers, on memory buffers.

The loop's own TLS can't begin with bytes that were already read, which telling TLS from plain MQTT on one port needs.
"""

import asyncio
import contextlib
import ssl
from collections.abc import Callable

import structlog

from thingplane.gateway.hub import Hub
from thingplane.gateway.transport import Peer, Transport, Upper

_log = structlog.get_logger(__name__)

_RECORD = 16_384
"""Most bytes of payload in one TLS record."""
_HANDSHAKE = 22
_SERVER_HELLO = 2


class TlsStream(Upper):
    """One TLS connection: protocol towards the socket, transport towards what it carries.

    What it carries is chosen by the first decrypted byte.
    """

    __slots__ = (
        "_choose",
        "_closing",
        "_early",
        "_held",
        "_hub",
        "_incoming",
        "_ip",
        "_is_shaken",
        "_loading",
        "_outgoing",
        "_tls",
        "_transport",
        "_upper",
        "psk",
        "suite",
    )

    def __init__(self, hub: Hub, context: ssl.SSLContext, ip: str, choose: Callable[[int, Peer], Upper | None]) -> None:
        """Begin.

        Args:
            hub: what connections share.
            context: server side.
            ip: address of the peer.
            choose: returns what takes a stream that begins with this byte, None if nothing does.
        """
        self._hub = hub
        self._ip = ip
        self._choose: Callable[[int, Peer], Upper | None] | None = choose
        self._early: bytearray | None = None if hub.psk is None else bytearray()  # of the handshake, all that came
        self._held: bytearray | None = None  # what waits for a device to be read
        self._loading: asyncio.Task[None] | None = None
        self.suite = 0
        self.psk: tuple[str, str] | None = None
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._is_shaken = False  # the handshake is done
        self._closing = False
        self._transport: Transport | None = None
        self._upper: Upper | None = None

    # Towards the socket

    def attach(self, transport: Transport) -> None:
        self._transport = transport
        self._hub.enter(self)

    def data_received(self, data: bytes) -> None:
        if self._closing:
            return
        if self._held is not None:
            self._held += data
        elif self._early is None or self._is_ready(data):
            self._feed(data)

    def _is_ready(self, data: bytes) -> bool:
        """Tell whether bytes of a handshake can be handled, or have to wait for the device that they name."""
        psk, early = self._hub.psk, self._early
        if psk is None or early is None:
            return True
        early += data
        names = psk.absent(early)
        if names is None:
            if len(early) > _RECORD:
                self._early = None
            return True
        self._early = None
        self._held = bytearray(data)
        self.pause_reading()
        self._loading = asyncio.get_running_loop().create_task(self._load(*names))
        return False

    async def _load(self, product_key: str, device_name: str) -> None:
        psk = self._hub.psk
        try:
            if psk is not None:
                await psk.load(product_key, device_name)
        except Exception:  # noqa: BLE001 - whatever failed, the handshake has to end
            _log.exception("device of a handshake could not be read", product_key=product_key, device_name=device_name)
        held, self._held = self._held, None
        self._loading = None
        if self._transport is not None and held is not None:
            self.resume_reading()
            self._feed(bytes(held))

    def _shake(self) -> None:
        """Go on with the handshake; raises SSLWantReadError until it is done."""
        if self._hub.psk is not None:
            self._hub.psk.handshake = self
        self._tls.do_handshake()
        self._is_shaken = True
        self._early = None

    def _feed(self, data: bytes) -> None:
        self._incoming.write(data)
        try:
            if not self._is_shaken:
                self._shake()
            while not self._closing:
                payload = self._tls.read(_RECORD)
                if not payload:
                    self.close()
                    return
                self._pass_on(payload)
        except ssl.SSLWantReadError:
            self._flush()
        except ssl.SSLError as error:
            self._flush()  # the alert
            _log.debug("TLS failed", error=str(error))
            self.reject("tls")

    def _pass_on(self, payload: bytes) -> None:
        upper = self._upper
        if upper is None and self._choose is not None:
            peer = Peer(self._ip, secure=True, certificate=self._tls.getpeercert(True), psk=self.psk)
            upper = self._upper = self._choose(payload[0], peer)
            self._choose = None
            if upper is None:
                self.reject("protocol")
                return
            self._hub.entered(self)
            upper.attach(self)
        if upper is not None:
            upper.data_received(payload)

    def connection_lost(self, exc: Exception | None) -> None:
        self._hub.entered(self)
        self._transport = None
        if self._upper is not None:
            self._upper.connection_lost(exc)

    def pause_writing(self) -> None:
        if self._upper is not None:
            self._upper.pause_writing()

    def resume_writing(self) -> None:
        if self._upper is not None:
            self._upper.resume_writing()

    def reject(self, reason: str) -> None:
        """Drop the connection; what it carries learns of it as of any loss."""
        if self._upper is None:
            self._hub.counters.rejected[reason] += 1
        if reason == "crowded":
            limit = self._hub.settings.newcomers
            _log.warning("too many connections that are not let in yet, one was closed", newcomers=limit, peer=self._ip)
        self._closing = True
        if self._transport is not None:
            # What has been said, such as an alert, may still leave.
            self._transport.close()

    def _flush(self) -> None:
        if self._outgoing.pending and self._transport is not None:
            data = self._outgoing.read()
            if self._early is not None and not self.suite:
                self.suite = _chosen_suite(data)
            self._transport.write(data)

    # Towards what it carries

    def write(self, data: bytes) -> None:
        if self._transport is None or self._closing:
            return
        try:
            sent = self._tls.write(data)
            while sent < len(data):
                sent += self._tls.write(data[sent:])
        except ssl.SSLError as error:
            _log.debug("TLS failed", error=str(error))
            self.abort()
        else:
            self._transport.write(self._outgoing.read())

    def close(self) -> None:
        if self._transport is None or self._closing:
            return
        self._closing = True
        # The peer's goodbye is not waited for; before the handshake there is none to say.
        with contextlib.suppress(ssl.SSLError):
            self._tls.unwrap()
        self._flush()
        self._transport.close()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def get_write_buffer_size(self) -> int:
        return 0 if self._transport is None else self._transport.get_write_buffer_size()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        if self._transport is not None:
            self._transport.set_write_buffer_limits(high, low)

    def pause_reading(self) -> None:
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        if self._transport is not None:
            self._transport.resume_reading()


def _chosen_suite(data: bytes) -> int:
    """Return the cipher suite of a ServerHello (RFC 5246, 7.4.1.3), 0 if the bytes begin with none."""
    # Record header, handshake header, version and random come before the session id with its length.
    if len(data) < 44 or data[0] != _HANDSHAKE or data[5] != _SERVER_HELLO:
        return 0
    position = 44 + data[43]
    return int.from_bytes(data[position : position + 2], "big")
