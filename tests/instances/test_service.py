"""InstanceDirectory on both databases."""

import asyncio
from collections.abc import AsyncIterator
from itertools import product

import pytest
from sqlalchemy import BigInteger, Column, MetaData, Table, insert, select
from tests.common.clock import FakeClock

from thingplane.cloud import BusinessError
from thingplane.instances import service
from thingplane.instances.service import DEFAULT_INSTANCE, InstanceDirectory, InstanceError
from thingplane.storage.database import Database, metadata


@pytest.fixture
async def instances(database: Database, clock: FakeClock) -> AsyncIterator[InstanceDirectory]:
    directory = InstanceDirectory(database, clock)
    await directory.start()
    yield directory
    await directory.stop()


async def test_the_default_instance_is_addressed_by_nothing_or_its_id(instances: InstanceDirectory) -> None:
    assert instances.resolve(None) == instances.resolve("iot-default") == DEFAULT_INSTANCE
    assert DEFAULT_INSTANCE.id == 1


async def test_a_created_instance_is_found_and_listed(instances: InstanceDirectory, clock: FakeClock) -> None:
    first = await instances.create("iot-berlin", "lamps")
    second = await instances.create()
    assert instances.resolve("iot-berlin") == first
    assert instances.resolve(second.instance_id) == second
    assert len({DEFAULT_INSTANCE.id, first.id, second.id}) == 3
    infos = await instances.list()
    assert [(info.instance, info.description) for info in infos] == [(first, "lamps"), (second, "")]
    assert infos[0].created_at == clock.now_ms()


async def test_an_unknown_instance_has_its_documented_code(instances: InstanceDirectory) -> None:
    with pytest.raises(BusinessError) as caught:
        instances.resolve("iot-nowhere")
    assert caught.value.code == "iot.system.InstanceNotFound"


@pytest.mark.parametrize("name", ["berlin", "iot-", "iot-a b", "iot-" + "a" * 61, "iot-default"])
async def test_malformed_and_reserved_ids_are_refused(instances: InstanceDirectory, name: str) -> None:
    with pytest.raises(InstanceError):
        await instances.create(name)
    assert await instances.list() == []


async def test_a_description_that_is_too_long_is_refused(instances: InstanceDirectory) -> None:
    with pytest.raises(InstanceError, match="100"):
        await instances.create("iot-a", "x" * 101)


async def test_one_of_two_instances_with_the_same_id_is_created(instances: InstanceDirectory) -> None:
    results = await asyncio.gather(instances.create("iot-a"), instances.create("iot-a"), return_exceptions=True)
    assert [type(result) for result in results].count(InstanceError) == 1
    assert len(await instances.list()) == 1


async def test_a_deleted_instance_is_gone_and_its_number_is_not_used_again(instances: InstanceDirectory) -> None:
    first = await instances.create("iot-a")
    await instances.delete("iot-a")
    with pytest.raises(BusinessError):
        instances.resolve("iot-a")
    assert (await instances.create("iot-a")).id > first.id


async def test_the_default_and_unknown_instances_cannot_be_deleted(instances: InstanceDirectory) -> None:
    for name in ("iot-default", "iot-nowhere"):
        with pytest.raises(InstanceError):
            await instances.delete(name)


async def test_an_instance_that_something_belongs_to_cannot_be_deleted(
    instances: InstanceDirectory, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables = MetaData()
    things = Table("things_of_a_test", tables, Column("instance_id", BigInteger))
    async with database.write() as connection:
        await connection.run_sync(tables.create_all)
    monkeypatch.setattr(service, "metadata", tables)
    used, empty = await instances.create("iot-used"), await instances.create("iot-empty")
    async with database.write() as connection:
        await connection.execute(insert(things).values(instance_id=used.id))
    with pytest.raises(InstanceError, match="things_of_a_test"):
        await instances.delete("iot-used")
    assert instances.resolve("iot-used") == used
    await instances.delete(empty.instance_id)


async def test_what_counts_and_locks_goes_with_the_instance(instances: InstanceDirectory, database: Database) -> None:
    used = await instances.create("iot-used")
    kept = await instances.create("iot-kept")
    bookkeeping = [table for table in metadata.sorted_tables if table.info.get("bookkeeping")]
    assert {table.name for table in bookkeeping} == {"file_usage", "device_group_locks", "topology_locks"}
    async with database.write() as connection:
        for table, instance in product(bookkeeping, (used, kept)):
            others = {"bytes": 1} if "bytes" in table.c else {}
            await connection.execute(insert(table).values(instance_id=instance.id, **others))
    await instances.delete("iot-used")
    async with database.read() as connection:
        for table in bookkeeping:
            assert (await connection.execute(select(table.c.instance_id))).scalars().all() == [kept.id]


async def test_changes_by_another_process_are_noticed(
    instances: InstanceDirectory, database: Database, clock: FakeClock
) -> None:
    created = await InstanceDirectory(database, clock).create("iot-a")
    await instances.refresh()
    assert instances.resolve("iot-a") == created
