"""MD2 (RFC 1319), which no library has any more and which rules may still ask for."""

from typing import Final

_SUBSTITUTION: Final = bytes.fromhex(
    "292e43c9a2d87c013d3654a1ecf0061362a705f3c0c7738c98932bd9bc4c82ca1e9b573cfdd4e01667426f188a17e512"
    "be4ec4d6da9ede49a0fbf58ebb2fee7aa968799115b2073f94c210890b225f21807f5d9a5a903227353ecce7bff79703"
    "ff1930b348a5b5d1d75e922aac56aac64fb838d296a47db676fc6be29c7404f1459d705964718720865bcf65e62da802"
    "1b6025adaeb0b9f61c46616934407e0f5547a323dd51af3ac35cf9cebac5ea262c530d6e85288409d3dfcdf441814d52"
    "6adc37c86cc1abfa24e17b080cbdb14a7888958be363e86de9cbd5fe3b001d39f2efb70e6658d0e4a67772f8eb754b0a"
    "314450b48fed1f1adb998d339f118314"
)
"""A permutation of the bytes made from the digits of pi."""


def md2(data: bytes) -> str:
    """Return the digest as 32 lower-case hexadecimal digits. It takes some 50 µs for every 16 bytes."""
    padding = 16 - len(data) % 16
    data += bytes([padding]) * padding
    data += _checksum(data)
    state = bytearray(48)
    for start in range(0, len(data), 16):
        block = data[start : start + 16]
        state[16:32] = block
        state[32:48] = bytes(one ^ other for one, other in zip(block, state[:16], strict=True))
        mixed = 0
        for round_ in range(18):
            for index in range(48):
                mixed = state[index] = state[index] ^ _SUBSTITUTION[mixed]
            mixed = (mixed + round_) % 256
    return state[:16].hex()


def _checksum(data: bytes) -> bytes:
    checksum, last = bytearray(16), 0
    for start in range(0, len(data), 16):
        for index in range(16):
            last = checksum[index] = checksum[index] ^ _SUBSTITUTION[data[start + index] ^ last]
    return bytes(checksum)
