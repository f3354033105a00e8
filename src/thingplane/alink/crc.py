"""Checksums of files on their way over MQTT (device-protocol reference, 7.3 and 8.6)."""

import lzma
import zlib
from typing import Final

_REFLECTED: Final = 0xA001
"""Polynomial 0x8005 (x^16 + x^15 + x^2 + 1), lowest bit first."""
_PERIOD: Final = 32767
"""Modulo the polynomial, x^32767 is 1: bits so far apart count the same."""
_SHORT: Final = 4096
"""Bytes of one period, and a bit."""


def _entry(byte: int) -> int:
    for _ in range(8):
        byte = (byte >> 1) ^ (_REFLECTED if byte & 1 else 0)
    return byte


_TABLE: Final = tuple(_entry(byte) for byte in range(256))


def crc16(data: bytes) -> int:
    """Return the CRC-16/ARC of data: reflected, initial value and final XOR 0; 0xBB3D of ``123456789``.

    A table costs Python 60 ns a byte. Of longer data, whole periods are laid over one another first, which big integers
    do at memory speed; what is left has 4 KB.
    """
    if len(data) > _SHORT:
        data = _folded(data)
    crc = 0
    for byte in data:
        crc = (crc >> 8) ^ _TABLE[(crc ^ byte) & 0xFF]
    return crc


def _folded(data: bytes) -> bytes:
    bits = len(data) * 8
    periods = 1
    while periods * _PERIOD < bits:
        periods *= 2
    # The first bit is the lowest. Zeros in front of a message do not change its checksum.
    number = int.from_bytes(data, "little") << (periods * _PERIOD - bits)
    while periods > 1:
        periods //= 2
        number = (number >> (periods * _PERIOD)) ^ (number & ((1 << (periods * _PERIOD)) - 1))
    return (number << (_SHORT * 8 - _PERIOD)).to_bytes(_SHORT, "little")


_LITTLE: Final = "little"
# An .xz file of one block: CRC-64 as its check (flags 0 and 4), and LZMA2 with the smallest dictionary as its filter.
_FLAGS: Final = b"\x00\x04"
_STREAM: Final = b"\xfd7zXZ\x00" + _FLAGS + zlib.crc32(_FLAGS).to_bytes(4, _LITTLE)
_FILTER: Final = b"\x02\x00\x21\x01\x00\x00\x00\x00"
_BLOCK: Final = _FILTER + zlib.crc32(_FILTER).to_bytes(4, _LITTLE)
_CHUNK: Final = 65_536


class Crc64Check:
    """Tells whether data has a CRC-64/XZ: 995dc9bbdf1939fa of ``123456789``.

    The standard library computes this checksum for one purpose only: to compare it with the one at the end of an .xz
    file. So the data is wrapped into such a file, uncompressed, and the library's decoder does the rest in C.
    """

    def __init__(self) -> None:
        self._decoder = lzma.LZMADecompressor(lzma.FORMAT_XZ)
        self._decoder.decompress(_STREAM + _BLOCK)
        self._size = len(_BLOCK)
        self._first = True

    def update(self, data: bytes) -> None:
        """Take the next bytes."""
        for start in range(0, len(data), _CHUNK):
            chunk = data[start : start + _CHUNK]
            # 1: uncompressed, and the dictionary starts anew; 2: uncompressed.
            head = (b"\x01" if self._first else b"\x02") + (len(chunk) - 1).to_bytes(2, "big")
            self._first = False
            self._size += len(head) + len(chunk)
            self._decoder.decompress(head + chunk)

    def matches(self, value: int) -> bool:
        """Tell whether everything taken has this checksum; to be called once."""
        end = b"\x00" + bytes(-(self._size + 1) % 4)
        try:
            self._decoder.decompress(end + value.to_bytes(8, _LITTLE))
        except lzma.LZMAError:
            return False
        return True
