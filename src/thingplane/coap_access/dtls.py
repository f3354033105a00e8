"""DTLS 1.2 in memory: datagrams in, datagrams out (RFC 6347). OpenSSL does the work, by way of pyOpenSSL."""

import hmac
import secrets
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from OpenSSL import SSL
from OpenSSL._util import ffi, lib

from thingplane.coap_access.errors import DtlsError
from thingplane.gateway.psk import PskKeys

MTU: Final = 1200
"""Bytes of a datagram; larger messages of a handshake are cut (RFC 6347, 4.1.1.1)."""
_RECORD_HEADER: Final = 13
_MAX_READ: Final = 65_536
_CIPHERS: Final = b"ECDHE+AESGCM:ECDHE+CHACHA20"
_RSA_CIPHERS: Final = b":AES256-SHA256:AES128-SHA256:AES256-SHA:AES128-SHA"
"""All that the vendor's SDKs for C can do with certificates. They offer pre-shared keys, too, when they have none."""
_PSK_CIPHERS: Final = (
    b":PSK-AES128-GCM-SHA256:PSK-AES256-GCM-SHA384:PSK-AES128-CCM8:PSK-AES128-CCM:"
    b"PSK-AES128-CBC-SHA256:PSK-AES128-CBC-SHA:@SECLEVEL=0"
)
"""Security level 0 lets AES128-CCM-8 in, which RFC 7252, 9.1.3.1 demands; nothing weaker is listed."""
_SERVER_HELLO: Final = 2
_SUITE_AT: Final = _RECORD_HEADER + 12 + 2 + 32
"""Where the session id of a ServerHello begins, which its cipher suite follows: behind the headers of record and
handshake message, version and random."""
_NO_KEY: Final = 0


class Handshake:
    """What the lookup of pre-shared keys has to know, and finds out."""

    def __init__(self) -> None:
        self.suite = 0
        self.psk: tuple[str, str] | None = None


class DtlsContext:
    """What all sessions share: certificate, keys, and the secret of the cookies."""

    def __init__(self, pairs: Iterable[tuple[Path, Path]], keys: PskKeys, *, rsa_key_exchange: bool = True) -> None:
        """Load the server's certificates.

        Args:
            pairs: PEM files of certificates and their keys, at most one for each kind of key.
            keys: finds pre-shared keys.
            rsa_key_exchange: whether to offer key exchange by RSA, too.

        Raises:
            DtlsError: one can't be used.
        """
        self.keys = keys
        self._secret = secrets.token_bytes(32)
        self._address = b""
        context = SSL.Context(SSL.DTLS_SERVER_METHOD)
        context.set_cipher_list(_CIPHERS + (_RSA_CIPHERS if rsa_key_exchange else b"") + _PSK_CIPHERS)
        for certificate, key in pairs:
            try:
                context.use_certificate_chain_file(str(certificate))
                context.use_privatekey_file(str(key))
            except SSL.Error as error:
                raise DtlsError(f"{certificate}: {error}") from error
        context.set_options(SSL.OP_NO_TICKET | SSL.OP_NO_RENEGOTIATION)
        context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
        context.set_mode(SSL.MODE_RELEASE_BUFFERS)  # saves a third of what an idle session takes
        context.set_cookie_generate_callback(lambda _: self._cookie())
        context.set_cookie_verify_callback(lambda _, cookie: hmac.compare_digest(cookie, self._cookie()))
        self._callback = ffi.callback("unsigned int (*)(SSL *, const char *, unsigned char *, unsigned int)", self._key)
        lib.SSL_CTX_set_psk_server_callback(context._context, self._callback)  # noqa: SLF001 - pyOpenSSL has no way
        self._context = context

    def _cookie(self) -> bytes:
        return hmac.digest(self._secret, self._address, "sha256")

    def _key(self, _connection: Any, identity: Any, buffer: Any, size: int) -> int:
        """Write the key of an identity; OpenSSL calls this within a handshake."""
        handshake = self.keys.handshake
        if handshake is None or identity == ffi.NULL:
            return _NO_KEY
        key = self.keys.key(ffi.string(identity).decode("ascii", "replace"))
        if key is None or len(key) > size:
            return _NO_KEY
        ffi.memmove(buffer, key, len(key))
        return len(key)

    def hello(self, data: bytes, address: bytes) -> tuple["DtlsSession | None", list[bytes]]:
        """Take a datagram of a peer that has no session.

        A peer that has not proven its address gets a cookie to send back, and leaves nothing here.

        Args:
            data: the datagram.
            address: of the peer.

        Returns:
            The session if it has begun, and what to send.
        """
        connection = SSL.Connection(self._context, None)
        connection.set_accept_state()
        connection.set_ciphertext_mtu(MTU)
        connection.bio_write(data)
        self._address = address
        try:
            connection.DTLSv1_listen()
        except SSL.WantReadError:
            return None, list(_datagrams(connection))
        except SSL.Error:
            return None, []
        return DtlsSession(connection, self.keys), []


class DtlsSession:
    """One peer that has proven its address."""

    def __init__(self, connection: SSL.Connection, keys: PskKeys) -> None:
        self.is_ready = False
        """Whether the handshake is complete."""
        self._connection = connection
        self._keys = keys
        self._handshake = Handshake()

    @property
    def psk(self) -> tuple[str, str] | None:
        """ProductKey and DeviceName of the pre-shared key, if the peer has used one."""
        return self._handshake.psk

    def receive(self, data: bytes | None) -> list[bytes]:
        """Take a datagram, or go on with what came before; return the messages in it.

        Raises:
            DtlsError: the session is over.
        """
        if data is not None:
            self._connection.bio_write(data)
        if not self.is_ready:
            self._keys.handshake = self._handshake
            try:
                self._connection.do_handshake()
            except SSL.WantReadError:
                return []
            except SSL.Error as error:
                raise DtlsError(f"handshake: {error}") from error
            finally:
                self._keys.handshake = None
            self.is_ready = True
        messages = []
        while True:
            try:
                messages.append(self._connection.recv(_MAX_READ))
            except SSL.WantReadError:
                return messages
            except SSL.ZeroReturnError as error:
                raise DtlsError("closed by the peer") from error
            except SSL.Error as error:
                raise DtlsError(str(error)) from error

    def send(self, message: bytes) -> None:
        """Encrypt a message; ``outgoing`` has it then.

        Raises:
            DtlsError: the session is over.
        """
        try:
            self._connection.send(message)
        except SSL.Error as error:
            raise DtlsError(str(error)) from error

    def close(self) -> None:
        """Tell the peer that it is over."""
        if self.is_ready:
            try:
                self._connection.shutdown()
            except SSL.Error:
                self.is_ready = False  # the peer was faster

    def outgoing(self) -> Iterator[bytes]:
        """Give the datagrams to send."""
        for datagram in _datagrams(self._connection):
            if not self._handshake.suite:
                self._handshake.suite = _suite(datagram)
            yield datagram

    def timeout(self) -> float | None:
        """Return the seconds until a flight of the handshake has to be sent again; None: none has."""
        return None if self.is_ready else self._connection.DTLSv1_get_timeout()

    def handle_timeout(self) -> None:
        """Send it again if its time has come.

        Raises:
            DtlsError: the peer has been silent for too long.
        """
        try:
            self._connection.DTLSv1_handle_timeout()
        except SSL.Error as error:
            raise DtlsError(f"handshake: {error}") from error


def _suite(datagram: bytes) -> int:
    """Return the number of the cipher suite that a ServerHello at the beginning of a datagram chooses; otherwise 0."""
    if len(datagram) <= _SUITE_AT or datagram[0] != 22 or datagram[_RECORD_HEADER] != _SERVER_HELLO:
        return 0
    at = _SUITE_AT + 1 + datagram[_SUITE_AT]
    return int.from_bytes(datagram[at : at + 2], "big")


def _datagrams(connection: SSL.Connection) -> Iterator[bytes]:
    """Give what OpenSSL has written: records one after the other, put into as few datagrams as hold them."""
    written = bytearray()
    while True:
        try:
            written += connection.bio_read(_MAX_READ)
        except SSL.WantReadError:
            break
    start = end = 0
    while end + _RECORD_HEADER <= len(written):
        size = _RECORD_HEADER + int.from_bytes(written[end + 11 : end + 13], "big")
        if end > start and end + size - start > MTU:
            yield bytes(written[start:end])
            start = end
        end += size
    if end > start:
        yield bytes(written[start:end])
