"""Teaching a TLS context to use pre-shared keys.

Python 3.13 can do it. Before that, OpenSSL's own function is called, which works where Python's ssl module links
OpenSSL dynamically (distributions, python.org, pyenv), not where it is built in (standalone builds).
"""

import ctypes
import ssl
import sys
from collections.abc import Callable
from typing import Any, Final

Lookup = Callable[[str], bytes | None]
"""From an identity to its key; None for none."""

_SUITES: Final = (
    "ECDHE-PSK-CHACHA20-POLY1305",
    "PSK-AES256-GCM-SHA384",
    "PSK-AES128-GCM-SHA256",
    "PSK-CHACHA20-POLY1305",
    "PSK-AES128-CBC-SHA256",
    "PSK-AES256-CBC-SHA",
    # The only one of the vendor's SDK for C: last, since it decides how the key is meant (gateway.psk).
    "PSK-AES128-CBC-SHA",
)
_CALLBACK: Final = ctypes.CFUNCTYPE(
    ctypes.c_uint, ctypes.c_void_p, ctypes.c_char_p, ctypes.POINTER(ctypes.c_ubyte), ctypes.c_uint
)
_kept: list[object] = []


class PskUnavailableError(Exception):
    """This Python can't do TLS-PSK; the text says why in one line."""


def use_psk(context: ssl.SSLContext, lookup: Lookup) -> None:
    """Let the clients of a server's context connect with pre-shared keys beside certificates.

    Raises:
        PskUnavailableError: it can't be done; the context is as it was.
    """
    if hasattr(context, "set_psk_server_callback"):
        try:
            context.set_psk_server_callback(lambda identity: lookup(identity or "") or b"")
        except NotImplementedError:
            raise PskUnavailableError("TLS-PSK is left out of the OpenSSL that this Python is built with") from None
    else:
        _install(context, lookup)
    others = [cipher["name"] for cipher in context.get_ciphers() if not cipher["name"].startswith("TLS_")]
    # Last, since the vendor's SDKs for C offer them along with others when they have no key.
    context.set_ciphers(":".join((*(name for name in others if name not in _SUITES), *_SUITES)))


def _install(context: ssl.SSLContext, lookup: Lookup) -> None:
    """Call OpenSSL's own function: for Pythons before 3.13.

    Raises:
        PskUnavailableError: it is out of reach.
    """
    # Where the C structure of a context begins with its SSL_CTX is known for these only.
    if sys.implementation.name != "cpython" or hasattr(sys, "getobjects"):
        raise PskUnavailableError("TLS-PSK needs CPython")
    import _ssl  # noqa: PLC0415 - see above

    file = getattr(_ssl, "__file__", None)
    try:
        # Symbols of a module's libraries are found through the module.
        library = ctypes.CDLL(file) if file else None
        install = None if library is None else library.SSL_CTX_set_psk_server_callback
        read_options = None if library is None else library.SSL_CTX_get_options
    except (OSError, AttributeError):
        install = read_options = None
    if install is None or read_options is None:
        raise PskUnavailableError("TLS-PSK needs Python 3.13, or one whose ssl module links OpenSSL dynamically")
    pointer = ctypes.c_void_p.from_address(id(context) + object.__basicsize__)
    read_options.restype = ctypes.c_uint64
    read_options.argtypes = [ctypes.c_void_p]
    if not pointer.value or read_options(pointer) & 0xFFFFFFFF != int(context.options) & 0xFFFFFFFF:
        raise PskUnavailableError("TLS-PSK: the ssl module of this Python is not understood")

    def find(_ssl: int, identity: bytes | None, room: Any, size: int) -> int:  # Any: a pointer of ctypes
        try:
            key = lookup((identity or b"").decode())
        except UnicodeDecodeError:
            key = None
        if not key or len(key) > size:
            return 0
        ctypes.memmove(room, key, len(key))
        return len(key)

    callback = _CALLBACK(find)
    install.restype = None
    install.argtypes = [ctypes.c_void_p, _CALLBACK]
    install(pointer, callback)
    # OpenSSL holds no reference, and connections may outlive the context that the node uses now.
    _kept.append(callback)
