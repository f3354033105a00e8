"""The symmetric mode (device-protocol, 10.2): AES-128-CBC with a key made of the DeviceSecret and a random text."""

import hashlib
from typing import Final

_VECTOR: Final = b"543yhjy97ae7fyfg"
"""The initialisation vector is the same for every item: the protocol is as it is, DTLS is the better choice."""
_BLOCK: Final = 16


class DecryptionError(Exception):
    """Bytes that were not made with this key."""


class Key:
    """Encrypts and decrypts the items of one session."""

    __slots__ = ("_cipher",)

    def __init__(self, secret: str, random: str) -> None:
        """Derive the key from the DeviceSecret and the random text of the session."""
        # Ten megabytes that a node without such devices can do without.
        from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes  # noqa: PLC0415

        digits = hashlib.sha256(f"{secret},{random}".encode()).hexdigest()
        self._cipher = Cipher(algorithms.AES(bytes.fromhex(digits[16:48])), modes.CBC(_VECTOR))

    def encrypt(self, plain: bytes) -> bytes:
        """Return the bytes with PKCS #7 padding, encrypted."""
        missing = _BLOCK - len(plain) % _BLOCK
        encryptor = self._cipher.encryptor()
        return encryptor.update(plain + bytes((missing,)) * missing) + encryptor.finalize()

    def decrypt(self, encrypted: bytes) -> bytes:
        """Return what was encrypted.

        Raises:
            DecryptionError: it was not encrypted with this key.
        """
        if not encrypted or len(encrypted) % _BLOCK:
            raise DecryptionError
        decryptor = self._cipher.decryptor()
        plain = decryptor.update(encrypted) + decryptor.finalize()
        missing = plain[-1]
        if not 1 <= missing <= _BLOCK or plain[-missing:] != bytes((missing,)) * missing:
            raise DecryptionError
        return plain[:-missing]
