"""Taking files, and that nothing is lost or left over."""

import asyncio
from pathlib import Path
from typing import cast

import pytest

from tests.common.clock import FakeClock
from tests.files.conftest import LIMITS, contents, upload
from thingplane.bus import LocalBus
from thingplane.cloud import BusinessError
from thingplane.devices.service import Device, DeviceService
from thingplane.files import service
from thingplane.files.service import FileService, Refusal, Upload, UploadRefusedError
from thingplane.products.service import NewProduct, Product, ProductService
from thingplane.storage.blobs import LocalBlobStore
from thingplane.storage.blobs.local import LocalBlobWriter
from thingplane.storage.database import Database


async def names(files: FileService, device: Device) -> list[str]:
    return [file.name for file in (await files.page(device, 1, 100))[0]]


async def refusal(files: FileService, device: Device, name: str, content: bytes = b"content") -> Refusal:
    with pytest.raises(UploadRefusedError) as refused:
        await upload(files, device, name, content)
    return refused.value.reason


async def test_a_file_is_there_when_it_is_complete(files: FileService, device: Device, folder: Path) -> None:
    taking = await files.begin(device, "a.log", size=11)
    await taking.write(b"hello ")
    assert taking.size == 6
    assert await names(files, device) == []
    await taking.write(b"world")
    file = await taking.finish()
    assert (file.name, file.size, file.device_id) == ("a.log", 11, device.id)
    assert await files.get(device, file.file_id) == file
    assert contents(folder) == {b"hello world"}


async def test_a_file_with_the_name_of_another_takes_its_place(
    files: FileService, device: Device, folder: Path
) -> None:
    old = await upload(files, device, "a.log", b"old")
    new = await upload(files, device, "a.log", b"new")
    assert new.file_id != old.file_id
    assert await names(files, device) == ["a.log"]
    assert contents(folder) == {b"new"}
    with pytest.raises(UploadRefusedError, match="of this name"):
        await files.begin(device, "a.log", overwrite=False)


async def test_of_two_that_must_not_replace_one_another_the_first_wins(
    files: FileService, device: Device, folder: Path
) -> None:
    uploads = [await files.begin(device, "a.log", overwrite=False) for _ in range(3)]
    results = await asyncio.gather(*(taking.finish() for taking in uploads), return_exceptions=True)
    reasons = [result.reason for result in results if isinstance(result, UploadRefusedError)]
    assert reasons == [Refusal.EXISTS] * 2
    assert len(contents(folder)) == 1
    assert await names(files, device) == ["a.log"]


async def test_a_cancelled_upload_leaves_nothing(files: FileService, device: Device, folder: Path) -> None:
    taking = await files.begin(device, "a.log")
    await taking.write(b"x")
    await taking.cancel()
    assert contents(folder) == set()
    assert await names(files, device) == []


@pytest.mark.parametrize("name", ["", ".hidden", "_x", "a/b", "a b", "ä", "a\n", "x" * 101])
async def test_names(files: FileService, device: Device, name: str) -> None:
    assert await refusal(files, device, name) is Refusal.BAD_NAME


async def test_limits(
    *, files: FileService, device: Device, devices: DeviceService, product: Product, folder: Path
) -> None:
    with pytest.raises(UploadRefusedError, match="too large"):
        await files.begin(device, "a", size=1001)
    assert await refusal(files, device, "a", b"x" * 1001) is Refusal.TOO_LARGE
    for number in range(4):
        await upload(files, device, f"f{number}", b"%d" % number * 500)
    assert await refusal(files, device, "f4") is Refusal.TOO_MANY
    # One more of the same name is not one more.
    await upload(files, device, "f0", b"a" * 1000)
    other = await devices.register(product, "camera-2")
    await upload(files, other, "f0", b"b" * 500)
    assert await refusal(files, other, "f1", b"c") is Refusal.NO_ROOM
    await files.delete(device, (await files.page(device, 1, 1))[0][0].file_id)
    await upload(files, other, "f1", b"c" * 1000)
    assert {content[:1] for content in contents(folder)} == {b"1", b"2", b"3", b"b", b"c"}


async def test_room_is_counted_for_each_instance(
    files: FileService, device: Device, devices: DeviceService, products: ProductService
) -> None:
    foreign = await devices.register(await products.create(2, NewProduct(name="Camera", node_type=0)), "camera-1")
    for number in range(3):
        await upload(files, device, f"f{number}", b"x" * 1000)
    assert await refusal(files, device, "f3") is Refusal.NO_ROOM
    await upload(files, foreign, "f3", b"x" * 1000)


async def test_the_room_of_the_instance_is_enough_for_all_that_are_taken_at_once(
    files: FileService, devices: DeviceService, product: Product
) -> None:
    several = [await devices.register(product, f"camera-{number}0") for number in range(6)]
    results = await asyncio.gather(
        *(upload(files, device, "f", b"x" * 1000) for device in several), return_exceptions=True
    )
    refused = [result for result in results if isinstance(result, UploadRefusedError)]
    assert [error.reason for error in refused] == [Refusal.NO_ROOM] * 3


async def test_files_go_with_their_device_and_their_room_is_free_again(
    *, files: FileService, devices: DeviceService, product: Product, device: Device, folder: Path
) -> None:
    for number in range(3):
        await upload(files, device, f"f{number}", b"x" * 1000)
    await devices.delete(device)
    await files._garbage.sweep()
    assert contents(folder) == set()
    other = await devices.register(product, "camera-2")
    await upload(files, other, "f", b"x" * 1000)


async def test_a_device_that_is_deleted_during_its_upload(
    files: FileService, devices: DeviceService, device: Device, folder: Path
) -> None:
    taking = await files.begin(device, "a.log")
    await taking.write(b"x")
    await devices.delete(device)
    with pytest.raises(BusinessError, match="NotExistedDevice"):
        await taking.finish()
    assert contents(folder) == set()


async def test_an_upload_and_a_deletion_at_once_leave_nothing(
    files: FileService, devices: DeviceService, product: Product, folder: Path
) -> None:
    several = [await devices.register(product, f"camera-{number}0") for number in range(4)]
    takings = [await files.begin(device, "a.log") for device in several]
    calls = [call for taking in takings for call in (taking.finish(), devices.delete(taking.device))]
    results = await asyncio.gather(*calls, return_exceptions=True)
    errors = [result for result in results if isinstance(result, Exception)]
    assert all("NotExistedDevice" in str(error) for error in errors)
    await files._garbage.sweep()
    assert contents(folder) == set()


async def restarted(
    *, database: Database, clock: FakeClock, devices: DeviceService, blobs: LocalBlobStore
) -> FileService:
    files = FileService(database, clock, LocalBus(), devices, blobs, limits=LIMITS)
    swept = asyncio.Event()
    sweep = files._garbage.sweep

    async def observed() -> None:
        await sweep()
        swept.set()

    files._garbage.sweep = observed  # type: ignore[method-assign]
    await files.start()
    await swept.wait()
    await files.close()
    return files


async def test_what_a_crash_has_left_is_deleted_after_a_day(
    *, files: FileService, database: Database, clock: FakeClock, devices: DeviceService, device: Device, folder: Path
) -> None:
    blobs = LocalBlobStore(folder)
    kept = await upload(files, device, "kept", b"kept")
    for content in (b"one", b"two"):
        taking = await files.begin(device, "lost")
        await taking.write(content)
        if content == b"one":
            cast("LocalBlobWriter", taking._writer)._file.close()
        else:
            # The content is complete, and then the node dies before it is listed.
            await taking._writer.commit()
    again = await restarted(database=database, clock=clock, devices=devices, blobs=blobs)
    assert contents(folder) == {b"kept", b"one", b"two"}
    clock.advance(LIMITS.upload_ms / 1000)
    await restarted(database=database, clock=clock, devices=devices, blobs=blobs)
    assert contents(folder) == {b"kept"}
    assert await again.get(device, kept.file_id) == kept


async def test_an_upload_that_takes_too_long(
    *, files: FileService, database: Database, clock: FakeClock, device: Device, folder: Path
) -> None:
    late, swept = [await files.begin(device, name) for name in ("late", "swept")]
    await late.write(b"late")
    clock.advance(LIMITS.upload_ms / 1000 - 0.001)
    await swept.write(b"swept")
    # Another node, whose clock goes before, has begun to delete it.
    async with database.write() as connection:
        assert await files._garbage.keep(connection, swept.blob)
    assert await _refused(swept) is Refusal.EXPIRED
    clock.advance(0.001)
    assert await _refused(late) is Refusal.EXPIRED
    assert contents(folder) == set()


async def _refused(taking: Upload) -> Refusal:
    with pytest.raises(UploadRefusedError) as refused:
        await taking.finish()
    return refused.value.reason


async def test_contents_that_cannot_be_deleted_are_tried_again(
    *, files: FileService, device: Device, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = await upload(files, device, "a.log", b"x")
    remove = LocalBlobStore.delete

    async def fail(_store: LocalBlobStore, _key: str) -> None:
        raise OSError("the disk is read-only")

    monkeypatch.setattr(LocalBlobStore, "delete", fail)
    await files.delete(device, file.file_id)
    assert await names(files, device) == []
    await files._garbage.sweep()
    assert contents(folder) == {b"x"}
    monkeypatch.setattr(LocalBlobStore, "delete", remove)
    await files._garbage.sweep()
    assert contents(folder) == set()


async def test_contents_of_a_deleted_device_are_deleted_by_themselves(
    *, files: FileService, devices: DeviceService, device: Device, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    swept = asyncio.Event()
    sweep = files._garbage.sweep

    async def tell() -> None:
        await sweep()
        swept.set()

    monkeypatch.setattr(files._garbage, "sweep", tell)
    await upload(files, device, "a.log", b"x")
    await devices.delete(device)
    await swept.wait()
    assert contents(folder) == set()


async def test_sweeping_goes_on_after_a_failure(
    *, files: FileService, monkeypatch: pytest.MonkeyPatch, devices: DeviceService, device: Device
) -> None:
    monkeypatch.setattr(service, "SWEEP_EVERY_S", 0)
    twice = asyncio.Event()
    calls = 0

    async def fail() -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            twice.set()
        raise OSError("the disk is gone")

    monkeypatch.setattr(files._garbage, "sweep", fail)
    await devices.delete(device)
    await twice.wait()
