"""A gateway over TLS before real products and devices, for the ways of authentication that need them."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast

from tests.common.clock import FakeClock
from tests.gateway.support import FakeSeries, FakeTopics, FakeTopology
from thingplane.alink import HandlerTable
from thingplane.bus import LocalBus
from thingplane.devices.service import Device, DeviceService
from thingplane.gateway.device_tls import DeviceTls
from thingplane.gateway.ports import Devices
from thingplane.gateway.psk import PskKeys
from thingplane.gateway.service import Gateway, Ports
from thingplane.gateway.settings import GatewaySettings
from thingplane.products.service import NewProduct, Product, ProductService
from thingplane.storage.database import Database
from thingplane.storage.timeseries import GroupCommit
from thingplane.tls import Certificates, server_context


@dataclass
class RealWorld:
    """A running gateway, and what knows its devices."""

    gateway: Gateway
    ports: Ports
    products: ProductService
    devices: DeviceService
    bus: LocalBus
    clock: FakeClock
    database: Database
    series: FakeSeries
    closings: list[Callable[[], None]] = field(default_factory=list)

    async def product(self, *, dynamic: bool = True, **new: Any) -> Product:
        values = {"name": f"Lamp_{self.clock.now_ms()}", "node_type": 0, **new}
        self.clock.advance(0.001)
        product = await self.products.create(1, NewProduct(**values))
        if dynamic:
            await self.products.set_dynamic_register(product, enabled=True)
        return product

    async def device(self, product: Product, name: str = "lamp-1") -> Device:
        return await self.devices.register(product, name)

    def pass_time(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.gateway._hub.tick()


@asynccontextmanager
async def real_world(database: Database, certificates: Certificates, **settings: Any) -> AsyncIterator[RealWorld]:
    """Run a gateway for a block."""
    bus, clock, series = LocalBus(), FakeClock(), FakeSeries()
    products = ProductService(database, clock, bus)
    devices = DeviceService(database, clock, bus, products)
    await devices.start()
    gateway = Gateway(
        devices=cast("Devices", devices),
        topics=FakeTopics(),
        topology=FakeTopology(),
        products=products,
        identities=devices,
        table=HandlerTable(),
        commit=GroupCommit(series),  # type: ignore[arg-type]  # only what a group commit calls
        database=database,
        bus=bus,
        clock=clock,
        settings=GatewaySettings(**{"tick": 0.02, **settings}),
    )
    tls = DeviceTls(
        lambda: server_context(certificates.certificate, certificates.key, certificates.rsa),
        PskKeys(cast("Devices", devices)),
        "on",
    )

    def use_tls() -> None:
        authorities = [authority.certificate for authority in devices.certificates.authorities]
        gateway.use_tls(tls.context(authorities), tls.keys, tls.context([]) if authorities else None)

    ports = await gateway.start("127.0.0.1", 0, 0, tls.context([]))
    devices.certificates.on_change.append(use_tls)
    use_tls()
    world = RealWorld(gateway, ports, products, devices, bus, clock, database, series)
    try:
        yield world
    finally:
        for close in world.closings:
            close()
        await gateway.stop()
        await devices.close()
