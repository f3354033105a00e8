"""Applications for many devices: done once whatever happens to the node, and all or nothing."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from sqlalchemy import insert

from tests.common.clock import FakeClock
from tests.common.moving import move
from tests.devices.marks import one_database
from thingplane.bus import LocalBus
from thingplane.devices.registration import new_device
from thingplane.devices.service import DeviceService
from thingplane.devices.tables import devices as table
from thingplane.products.service import Product, ProductService
from thingplane.storage import job_queue
from thingplane.storage.database import Database

NAMES = [(f"lamp-{number:04}", f"Lamp_{number}") for number in range(700)]
"""More than fit into one statement."""


class PowerCut(BaseException):
    """The node is gone, in the middle of what it did."""


@pytest.fixture
def restart(database: Database, clock: FakeClock, products: ProductService) -> Callable[[], DeviceService]:
    """Makes the service of a node on the same database; not started yet."""
    return lambda: DeviceService(database, clock, LocalBus(), products)


async def finish(node: DeviceService) -> None:
    """Start a node, and stop it when it has nothing left to do."""
    await node.start()
    await node.applications.done()
    await node.close()


async def test_an_accepted_application_is_worked_on_by_the_next_start(
    other_node: DeviceService, restart: Callable[[], DeviceService], product: Product
) -> None:
    # The node is killed right after it has answered: it has not begun yet.
    random = await other_node.applications.create_random(product, 300)
    named = await other_node.applications.check(product, NAMES)
    node = restart()
    await finish(node)
    assert (await node.applications.get(1, random)).status == "CREATE_SUCCESS"
    assert (await node.applications.get(1, named)).status == "CHECK_SUCCESS"
    await node.applications.create(await node.applications.get(1, named))
    again = restart()
    await finish(again)
    application = await again.applications.get(1, named)
    assert application.status == "CREATE_SUCCESS"
    total, [first, *_] = await again.lists.of_application(application, 10)
    assert (total, first.name, first.nickname) == (700, "lamp-0000", "Lamp_0")


@pytest.mark.parametrize("statements", [1, 2, 3, 4, 5])
async def test_a_node_that_dies_while_it_makes_devices_leaves_neither_duplicates_nor_holes(  # noqa: PLR0917  fixtures
    database: Database,
    other_node: DeviceService,
    restart: Callable[[], DeviceService],
    product: Product,
    monkeypatch: pytest.MonkeyPatch,
    statements: int,
) -> None:
    apply_id = await other_node.applications.check(product, NAMES)
    await other_node.applications._advance(apply_id)
    await other_node.applications.create(await other_node.applications.get(1, apply_id))
    write = database.write
    with monkeypatch.context() as dying:
        dying.setattr(database, "write", lambda: _cut(write, statements))
        with pytest.raises(PowerCut):
            await other_node.applications._advance(apply_id)
    node = restart()
    assert (await node.lists.of_product(product.id, 1))[0] == 0
    await finish(node)
    application = await node.applications.get(1, apply_id)
    assert application.status == "CREATE_SUCCESS"
    assert await node.applications.names(application) == [name for name, _ in NAMES]
    assert (await node.lists.of_product(product.id, 1))[0] == 700


@asynccontextmanager
async def _cut(write: Callable[[], Any], statements: int) -> AsyncIterator[Any]:
    """Give a connection on which only so many statements are executed."""
    async with write() as connection:
        yield _Cut(connection, statements)


class _Cut:
    def __init__(self, connection: Any, statements: int) -> None:
        self._connection = connection
        self._statements = statements

    async def execute(self, *args: Any) -> Any:
        if not self._statements:
            raise PowerCut
        self._statements -= 1
        return await self._connection.execute(*args)


async def test_a_node_that_was_killed_after_its_last_step_does_nothing_twice(
    devices: DeviceService, restart: Callable[[], DeviceService], product: Product
) -> None:
    apply_id = await devices.applications.create_random(product, 3)
    await devices.applications.done()
    await devices.applications._advance(apply_id)
    await finish(restart())
    assert (await devices.lists.of_product(product.id, 1))[0] == 3


async def test_of_two_nodes_that_work_on_an_application_one_makes_the_devices(
    other_node: DeviceService, restart: Callable[[], DeviceService], product: Product
) -> None:
    apply_id = await other_node.applications.create_random(product, 600)
    await asyncio.gather(*(node.applications._advance(apply_id) for node in (other_node, restart(), restart())))
    assert (await other_node.lists.of_product(product.id, 1))[0] == 600


async def test_applications_for_the_same_names_at_once_have_one_winner(
    devices: DeviceService, product: Product
) -> None:
    ids = [await devices.applications.check(product, [("lamp-1", None), (f"other-{n}", None)]) for n in range(3)]
    await devices.applications.done()
    found = [await devices.applications.get(1, apply_id) for apply_id in ids]
    assert [application.status for application in found] == ["CHECK_SUCCESS"] * 3
    await asyncio.gather(*(devices.applications.create(application) for application in found))
    await devices.applications.done()
    states = sorted([(await devices.applications.get(1, apply_id)).status for apply_id in ids])
    assert states == ["CREATE_FAILED", "CREATE_FAILED", "CREATE_SUCCESS"]
    failures = [await devices.applications.failures(application) for application in found]
    assert sorted([failure.name for some in failures for failure in some]) == ["lamp-1", "lamp-1"]
    assert (await devices.lists.of_product(product.id, 1))[0] == 2


async def test_of_calls_to_create_at_once_one_is_accepted(devices: DeviceService, product: Product) -> None:
    apply_id = await devices.applications.check(product, [("lamp-1", None)])
    await devices.applications.done()
    application = await devices.applications.get(1, apply_id)
    answers = await asyncio.gather(
        *(devices.applications.create(application) for _ in range(5)), return_exceptions=True
    )
    assert [answer is None for answer in answers].count(True) == 1


async def test_a_name_that_is_taken_while_devices_are_made_fails_them_all(
    database: Database, devices: DeviceService, product: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    apply_id = await devices.applications.check(product, NAMES)
    await devices.applications.done()
    write = database.write

    @asynccontextmanager
    async def taking() -> AsyncIterator[Any]:
        # Another device gets the name after it was looked for: as if the check had found it free.
        monkeypatch.setattr(database, "write", write)
        await devices.register(product, "lamp-0600")
        async with write() as connection:
            yield _Blind(connection)

    await devices.applications.create(await devices.applications.get(1, apply_id))
    monkeypatch.setattr(database, "write", taking)
    await devices.applications.done()
    assert (await devices.applications.get(1, apply_id)).status == "CREATE_FAILED"
    assert (await devices.lists.of_product(product.id, 1))[0] == 1


class _Blind:
    """A connection on which no device is seen."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    async def execute(self, statement: Any, *args: Any) -> Any:
        if statement.is_select:
            statement = statement.where(table.c.id < 0)
        return await self._connection.execute(statement, *args)


async def test_a_failing_database_holds_an_application_up_and_does_not_lose_it(
    database: Database, devices: DeviceService, product: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_queue, "RETRY_DELAY", 0.001)
    failures = 0
    read = database.read

    def failing() -> Any:
        nonlocal failures
        failures += 1
        if failures < 3:
            raise OSError("the database is away")
        return read()

    apply_id = await devices.applications.create_random(product, 2)
    monkeypatch.setattr(database, "read", failing)
    await devices.applications.done()
    assert failures > 2
    assert (await devices.applications.get(1, apply_id)).status == "CREATE_SUCCESS"


async def test_an_application_whose_product_is_deleted_meanwhile_is_dropped(
    other_node: DeviceService, products: ProductService, product: Product, restart: Callable[[], DeviceService]
) -> None:
    apply_id = await other_node.applications.create_random(product, 2)
    await products.delete(product)
    await finish(restart())
    with pytest.raises(Exception, match="DeviceApplyIsNotFound"):
        await other_node.applications.get(1, apply_id)
    with pytest.raises(Exception, match=r"iot\.prod\.NotExistedProduct"):
        await other_node.applications.create_random(product, 2)


async def test_the_limit_of_one_application_is_a_setting(
    database: Database, clock: FakeClock, products: ProductService, product: Product
) -> None:
    small = DeviceService(database, clock, LocalBus(), products, max_batch=2)
    await small.applications.create_random(product, 2)
    for refused in (
        small.applications.create_random(product, 3),
        small.applications.check(product, [("lamp-1", None), ("lamp-2", None), ("lamp-3", None)]),
    ):
        with pytest.raises(Exception, match=r"iot\.device\.DeviceCountExceeded"):
            await refused


async def test_ten_thousand_devices_are_made_in_seconds(devices: DeviceService, product: Product) -> None:
    apply_id = await devices.applications.create_random(product, 10_000)
    # Half a second where the machine has nothing else to do.
    await asyncio.wait_for(devices.applications.done(), 10)
    assert (await devices.lists.of_application(await devices.applications.get(1, apply_id), 1))[0] == 10_000


async def test_devices_of_an_application_are_found_beside_others(
    database: Database, devices: DeviceService, product: Product
) -> None:
    async with database.write() as connection:
        await connection.execute(insert(table), [new_device(product, f"old-{number}", None, 0) for number in range(3)])
    apply_id = await devices.applications.create_random(product, 2)
    await devices.applications.done()
    total, found = await devices.lists.of_application(await devices.applications.get(1, apply_id), 10)
    assert (total, len(found)) == (2, 2)
    names = [device.name for device in found]
    assert await devices.several(product, names) == found


@one_database
async def test_devices_that_went_to_another_instance_are_not_told_of_any_more(
    products: ProductService, devices: DeviceService, product: Product
) -> None:
    applications, lists = devices.applications, devices.lists
    apply_id = await applications.create_random(product, 2)
    await applications.done()
    application = await applications.get(1, apply_id)
    _, [first, second] = await lists.of_application(application, 10)
    await move(products, devices, product, first)
    assert await lists.of_application(application, 10) == (1, [second])
    assert await applications.names(application) == [second.name]
