"""Custom messages for subscribers."""

import asyncio
from pathlib import Path

import pytest

from tests.common.clock import FakeClock
from tests.common.forwarding import AllTo, forwarding
from thingplane.alink import Uplink
from thingplane.bus import LocalBus
from thingplane.devices.service import DeviceService
from thingplane.forwarding.service import Kind
from thingplane.products.service import NewProduct, ProductService
from thingplane.storage.database import Database
from thingplane.topics.outgoing import CustomOutgoing


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'thingplane.sqlite3'}"


async def test_a_custom_message_leaves_as_it_came(tmp_path: Path, clock: FakeClock, database: Database) -> None:
    products = ProductService(database, clock, LocalBus())
    devices = DeviceService(database, clock, LocalBus(), products)
    product = await products.create(1, NewProduct(name="Lamp", node_type=0))
    device = await devices.register(product, "lamp1")
    topic = f"/{product.product_key}/lamp1/user/update"
    async with forwarding(tmp_path, clock, database) as forwarder:
        custom = CustomOutgoing(forwarder, products)
        assert custom.on_custom_message(Uplink(device, topic, "", b"nobody", 0)) is None
        member = await forwarder.enroll("group", "1")
        forwarder.add_router(AllTo([member]))
        # The product may have to be read first.
        products._cache.clear()
        uplink = Uplink(device, topic, "", b"\x00\xff", 0, qos=1, properties={"correlation_data": b"\xff"})
        pending = custom.on_custom_message(uplink)
        assert pending is not None
        await asyncio.ensure_future(pending)
        assert custom.on_custom_message(Uplink(device, topic, "", b"two", 0)) is None
        await forwarder.durable()
        one, two = await forwarder.read(member, -1, 9)
    assert (one.kind, one.topic, one.body, one.qos, one.device_name) == (Kind.CUSTOM, topic, b"\x00\xff", 1, "lamp1")
    assert uplink.message_id == one.message_id
    assert one.properties == {"correlation_data": b"\xff"}
    assert two.properties is None
    assert two.body == b"two"
