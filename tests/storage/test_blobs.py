"""Every blob store: a local folder, and an S3-compatible store."""

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.common.s3_server import BUCKET, KEY_ID, REGION, SECRET, S3Server

from thingplane.storage.blobs import BlobNotFoundError, BlobStore, LocalBlobStore
from thingplane.storage.blobs import objects as s3
from thingplane.storage.blobs.address import ObjectStoreAddress, read_address
from thingplane.storage.blobs.local import PART
from thingplane.storage.blobs.objects import open_object_store

STORES = pytest.mark.parametrize("store", ["local", "s3"], indirect=True)


@pytest.fixture
async def server() -> AsyncIterator[S3Server]:
    async with S3Server().running() as server:
        yield server


@pytest.fixture
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[BlobStore]:
    if getattr(request, "param", "local") == "local":
        yield LocalBlobStore(tmp_path / "blobs")
        return
    async with S3Server().running() as server:
        yield object_store(server, tmp_path)


def object_store(server: S3Server, tmp_path: Path, secret: str = SECRET, bucket: str = BUCKET) -> BlobStore:
    url = f"s3://{bucket}/files/of/thingplane?endpoint={server.url}&region={REGION}"
    return open_object_store(read_address(url), KEY_ID, secret, tmp_path / "uploads")


async def put(store: BlobStore, key: str, *parts: bytes) -> None:
    writer = await store.create(key)
    for part in parts:
        await writer.write(part)
    await writer.commit()


async def get(store: BlobStore, key: str, start: int = 0, end: int | None = None) -> bytes:
    return b"".join([part async for part in store.read(key, start, end)])


def left_over(folder: Path) -> list[str]:
    return [file.name for file in folder.rglob("*") if file.is_file()]


def modes(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mode & 0o777 for path in folder.rglob("*")}


@STORES
async def test_a_blob_is_read_as_it_was_written(store: BlobStore) -> None:
    await put(store, "abc-1", b"hello ", b"", b"world")
    assert await store.size("abc-1") == 11
    assert await get(store, "abc-1") == b"hello world"
    assert await get(store, "abc-1", 6) == b"world"
    assert await get(store, "abc-1", 2, 5) == b"llo"
    assert await get(store, "abc-1", 8, 100) == b"rld"
    assert await get(store, "abc-1", 5, 5) == b""
    assert await get(store, "abc-1", 11) == b""
    assert await get(store, "abc-1", 11, 12) == b""


async def test_large_blobs_come_in_parts(store: BlobStore) -> None:
    content = bytes(range(256)) * (2 * PART // 256) + b"end"
    await put(store, "large", content)
    parts = [part async for part in store.read("large", 1, len(content) - 1)]
    assert [len(part) for part in parts] == [PART, PART, 1]
    assert b"".join(parts) == content[1:-1]


@STORES
async def test_a_blob_is_there_only_when_it_is_complete(store: BlobStore, tmp_path: Path) -> None:
    writer = await store.create("abc")
    await writer.write(b"half")
    assert writer.size == 4
    with pytest.raises(BlobNotFoundError):
        await store.size("abc")
    with pytest.raises(BlobNotFoundError):
        await get(store, "abc")
    await writer.abort()
    assert left_over(tmp_path) == []


@STORES
async def test_a_second_blob_replaces_the_first_at_once(store: BlobStore) -> None:
    await put(store, "abc", b"old")
    writer = await store.create("abc")
    await writer.write(b"new!")
    assert await get(store, "abc") == b"old"
    await writer.commit()
    assert await get(store, "abc") == b"new!"


@STORES
async def test_deleting_takes_away_what_a_crash_has_left_too(store: BlobStore, tmp_path: Path) -> None:
    await put(store, "abc", b"x")
    await store.delete("abc")
    await store.delete("abc")
    with pytest.raises(BlobNotFoundError):
        await store.size("abc")
    left = await store.create("def")
    await left.write(b"x")
    await store.delete("def")
    assert left_over(tmp_path) == []
    await left.abort()


async def test_blobs_are_for_the_node_alone(store: BlobStore, tmp_path: Path) -> None:
    await put(store, "abc", b"x")
    assert modes(tmp_path) == {"blobs": 0o700, "ab": 0o700, "abc": 0o600}


async def test_a_blob_that_cannot_be_put_in_its_place_leaves_nothing(store: BlobStore, tmp_path: Path) -> None:
    writer = await store.create("abc")
    (tmp_path / "blobs" / "ab" / "abc").mkdir()
    with pytest.raises(OSError, match="directory"):
        await writer.commit()
    assert left_over(tmp_path) == []


@pytest.mark.parametrize("key", ["", "..", "../x", "a/b", "a.part", "x" * 65, "a\0"])
@STORES
async def test_keys_stay_inside_the_folder(store: BlobStore, key: str) -> None:
    with pytest.raises(ValueError, match="key"):
        await store.create(key)
    with pytest.raises(ValueError, match="key"):
        await store.size(key)
    with pytest.raises(ValueError, match="key"):
        await get(store, key)
    with pytest.raises(ValueError, match="key"):
        await store.delete(key)


async def test_an_empty_blob(server: S3Server, tmp_path: Path) -> None:
    store = object_store(server, tmp_path)
    await put(store, "nothing")
    assert (await store.size("nothing"), await get(store, "nothing")) == (0, b"")


async def test_objects_have_the_names_of_local_files(server: S3Server, tmp_path: Path) -> None:
    await put(object_store(server, tmp_path), "abc", b"x")
    await put(LocalBlobStore(tmp_path), "abc", b"x")
    assert server.objects == {"files/of/thingplane/ab/abc": b"x"}
    assert (tmp_path / "ab" / "abc").read_bytes() == b"x"


async def test_large_contents_take_several_requests(
    server: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3, "_CHUNK", 5 * 1024 * 1024)
    store = object_store(server, tmp_path)
    content = bytes(range(256)) * 45_000
    await put(store, "large", content[:100_000], content[100_000:])
    assert sum("partNumber=" in request for request in server.requests) == 3
    assert (server.unfinished, left_over(tmp_path)) == ({}, [])
    server.requests.clear()
    parts = [part async for part in store.read("large", 5, 3 * s3.PART)]
    assert b"".join(parts) == content[5 : 3 * s3.PART]
    assert [len(part) for part in parts] == [s3.PART, s3.PART, s3.PART - 5]
    assert len(server.requests) == 3


async def test_a_store_that_refuses_is_an_error_without_secrets(server: S3Server, tmp_path: Path) -> None:
    store = object_store(server, tmp_path, secret="wrong-secret")
    writer = await store.create("abc")
    await writer.write(b"x")
    with pytest.raises(OSError, match="the object store: ") as error:
        await writer.commit()
    assert "wrong-secret" not in str(error.value)
    assert "\n" not in str(error.value)
    assert (server.objects, left_over(tmp_path)) == ({}, [])
    for action in (store.size("abc"), get(store, "abc"), store.delete("abc")):
        with pytest.raises(OSError, match="the object store: "):
            await action


async def test_the_log_says_when_the_store_does_not_answer(
    server: S3Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = object_store(server, tmp_path)
    assert isinstance(store, s3.ObjectBlobStore)
    await store.start()
    assert "object store" not in capsys.readouterr().out
    wrong = object_store(server, tmp_path, bucket="another")
    assert isinstance(wrong, s3.ObjectBlobStore)
    await wrong.start()
    assert "the bucket does not exist" in capsys.readouterr().out
    with pytest.raises(OSError, match="the bucket does not exist"):
        await put(wrong, "abc", b"x")
    server.failing = True
    await store.start()
    assert "files and updates wait for the object store" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("s3://My-Bucket", ObjectStoreAddress(bucket="My-Bucket")),
        ("s3://b/one/two/", ObjectStoreAddress(bucket="b", prefix="one/two")),
        (
            "s3://b?endpoint=https://s3.example.com/&region=r-1&addressing=virtual",
            ObjectStoreAddress(bucket="b", endpoint="https://s3.example.com", region="r-1", virtual_hosts=True),
        ),
    ],
)
def test_addresses(url: str, address: ObjectStoreAddress) -> None:
    assert read_address(url) == address


@pytest.mark.parametrize(
    "url",
    [
        *("bucket", "http://bucket", "s3://", "s3:///folder", "s3://b:80", "s3://b#x", "s3://b?x", "s3://[b"),
        *("s3://key:hidden@b", "s3://b?secret=hidden", "s3://b?endpoint=hidden", "s3://b?addressing=hidden"),
    ],
)
def test_other_addresses_are_refused_without_being_repeated(url: str) -> None:
    with pytest.raises(ValueError, match=r"\w+") as error:
        read_address(url)
    assert "hidden" not in str(error.value)


async def test_the_bucket_may_be_a_part_of_the_host() -> None:
    address = read_address("s3://b?endpoint=https://s3.example.com:9000&addressing=virtual")
    assert s3._endpoint(address) == "https://b.s3.example.com:9000"


def test_the_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "obstore.store", None)
    with pytest.raises(ValueError, match=r"pip install thingplane\[s3\]"):
        open_object_store(read_address("s3://b"), "", "", tmp_path)
