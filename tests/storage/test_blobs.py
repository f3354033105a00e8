"""The local blob store."""

from pathlib import Path

import pytest

from thingplane.storage.blobs import BlobNotFoundError, LocalBlobStore
from thingplane.storage.blobs.local import PART


@pytest.fixture
def store(tmp_path: Path) -> LocalBlobStore:
    return LocalBlobStore(tmp_path / "blobs")


async def put(store: LocalBlobStore, key: str, *parts: bytes) -> None:
    writer = await store.create(key)
    for part in parts:
        await writer.write(part)
    await writer.commit()


async def get(store: LocalBlobStore, key: str, start: int = 0, end: int | None = None) -> bytes:
    return b"".join([part async for part in store.read(key, start, end)])


def left_over(folder: Path) -> list[str]:
    return [file.name for file in folder.rglob("*") if file.is_file()]


def modes(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mode & 0o777 for path in folder.rglob("*")}


async def test_a_blob_is_read_as_it_was_written(store: LocalBlobStore) -> None:
    await put(store, "abc-1", b"hello ", b"", b"world")
    assert await store.size("abc-1") == 11
    assert await get(store, "abc-1") == b"hello world"
    assert await get(store, "abc-1", 6) == b"world"
    assert await get(store, "abc-1", 2, 5) == b"llo"
    assert await get(store, "abc-1", 8, 100) == b"rld"
    assert await get(store, "abc-1", 5, 5) == b""


async def test_large_blobs_come_in_parts(store: LocalBlobStore) -> None:
    content = bytes(range(256)) * (2 * PART // 256) + b"end"
    await put(store, "large", content)
    parts = [part async for part in store.read("large", 1, len(content) - 1)]
    assert [len(part) for part in parts] == [PART, PART, 1]
    assert b"".join(parts) == content[1:-1]


async def test_a_blob_is_there_only_when_it_is_complete(store: LocalBlobStore, tmp_path: Path) -> None:
    writer = await store.create("abc")
    await writer.write(b"half")
    assert writer.size == 4
    with pytest.raises(BlobNotFoundError):
        await store.size("abc")
    with pytest.raises(BlobNotFoundError):
        await get(store, "abc")
    await writer.abort()
    assert left_over(tmp_path) == []


async def test_a_second_blob_replaces_the_first_at_once(store: LocalBlobStore) -> None:
    await put(store, "abc", b"old")
    writer = await store.create("abc")
    await writer.write(b"new!")
    assert await get(store, "abc") == b"old"
    await writer.commit()
    assert await get(store, "abc") == b"new!"


async def test_deleting_takes_away_what_a_crash_has_left_too(store: LocalBlobStore, tmp_path: Path) -> None:
    await put(store, "abc", b"x")
    await store.delete("abc")
    await store.delete("abc")
    with pytest.raises(BlobNotFoundError):
        await store.size("abc")
    left = await store.create("def")
    await left.write(b"x")
    await store.delete("def")
    assert left_over(tmp_path) == []
    left._file.close()


async def test_blobs_are_for_the_node_alone(store: LocalBlobStore, tmp_path: Path) -> None:
    await put(store, "abc", b"x")
    assert modes(tmp_path) == {"blobs": 0o700, "ab": 0o700, "abc": 0o600}


async def test_a_blob_that_cannot_be_put_in_its_place_leaves_nothing(store: LocalBlobStore, tmp_path: Path) -> None:
    writer = await store.create("abc")
    (tmp_path / "blobs" / "ab" / "abc").mkdir()
    with pytest.raises(OSError, match="directory"):
        await writer.commit()
    assert left_over(tmp_path) == []


@pytest.mark.parametrize("key", ["", "..", "../x", "a/b", "a.part", "x" * 65, "a\0"])
async def test_keys_stay_inside_the_folder(store: LocalBlobStore, key: str) -> None:
    with pytest.raises(ValueError, match="key"):
        await store.create(key)
    with pytest.raises(ValueError, match="key"):
        await store.size(key)
    with pytest.raises(ValueError, match="key"):
        await get(store, key)
    with pytest.raises(ValueError, match="key"):
        await store.delete(key)
