"""Frames of files over MQTT and their checksums, against values of the reference and of plain definitions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thingplane.alink.crc import Crc64Check, crc16
from thingplane.alink.frames import ChecksumError, FrameError, read_data, read_header, write_frame

CHECK = b"123456789"
FRAME = bytes.fromhex(
    "0043" + b'{"id":"7","code":200,"data":{"fileLength":9,"bSize":9,"bOffset":0}}'.hex() + CHECK.hex() + "3dbb"
)


def plain_crc16(data: bytes) -> int:
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0xA001 if crc & 1 else 0)
    return crc


def plain_crc64(data: bytes) -> int:
    crc = 2**64 - 1
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0xC96C5795D7870F42 if crc & 1 else 0)
    return crc ^ (2**64 - 1)


def has_crc64(data: bytes, value: int, part: int = 100_000) -> bool:
    check = Crc64Check()
    for start in range(0, len(data), part):
        check.update(data[start : start + part])
    return check.matches(value)


def test_the_checksums_of_the_reference() -> None:
    assert crc16(CHECK) == 0xBB3D
    assert has_crc64(CHECK, 0x995DC9BBDF1939FA)
    assert not has_crc64(CHECK, 0x995DC9BBDF1939FB)


@given(st.binary(max_size=40))
def test_checksums_of_short_data(data: bytes) -> None:
    assert crc16(data) == plain_crc16(data)
    assert has_crc64(data, plain_crc64(data), part=3)


@pytest.mark.parametrize("size", [0, 1, 4095, 4096, 4097, 8190, 8192, 12_345, 131_072])
def test_checksums_of_long_data(size: int) -> None:
    data = bytes(position * 37 % 251 for position in range(size))
    assert crc16(data) == plain_crc16(data)
    value = plain_crc64(data)
    assert has_crc64(data, value)
    assert has_crc64(data, value, part=1000)
    assert not has_crc64(data + b"\0", value)


def test_the_frame_of_the_reference() -> None:
    header = read_header(FRAME)
    assert header == b'{"id":"7","code":200,"data":{"fileLength":9,"bSize":9,"bOffset":0}}'
    assert read_data(FRAME, header) == CHECK
    assert write_frame(header, CHECK) == FRAME


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_what_is_written_is_read(header: bytes, data: bytes) -> None:
    frame = write_frame(header, data)
    assert read_header(frame) == header
    assert read_data(frame, header) == data


@pytest.mark.parametrize("payload", [b"", b"\0", b"\0\0", b"\0\0\0", FRAME[:60], b"\xff\xff" + bytes(99)])
def test_what_is_no_frame(payload: bytes) -> None:
    with pytest.raises(FrameError):
        read_header(payload)


@pytest.mark.parametrize("position", [70, -3, -2, -1])
def test_a_changed_bit_is_found(position: int) -> None:
    broken = bytearray(FRAME)
    broken[position] ^= 1
    with pytest.raises(ChecksumError):
        read_data(bytes(broken), read_header(FRAME))
