"""CoAP over DTLS with OpenSSL's client side: with the platform's certificate, or with a pre-shared key."""

import select
import socket
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from OpenSSL import SSL
from OpenSSL._util import ffi, lib

from thingplane.coap import Code, Message, Number, Type
from thingplane.coap.message import decode

PATIENCE_S = 20.0


class DtlsClient:
    """A connection; requests wait for their responses."""

    def __init__(
        self,
        address: tuple[str, int],
        ca: str | Path = "",
        psk: tuple[str, bytes] | None = None,
        ciphers: bytes = b"",
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._patience_s = patience_s
        context = SSL.Context(SSL.DTLS_CLIENT_METHOD)
        if psk is None:
            context.load_verify_locations(str(ca))
            context.set_verify(SSL.VERIFY_PEER, lambda *results: bool(results[-1]))
            if ciphers:
                context.set_cipher_list(ciphers)
        else:
            identity, key = psk

            def choose(_ssl: object, _hint: object, name: object, _size: int, buffer: object, _max: int) -> int:
                ffi.memmove(name, identity.encode() + b"\0", len(identity) + 1)
                ffi.memmove(buffer, key, len(key))
                return len(key)

            signature = "unsigned int (*)(SSL *, const char *, char *, unsigned int, unsigned char *, unsigned int)"
            self._callback = ffi.callback(signature, choose)
            lib.SSL_CTX_set_psk_client_callback(context._context, self._callback)
            context.set_cipher_list(ciphers or b"PSK-AES128-GCM-SHA256")
        self._connection = SSL.Connection(context, None)
        self._connection.set_ciphertext_mtu(1200)
        self._connection.set_connect_state()
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.connect(address)
        self._id = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def handshake(self) -> str:
        """Connect and return the name of the cipher suite.

        Raises:
            OpenSSL.SSL.Error: it was refused.
        """
        deadline = time.monotonic() + self._patience_s
        while True:
            try:
                self._connection.do_handshake()
            except SSL.WantReadError:
                self._exchange(deadline)
            else:
                self._flush()
                return str(self._connection.get_cipher_name())

    def post(self, path: str, payload: bytes, *options: tuple[int, bytes]) -> Message:
        """Post and return the response."""
        self._id += 1
        segments = [(int(Number.URI_PATH), segment.encode()) for segment in path.split("/")[1:]]
        message = Message(
            Type.CON, Code.POST, self._id, b"tk", sorted([*segments, *options], key=lambda o: o[0]), payload
        )
        self._connection.send(message.encode())
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                answer = decode(self._connection.recv(65536))
            except SSL.WantReadError:
                self._exchange(deadline)
                continue
            if answer.token == b"tk":
                return answer

    def _exchange(self, deadline: float) -> None:
        self._flush()
        if not select.select([self._socket], [], [], 0.5)[0]:
            if time.monotonic() >= deadline:
                raise TimeoutError
            if self._connection.DTLSv1_get_timeout() is not None:
                self._connection.DTLSv1_handle_timeout()
            return
        self._connection.bio_write(self._socket.recv(65536))

    def _flush(self) -> None:
        while True:
            try:
                self._socket.send(self._connection.bio_read(65536))
            except SSL.WantReadError:
                return
