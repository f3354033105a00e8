"""Which part of a node gets which: all services, the gateway and the API, made once and connected here."""

import asyncio
from collections.abc import Mapping
from typing import cast

import structlog

from thingplane.access.service import AccessService
from thingplane.alink.handlers import HandlerTable
from thingplane.alink.handlers import discover as discover_handlers
from thingplane.bus import LocalBus
from thingplane.clock import Clock
from thingplane.cloud import Services
from thingplane.cloud.app import CloudApp
from thingplane.cloud.quota import Quota
from thingplane.cloud.registry import discover as discover_operations
from thingplane.credentials import Credentials
from thingplane.devices.service import DeviceService
from thingplane.gateway.metrics import HELP as GATEWAY_HELP
from thingplane.gateway.ports import Devices
from thingplane.gateway.service import Gateway
from thingplane.gateway.settings import GatewaySettings
from thingplane.groups.service import GroupService
from thingplane.health import Health
from thingplane.instances.service import InstanceDirectory
from thingplane.messaging.service import MessagingService
from thingplane.observability.metrics import Metrics
from thingplane.ota.service import OtaVersionService
from thingplane.products.service import ProductService
from thingplane.settings import Settings
from thingplane.storage.database import Database
from thingplane.storage.timeseries import GroupCommit, TimeSeries, TimeSeriesError
from thingplane.storage.timeseries.embedded.options import Options
from thingplane.storage.timeseries.embedded.store import EmbeddedTimeSeries
from thingplane.telemetry.service import TelemetryService
from thingplane.things.service import ThingModelService
from thingplane.topics.forwarding import TopicForwarding
from thingplane.topics.routes import TopicRouteService
from thingplane.topics.service import TopicService
from thingplane.topology.notices import TopologyNotices
from thingplane.topology.service import TopologyService

log = structlog.get_logger(__name__)

DAY_MS = 86_400_000
RETENTION_INTERVAL_S = 3600

HISTORY_HELP = {
    "history_hot_messages": "Messages in the history that are not sealed yet",
    "history_files": "Files or partitions of the history",
    "history_bytes": "Size of the history on disk",
}


def open_time_series(settings: Settings, clock: Clock) -> TimeSeries:
    """Return the history store that the settings name, not opened yet."""
    if settings.database_url:
        # With its driver, which takes memory and time that the embedded default need not spend.
        from thingplane.storage.timeseries.postgres.store import PostgresTimeSeries  # noqa: PLC0415

        return PostgresTimeSeries(settings.database_url, clock)
    options = Options(seal_messages=settings.history_seal_rows)
    return EmbeddedTimeSeries(settings.data_dir / "history", clock, options)


class Platform:
    """Everything between the sockets and the disk."""

    def __init__(self, settings: Settings, clock: Clock, database: Database, series: TimeSeries) -> None:
        """Make and connect all parts; ``start`` fills what they keep in memory.

        Args:
            settings: of the node.
            clock: what the time is.
            database: metadata, migrated.
            series: the history, opened.
        """
        self._settings = settings
        self._clock = clock
        self._series = series
        self._history: Mapping[str, float] = {}
        self._retention: asyncio.Task[None] | None = None
        bus = LocalBus()
        commits = GroupCommit(series)
        self.access = AccessService(database, clock, account_id=settings.account_id)
        self.instances = InstanceDirectory(database, clock)
        self.products = ProductService(database, clock, bus, max_products=settings.products_per_instance)
        self.topics = TopicService(database, bus, self.products)
        self.devices = DeviceService(
            database, clock, bus, self.products, region=settings.region, cached_devices=settings.device_cache
        )
        self.models = ThingModelService(database, clock, self.products, bus)
        self.telemetry = TelemetryService(series, commits, self.models, clock, bus)
        self.groups = GroupService(database, clock, self.devices)
        services = Services(
            self.access,
            self.instances,
            self.products,
            self.topics,
            self.devices,
            self.groups,
            self.models,
            self.telemetry,
        )
        table = HandlerTable()
        self.gateway = Gateway(
            devices=cast("Devices", self.devices),  # takes back only the devices that it gave
            topics=self.topics,
            table=table,
            commit=commits,
            database=database,
            bus=bus,
            clock=clock,
            settings=GatewaySettings(
                plain=settings.mqtt_plain,
                connects_per_minute=settings.mqtt_connects_per_minute,
                publishes_per_second=settings.mqtt_publishes_per_second,
                write_buffer=settings.mqtt_write_buffer,
                offline_seconds=settings.offline_days * 86_400,
                offline_messages_per_device=settings.offline_messages_per_device,
            ),
        )
        self.devices.on_delete.append(self.gateway.store.remove_device)
        self.topology = TopologyService(database, clock, bus, self.devices)
        services.add(self.topology)
        services.add(TopologyNotices(bus, self.gateway.downlink, self.topology))
        services.add(OtaVersionService(database, clock))
        self.routes = TopicRouteService(database, bus, self.products, self.devices, self.topics)
        services.add(self.routes)
        self.gateway.on_custom_message(TopicForwarding(self.routes, self.gateway.downlink).on_custom_message)
        self.messaging = MessagingService(
            self.gateway.downlink,
            devices=self.devices,
            products=self.products,
            models=self.models,
            topics=self.topics,
            telemetry=self.telemetry,
        )
        services.add(self.messaging)
        discover_handlers("thingplane", services, table)
        self.metrics = Metrics()
        self.metrics.add(self.gateway.reading, GATEWAY_HELP)
        self.metrics.add(lambda: self._history, HISTORY_HELP)
        self.health = Health(database, self.metrics, self._refresh_figures)
        self.app = CloudApp(
            services,
            self.access,
            self.instances,
            clock,
            quota=Quota(clock, settings.quota),
            region=settings.region,
            operations=discover_operations("thingplane"),
            routes=self.health.routes(),
        )

    async def start(self, credentials: Credentials) -> None:
        """Fill what services keep in memory and start what runs by itself.

        Args:
            credentials: the account's own key.
        """
        await self.access.ensure_root_key(*credentials)
        await self.access.start()
        await self.instances.start()
        await self.devices.start()
        await self.routes.start()
        self._retention = asyncio.create_task(self._retire(), name="history retention")

    async def stop(self) -> None:
        """Stop what runs by itself and write what is not written yet."""
        if self._retention is not None:
            self._retention.cancel()
            await asyncio.wait([self._retention])
        await self.telemetry.close()
        await self.routes.close()
        await self.devices.close()
        await self.instances.stop()
        await self.access.stop()

    async def _retire(self) -> None:
        """Drop history that is older than the setting says, once an hour."""
        while True:
            try:
                await self._series.retire(self._clock.now_ms() - self._settings.history_days * DAY_MS)
            except (TimeSeriesError, OSError) as error:
                log.error("old history could not be dropped, trying again", error=str(error))  # noqa: TRY400
            await asyncio.sleep(RETENTION_INTERVAL_S)

    async def _refresh_figures(self) -> None:
        try:
            stats = await self._series.stats()
        except (TimeSeriesError, OSError) as error:
            log.warning("no figures of the history", error=str(error))
            return
        self._history = {
            "history_hot_messages": stats.hot_rows,
            "history_files": stats.files,
            "history_bytes": stats.bytes,
        }
