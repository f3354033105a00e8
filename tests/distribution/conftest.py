"""Two instances with all that hangs on products and devices, and the operations called by the official SDK."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.common.api import DEFAULT_INSTANCE, OTHER_INSTANCE, Api
from tests.common.clock import FakeClock
from tests.common.sdk_api import sdk_api
from thingplane.bus import LocalBus
from thingplane.cloud import Services
from thingplane.devices.service import DeviceService
from thingplane.distribution.operations import creation, jobs, lists  # noqa: F401 - registers the operations
from thingplane.distribution.service import DistributionService
from thingplane.files.service import Downloads, FileService
from thingplane.groups.service import GroupService
from thingplane.instances.service import InstanceDirectory
from thingplane.parsing.service import ParsingService
from thingplane.products.service import NewProduct, Product, ProductService
from thingplane.scripts.pool import ScriptPool
from thingplane.storage.blobs import LocalBlobStore
from thingplane.storage.database import Database
from thingplane.things.service import ThingModelService
from thingplane.topics.routes import TopicRouteService
from thingplane.topics.service import TopicService
from thingplane.topology.service import TopologyService

HERE, THERE = DEFAULT_INSTANCE.instance_id, OTHER_INSTANCE.instance_id
LAMP = NewProduct(name="Street_light", node_type=0, senior=True, data_format=1)


@dataclass
class World:
    """The services, and the client."""

    database: Database
    clock: FakeClock
    bus: LocalBus
    products: ProductService
    devices: DeviceService
    topics: TopicService
    models: ThingModelService
    parsing: ParsingService
    groups: GroupService
    topology: TopologyService
    routes: TopicRouteService
    files: FileService
    instances: InstanceDirectory
    downloads: Downloads
    blobs: LocalBlobStore
    distribution: DistributionService
    product: Product
    api: Api

    async def call(self, action: str, /, **parameters: Any) -> dict[str, Any]:
        return await self.api.call(action, **parameters)

    def restarted(self) -> DistributionService:
        """The service of a node that has just been started."""
        return DistributionService(
            self.database, self.clock, self.products, self.devices, self.instances, self.downloads, self.blobs
        )

    async def take(self, *names: str, back: bool = False, **parameters: Any) -> dict[str, Any]:
        """Begin to distribute devices of the product to the other instance, or back."""
        source, target = (THERE, HERE) if back else (HERE, THERE)
        return await self.call(
            "CreateDeviceDistributeJob",
            **{
                "ProductKey": self.product.product_key,
                "DeviceName": list(names),
                "SourceInstanceId": source,
                "TargetInstanceConfig": [{"TargetInstanceId": target}],
                **parameters,
            },
        )

    async def taken(self, *names: str, back: bool = False, **parameters: Any) -> str:
        """Distribute devices of the product to the other instance, or back; returns the JobId."""
        answer = await self.take(*names, back=back, **parameters)
        assert answer["Success"] is True, answer
        await self.distribution.done()
        return str(answer["JobId"])

    async def place(self, **parameters: Any) -> dict[str, Any]:
        """Begin to distribute the product to the other instance."""
        return await self.call(
            "CreateProductDistributeJob",
            **{"ProductKey": self.product.product_key, "TargetInstanceId": THERE, **parameters},
        )

    async def placed(self) -> Product:
        """Distribute the product to the other instance; returns its copy there."""
        assert (await self.place())["Success"] is True
        await self.distribution.done()
        return await self.products.get(OTHER_INSTANCE.id, self.product.product_key)

    async def job(self, job_id: str) -> dict[str, Any]:
        """Return what is told about a task."""
        data: dict[str, Any] = (await self.call("QueryDeviceDistributeJob", JobId=job_id))["Data"]
        return data

    async def result(self, job_id: str) -> list[dict[str, str]]:
        """Return what the result file of a task says."""
        url: str = (await self.call("QueryDeviceDistributeDetail", JobId=job_id))["File"]
        blob = url.removeprefix("http://127.0.0.1:8080/download/").split("/")[0]
        content = b"".join([part async for part in self.blobs.read(blob)])
        return msgspec.json.decode(content, type=list[dict[str, str]])


@pytest.fixture
async def world(
    database: Database, clock: FakeClock, bus: LocalBus, products: ProductService, tmp_path: Path
) -> AsyncIterator[World]:
    topics = TopicService(database, bus, products)
    models = ThingModelService(database, clock, products, bus)
    pool = ScriptPool(1, "")
    parsing = ParsingService(database, clock, bus, products, pool)
    devices = DeviceService(database, clock, bus, products)
    await devices.start()
    groups = GroupService(database, clock, devices)
    topology = TopologyService(database, clock, bus, devices)
    routes = TopicRouteService(database, bus, products, devices, topics)
    blobs = LocalBlobStore(tmp_path / "blobs")
    files = FileService(database, clock, bus, devices, blobs)
    downloads = Downloads(database, clock, blobs, lambda: "http://127.0.0.1:8080")
    await downloads.start()
    instances = InstanceDirectory(database, clock)
    assert await instances.create(THERE, "Second") == OTHER_INSTANCE
    distribution = DistributionService(database, clock, products, devices, instances, downloads, blobs)
    await distribution.start()
    product = await products.create(DEFAULT_INSTANCE.id, LAMP)
    async with sdk_api(Services(products, devices, distribution), clock) as api:
        yield World(
            database,
            clock,
            bus,
            products,
            devices,
            topics,
            models,
            parsing,
            groups,
            topology,
            routes,
            files,
            instances,
            downloads,
            blobs,
            distribution,
            product,
            api,
        )
    await distribution.close()
    await routes.close()
    await devices.close()
    await pool.close()
