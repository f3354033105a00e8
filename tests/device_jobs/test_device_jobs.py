"""Jobs: made by an operator, worked through by devices."""

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from tests.common.clock import FakeClock
from tests.common.moving import move
from tests.common.uplinks import Messages
from tests.telemetry.world import FakeDownlink
from thingplane.bus import LocalBus
from thingplane.cloud import Services
from thingplane.device_jobs.device import handlers
from thingplane.device_jobs.service import KEPT_MS, JobService
from thingplane.device_jobs.store import JobError, JobStore, Status
from thingplane.devices.service import Device, DeviceConnected, DeviceService
from thingplane.products.service import NewProduct, Product, ProductService
from thingplane.storage.database import Database

ON_ONE_DATABASE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
DOCUMENT = b'{"reboot": true, "id": "x"}'
GET = "thing/job/get"
UPDATE = "thing/job/update"


class World:
    """Two devices of a product, the first of which asks."""

    def __init__(self, database: Database, clock: FakeClock) -> None:
        self.clock = clock
        self.bus = LocalBus()
        self.products = ProductService(database, clock, self.bus)
        self.devices = DeviceService(database, clock, self.bus, self.products)
        self.store = JobStore(database, clock)
        self.downlink = FakeDownlink()
        self.service = JobService(self.store, self.devices, self.downlink, self.bus, clock)
        self.product: Product
        self.pair: list[Device]
        self.messages: Messages

    async def start(self) -> None:
        self.product = await self.products.create(1, NewProduct(name="Lamp", node_type=0))
        self.pair = [await self.devices.register(self.product, name) for name in ("lamp1", "lamp2")]
        self.messages = Messages(self.clock, self.pair[0], handlers(Services(self.service)))
        await self.service.start()

    async def create(self, *devices: Device, document: bytes = DOCUMENT) -> str:
        chosen = [device.id for device in devices or self.pair]
        return await self.store.create(self.product.id, chosen, document)

    async def task_id(self, job_id: str, position: int = 0) -> str:
        return (await self.store.tasks(job_id))[position].task_id

    async def statuses(self, job_id: str) -> list[str]:
        return [task.status.value for task in await self.store.tasks(job_id)]

    def notices(self) -> list[tuple[str, dict[str, Any]]]:
        """Return device and task of the notices sent so far, and forget them."""
        sent, self.downlink.sent = self.downlink.sent, []
        found = []
        for message in sent:
            notice = msgspec.json.decode(message.payload)
            assert (notice["method"], notice["version"], message.qos) == ("thing.job.notify", "1.0", 1)
            found.append((message.topic.split("/")[3], notice["params"]["task"]))
        return found

    async def connect(self, device: Device) -> None:
        self.downlink.connected.add(device.id)
        self.bus.publish(DeviceConnected(device.id, device.product_key, device.name))
        await self.service._background.settled()


@pytest.fixture(name="world")
async def open_world(database: Database, clock: FakeClock) -> AsyncIterator[World]:
    world = World(database, clock)
    await world.start()
    yield world
    await world.service.close()


async def test_devices_are_told_at_once_or_when_they_connect(world: World) -> None:
    world.downlink.connected.add(world.pair[0].id)
    job_id = await world.create()
    await world.service.refresh()
    told = {"status": "SENT", "jobDocument": {"reboot": True, "id": "x"}}
    assert world.notices() == [("lamp1", {"taskId": await world.task_id(job_id)} | told)]
    assert await world.statuses(job_id) == ["SENT", "QUEUED"]
    await world.connect(world.pair[1])
    assert world.notices() == [("lamp2", {"taskId": await world.task_id(job_id, 1)} | told)]
    assert await world.statuses(job_id) == ["SENT", "SENT"]
    for device in world.pair:
        await world.connect(device)
    await world.service.refresh()
    assert world.notices() == []


async def test_a_device_works_through_its_tasks(world: World) -> None:
    first, second = await world.create(), await world.create(world.pair[0])
    one, two = await world.task_id(first), await world.task_id(second)
    listed = await world.messages.request(GET, {"taskId": "$list"})
    waiting = [{"taskId": one, "status": "QUEUED"}, {"taskId": two, "status": "QUEUED"}]
    assert listed["data"] == {"taskId": "$list", "tasks": waiting}
    reply = await world.messages.ask(GET, b'{"id":"1","version":"1.0","params":{"taskId":"$next"}}')
    assert reply == (
        b'{"code":200,"data":{"taskId":"$next","task":{"taskId":"%b","status":"SENT","jobDocument":{"reboot":true,'
        b'"id":"x"}}},"id":"1","message":"success","method":"thing.job.get","version":"1.0"}' % one.encode()
    )
    assert await world.statuses(first) == ["SENT", "QUEUED"]
    progress = {"taskId": one, "status": "IN_PROGRESS", "progress": 64, "statusDetails": {"step": 2}}
    assert (await world.messages.request(UPDATE, progress))["data"] == {"taskId": one}
    task = (await world.store.tasks(first))[0]
    assert (task.status, task.progress, task.details) == (Status.IN_PROGRESS, 64, '{"step":2}')
    assert await world.messages.code(UPDATE, {"taskId": one, "status": "SUCCEEDED"}) == 200
    assert (await world.store.tasks(first))[0].progress == 64
    refused = await world.messages.request(UPDATE, {"taskId": one, "status": "IN_PROGRESS"})
    assert (refused["code"], refused["data"]) == (460, {"taskId": one})
    found = await world.messages.request(GET, {"taskId": one})
    assert (found["data"]["taskId"], found["data"]["task"]["status"]) == (one, "SUCCEEDED")
    assert (await world.messages.request(GET, {"taskId": "$next"}))["data"]["task"]["taskId"] == two
    assert await world.messages.code(UPDATE, {"taskId": two, "status": "REJECTED"}) == 200
    assert (await world.messages.request(GET, {"taskId": "$next"}))["data"] == {"taskId": "$next"}
    assert (await world.messages.request(GET, {"taskId": "$list"}))["data"]["tasks"] == []
    assert [(job.tasks, job.unfinished) for job in await world.store.jobs(world.product.id)] == [(1, 0), (2, 1)]


@pytest.mark.parametrize("status", [Status.CANCELLED, Status.REMOVED])
async def test_what_is_unfinished_can_be_called_back(world: World, status: Status) -> None:
    for device in world.pair:
        world.downlink.connected.add(device.id)
    job_id = await world.create()
    await world.service.refresh()
    world.notices()
    first, second = await world.task_id(job_id), await world.task_id(job_id, 1)
    await world.messages.code(UPDATE, {"taskId": first, "status": "FAILED"})
    assert await world.store.end(job_id, status) == 1
    await world.service.refresh()
    [(name, task)] = world.notices()
    assert (name, task["taskId"], task["status"]) == ("lamp2", second, status.value)
    assert await world.statuses(job_id) == ["FAILED", status.value]
    other = Messages(world.clock, world.pair[1], handlers(Services(world.service)))
    assert await other.code(UPDATE, {"taskId": second, "status": "SUCCEEDED"}) == 460
    found = await other.request(GET, {"taskId": second})
    assert ("task" in found["data"]) is (status is Status.CANCELLED)


async def test_a_device_that_is_offline_is_not_told_of_what_is_over(world: World) -> None:
    job_id = await world.create()
    await world.service.refresh()
    await world.store.end(job_id, Status.CANCELLED)
    await world.service.refresh()
    for device in world.pair:
        await world.connect(device)
    assert world.notices() == []
    assert await world.store.untold_devices() == []


async def test_devices_do_not_see_each_other_s_tasks(world: World) -> None:
    foreign = await world.task_id(await world.create(world.pair[1]))
    assert (await world.messages.request(GET, {"taskId": foreign}))["data"] == {"taskId": foreign}
    assert await world.messages.code(UPDATE, {"taskId": foreign, "status": "FAILED"}) == 460


@ON_ONE_DATABASE
@pytest.mark.parametrize(
    ("topic", "params"),
    [
        (GET, {}),
        (GET, []),
        (GET, {"taskId": 1}),
        (UPDATE, {"taskId": "unknown", "status": "FAILED"}),
        (UPDATE, {"taskId": "{id}"}),
        (UPDATE, {"taskId": "{id}", "status": "CANCELLED"}),
        (UPDATE, {"taskId": "{id}", "status": "QUEUED"}),
        (UPDATE, {"taskId": "{id}", "status": "FAILED", "progress": 101}),
        (UPDATE, {"taskId": "{id}", "status": "FAILED", "progress": -1}),
        (UPDATE, {"taskId": "{id}", "status": "FAILED", "progress": "1"}),
        (UPDATE, {"taskId": "{id}", "status": "FAILED", "statusDetails": {"x": "y" * 16_384}}),
        (UPDATE, b'{"taskId":"\xff","status":"FAILED"}'),
    ],
)
async def test_malformed_requests_change_nothing(world: World, topic: str, params: Any) -> None:
    job_id = await world.create(world.pair[0])
    if isinstance(params, dict) and params.get("taskId") == "{id}":
        params = params | {"taskId": await world.task_id(job_id)}
    assert await world.messages.code(topic, params) == 460
    assert await world.statuses(job_id) == ["QUEUED"]


@ON_ONE_DATABASE
@pytest.mark.parametrize("task_id", ["$next", "unknown", "\\u0000", "$all"])
async def test_a_task_that_is_not_found_is_answered_by_its_id_alone(world: World, task_id: str) -> None:
    request = b'{"id":"5","version":"1.0.0","params":{"taskId":"%b"}}' % task_id.encode()
    assert await world.messages.ask(GET, request) == (
        b'{"code":200,"data":{"taskId":"%b"},"id":"5","message":"success","method":"thing.job.get","version":"1.0"}'
        % task_id.encode()
    )


@ON_ONE_DATABASE
async def test_details_that_are_no_object_have_a_code_of_their_own(world: World) -> None:
    task_id = await world.task_id(job_id := await world.create(world.pair[0]))
    params = {"taskId": task_id, "status": "FAILED", "progress": 1}
    wrong: tuple[object, ...] = ([], "text", 1)
    for details in wrong:
        refused = await world.messages.request(UPDATE, params | {"statusDetails": details})
        assert (refused["code"], refused["data"]) == (71012, {"taskId": task_id})
    assert await world.statuses(job_id) == ["QUEUED"]


async def test_what_a_device_says_to_a_notice_is_taken(world: World) -> None:
    assert await world.messages.publish("thing/job/notify_reply", b'{"id":"1","code":200,"data":{}}') == []


@ON_ONE_DATABASE
async def test_jobs_that_cannot_be(world: World) -> None:
    for document in (b"", b"[]", b"{", b'{"x":"\xff"}', b'{"x":"%b"}' % (b"y" * 65_536)):
        with pytest.raises(JobError, match="document"):
            await world.create(document=document)
    with pytest.raises(JobError, match="devices"):
        await world.store.create(world.product.id, [], DOCUMENT)
    with pytest.raises(JobError, match="gone"):
        await world.store.create(world.product.id, [999], DOCUMENT)
    with pytest.raises(JobError, match="no job"):
        await world.store.end("unknown", Status.CANCELLED)
    assert await world.store.jobs(world.product.id) == []


async def test_finished_jobs_are_forgotten_after_a_month(world: World) -> None:
    done, open_ = await world.create(world.pair[0]), await world.create(world.pair[0])
    await world.messages.code(UPDATE, {"taskId": await world.task_id(done), "status": "SUCCEEDED"})
    world.clock.advance(KEPT_MS / 1000 + 1)
    await world.store.forget(world.clock.now_ms() - KEPT_MS)
    assert [job.job_id for job in await world.store.jobs(world.product.id)] == [open_]


async def test_tasks_go_with_their_device(world: World) -> None:
    job_id = await world.create()
    await world.devices.delete(world.pair[0])
    assert len(await world.statuses(job_id)) == 1


async def test_tasks_stay_behind_when_their_device_goes_to_another_instance(world: World) -> None:
    job_id = await world.create()
    await move(world.products, world.devices, world.product, world.pair[0])
    assert len(await world.statuses(job_id)) == 1
