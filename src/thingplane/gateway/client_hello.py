"""What a client's first TLS record tells about it (RFC 5246, 7.4.1.2)."""

from typing import Final

_CLIENT_HELLO: Final = 1
_HEADERS: Final = 9
"""Bytes of the headers of record and handshake message."""
_VERSION_AND_RANDOM: Final = 34
_SERVER_NAME: Final = 0
_SIGNATURE_ALGORITHMS: Final = 13
_RSA_SHA1: Final = b"\x02\x01"
# Key exchange by RSA, by pre-shared key or both, with AES-CBC; and the mark of secure renegotiation.
_LINK_KIT_SUITES: Final = frozenset({0x2F, 0x35, 0x3C, 0x3D, 0x8C, 0x8D, 0x94, 0x95, 0xAE, 0xAF, 0xB6, 0xB7, 0xFF})


def breaks_off_when_asked(data: bytes) -> bool:
    """Tell whether a client would break off when it is asked for a certificate.

    That is how the vendor's Link Kit 2.x and 3.x for C are, which can't have one. They offer no key exchange with
    Diffie-Hellman, name no server, and take signatures with SHA-1; Link SDK 4.x, which can have a certificate, and
    whatever is newer differ in at least one of these.

    Args:
        data: what has come first, a whole ClientHello; False for any other.
    """
    if len(data) < _HEADERS or data[5] != _CLIENT_HELLO:
        return False
    try:
        suites, extensions = _read(memoryview(data)[_HEADERS:])
    except IndexError:
        return False
    return (
        suites <= _LINK_KIT_SUITES
        and _SERVER_NAME not in extensions
        and _RSA_SHA1 in _pairs(extensions.get(_SIGNATURE_ALGORITHMS, b"")[2:])
    )


def _read(hello: memoryview) -> tuple[set[int], dict[int, bytes]]:
    """Return the cipher suites and the extensions of a ClientHello.

    Raises:
        IndexError: it ends too early.
    """
    rest = hello[_VERSION_AND_RANDOM:]
    rest = rest[1 + rest[0] :]  # session id
    listed, rest = _vector(rest)
    suites = {int.from_bytes(pair, "big") for pair in _pairs(listed)}
    rest = rest[1 + rest[0] :]  # compression
    listed, _ = _vector(rest)
    extensions: dict[int, bytes] = {}
    left = memoryview(listed)
    while left:
        content, following = _vector(left[2:])
        extensions[int.from_bytes(left[:2], "big")] = content
        left = following
    return suites, extensions


def _vector(data: memoryview) -> tuple[bytes, memoryview]:
    """Take a vector with a length of two bytes from the beginning; raises IndexError when it is not all there."""
    end = 2 + (data[0] << 8 | data[1])
    if end > len(data):
        raise IndexError
    return bytes(data[2:end]), data[end:]


def _pairs(data: bytes) -> list[bytes]:
    return [data[position : position + 2] for position in range(0, len(data), 2)]
