"""Binary messages of files over MQTT: a JSON header, data, and a checksum (device-protocol reference, 7.3 and 8.6)."""

from typing import Final

from thingplane.alink.crc import crc16

_LENGTH: Final = 2
_CHECKSUM: Final = 2


class FrameError(Exception):
    """A payload is no frame."""


class ChecksumError(Exception):
    """The data of a frame is not what was sent."""


def read_header(payload: bytes) -> bytes:
    """Return the JSON text of a frame's header.

    Raises:
        FrameError: the payload is shorter than it says.
    """
    end = _LENGTH + int.from_bytes(payload[:_LENGTH], "big")
    if len(payload) < end + _CHECKSUM:
        raise FrameError
    return payload[_LENGTH:end]


def read_data(payload: bytes, header: bytes) -> bytes:
    """Return the data behind the header of a frame.

    Raises:
        ChecksumError: the checksum is that of other data.
    """
    data = payload[_LENGTH + len(header) : -_CHECKSUM]
    if crc16(data) != int.from_bytes(payload[-_CHECKSUM:], "little"):
        raise ChecksumError
    return data


def write_frame(header: bytes, data: bytes = b"") -> bytes:
    """Return a frame: the header's length (big-endian), header, data, and the CRC-16 of the data (little-endian).

    Raises:
        OverflowError: the header has more than 65,535 bytes.
    """
    return len(header).to_bytes(_LENGTH, "big") + header + data + crc16(data).to_bytes(_CHECKSUM, "little")
