"""Which part of a node gets which: all services, the gateway and the API, made once and connected here."""

import asyncio
import shutil
import ssl
from collections.abc import Awaitable, Callable
from typing import cast

from thingplane.access.service import AccessService
from thingplane.alink.handlers import HandlerTable
from thingplane.alink.handlers import discover as discover_handlers
from thingplane.bus import LocalBus
from thingplane.clock import Clock
from thingplane.cloud import Services
from thingplane.cloud.app import CloudApp
from thingplane.cloud.quota import Quota
from thingplane.cloud.registry import discover as discover_operations
from thingplane.coap_access.metrics import HELP as COAP_HELP
from thingplane.coap_access.resources import Resources
from thingplane.coap_access.service import CoapService
from thingplane.configurations.service import ConfigurationService
from thingplane.configurations.store import ConfigurationStore
from thingplane.consumers.metrics import HELP as CONSUMERS_HELP
from thingplane.consumers.service import Consumers
from thingplane.credentials import Credentials
from thingplane.desired.service import DesiredPropertyService
from thingplane.device_jobs.service import JobService
from thingplane.device_jobs.store import JobStore
from thingplane.device_logs.notices import DeviceLogNotices
from thingplane.device_logs.service import DeviceLogs
from thingplane.devices.life_reports import LifeReports
from thingplane.devices.service import DeviceService
from thingplane.devices.tag_reports import TagReports
from thingplane.files.block_uploads import BlockUploads
from thingplane.files.downloads import PREFIX as BLOB_DOWNLOADS
from thingplane.files.downloads import Downloads
from thingplane.files.service import FileLimits, FileService
from thingplane.forwarding.embedded import EmbeddedLog
from thingplane.forwarding.limits import HOUR_MS, Limits
from thingplane.forwarding.log import ForwardingLog
from thingplane.forwarding.metrics import HELP as FORWARDING_HELP
from thingplane.forwarding.retention import Retention as ForwardingRetention
from thingplane.forwarding.service import Forwarder
from thingplane.gateway.device_tls import DeviceTls
from thingplane.gateway.metrics import HELP as GATEWAY_HELP
from thingplane.gateway.ports import Devices
from thingplane.gateway.psk import PskKeys
from thingplane.gateway.service import Gateway
from thingplane.gateway.settings import GatewaySettings
from thingplane.groups.service import GroupLimits, GroupService
from thingplane.health import Health
from thingplane.http.application import DeviceHttp
from thingplane.instances.service import InstanceDirectory
from thingplane.message_log import PATH as FORWARDED_MESSAGES
from thingplane.message_log import MessageLog
from thingplane.messaging.broadcasts import BroadcastService
from thingplane.messaging.service import MessagingService
from thingplane.observability.metrics import Metrics
from thingplane.ota.form import PATH as OBJECTS
from thingplane.ota.form import ObjectEndpoint
from thingplane.ota.service import OtaService, OtaVersionService
from thingplane.outbound import Outbound
from thingplane.parsing.custom import CustomMessages
from thingplane.parsing.download import PATH as SCRIPT_DOWNLOADS
from thingplane.parsing.download import ScriptDownloads
from thingplane.parsing.service import ParsingService
from thingplane.products.service import ProductService
from thingplane.rules.destinations.external import ExternalDestinations
from thingplane.rules.destinations.opening import Destinations
from thingplane.rules.runtime.metrics import HELP as RULES_HELP
from thingplane.rules.runtime.metrics import ROUTES_HELP
from thingplane.rules.runtime.route_tables import RouteTables
from thingplane.rules.runtime.runner import RuleRunner
from thingplane.rules.service import DataSourceService, RuleLimits, RuleService
from thingplane.scripts.pool import ScriptPool
from thingplane.search.service import DeviceSearch
from thingplane.settings import Settings
from thingplane.shadows.service import ShadowService
from thingplane.storage.blobs.local import LocalBlobStore
from thingplane.storage.database import Database
from thingplane.storage.timeseries import GroupCommit, TimeSeries
from thingplane.storage.timeseries.embedded.options import Options
from thingplane.storage.timeseries.embedded.store import EmbeddedTimeSeries
from thingplane.storage.timeseries.retention import HELP as HISTORY_HELP
from thingplane.storage.timeseries.retention import Retention
from thingplane.subscriptions.metrics import HELP as SUBSCRIPTIONS_HELP
from thingplane.subscriptions.service import MnsQueues, Pace, SubscriptionLimits, SubscriptionService
from thingplane.telemetry.service import Outgoing, SubDevices, TelemetryService
from thingplane.things.service import ThingModelService
from thingplane.topics.outgoing import CustomOutgoing
from thingplane.topics.routes import TopicRouteService
from thingplane.topics.service import TopicService
from thingplane.topology.notices import TopologyNotices
from thingplane.topology.registration import SubDeviceRegistration
from thingplane.topology.reports import TopologyReports
from thingplane.topology.service import TopologyService

Step = Callable[[], Awaitable[None]]


def open_time_series(settings: Settings, clock: Clock) -> tuple[TimeSeries, ForwardingLog]:
    """Return the history store that the settings name, not opened yet, and the log that shares its commits."""
    limits = forwarding_limits(settings)
    if settings.database_url:
        # With its driver, which takes memory and time that the embedded default need not spend.
        from thingplane.forwarding.postgres import PostgresLog  # noqa: PLC0415
        from thingplane.storage.timeseries.postgres.store import PostgresTimeSeries  # noqa: PLC0415

        rows = PostgresLog(settings.database_url, clock, limits)
        return PostgresTimeSeries(settings.database_url, clock, rows), rows
    options = Options(seal_messages=settings.history_seal_rows)
    log = EmbeddedLog(clock, limits)
    return EmbeddedTimeSeries(settings.data_dir / "history", clock, options, log), log


def forwarding_limits(settings: Settings) -> Limits:
    """Return how much of the log of forwarded messages is kept."""
    return Limits(age_ms=settings.forwarding_hours * HOUR_MS, max_bytes=settings.forwarding_bytes)


class Platform:
    """Everything between the sockets and the disk."""

    def __init__(
        self, settings: Settings, clock: Clock, database: Database, series: TimeSeries, log: ForwardingLog
    ) -> None:
        """Make and connect all parts; ``start`` fills what they keep in memory.

        Args:
            settings: of the node.
            clock: what the time is.
            database: metadata, migrated.
            series: the history, opened.
            log: of forwarded messages, opened with the history.
        """
        self._settings = settings
        self._clock = clock
        self._database = database
        self._bus = LocalBus()
        self._steps: list[tuple[Step, Step]] = []
        self._checking: asyncio.Task[None] | None = None
        self._services = Services()
        commits = GroupCommit(series)
        metrics = Metrics()
        forwarded = self._forwarding(log, commits, metrics)
        self._access()
        self._fleet()
        self._consumer_groups(metrics)
        telemetry = self._things(series, commits)
        self._scripts()
        table = HandlerTable()
        self._services.add(table)
        self._devices_side(table, commits)
        self._back_ends_side(telemetry)
        self._rules(metrics)
        discover_handlers("thingplane", self._services, table)
        retention = Retention(series, clock, settings.history_days)
        self._run(retention.start, retention.close)
        metrics.add(self.gateway.reading, GATEWAY_HELP)
        metrics.add(self.coap.counters.reading, COAP_HELP)
        metrics.add(retention.reading, HISTORY_HELP)
        self.health = Health(database, metrics, retention.refresh, forwarded.refresh)
        objects = ObjectEndpoint(self.ota.uploads)
        self.app = CloudApp(
            self._services,
            self.access,
            self.instances,
            clock,
            quota=Quota(clock, settings.quota),
            region=settings.region,
            operations=discover_operations("thingplane"),
            routes={
                **self.health.routes(),
                FORWARDED_MESSAGES: MessageLog(self.forwarder, self.access, clock),
                SCRIPT_DOWNLOADS: self.script_downloads,
                BLOB_DOWNLOADS: self.downloads,
                **self.device_http.routes(),
                OBJECTS: objects,
                OBJECTS + "/": objects,
            },
        )

    def _run(self, start: Step, close: Step) -> None:
        """Start and close something with the platform: started in this order, closed in the reverse one."""
        self._steps.append((start, close))

    def _forwarding(self, log: ForwardingLog, commits: GroupCommit, metrics: Metrics) -> ForwardingRetention:
        """The log of forwarded messages, which has to run before anything that forwards."""
        self.forwarder = Forwarder(log, commits, self._clock, self._database)
        self._run(self.forwarder.start, self.forwarder.close)
        retention = ForwardingRetention(self.forwarder, log, self._clock, forwarding_limits(self._settings))
        self._run(retention.start, retention.close)
        self._services.add(self.forwarder)
        metrics.add(retention.reading, FORWARDING_HELP)
        return retention

    def _access(self) -> None:
        self.access = AccessService(self._database, self._clock, account_id=self._settings.account_id)
        self.instances = InstanceDirectory(self._database, self._clock)
        self._run(self.access.start, self.access.stop)
        self._run(self.instances.start, self.instances.stop)

    def _fleet(self) -> None:
        """Products, devices, groups, topology and topics."""
        settings, clock, database, bus = self._settings, self._clock, self._database, self._bus
        products = self.products = ProductService(database, clock, bus, max_products=settings.products_per_instance)
        self._run(products.start, products.close)
        self.topics = TopicService(database, bus, products, max_categories=settings.topic_categories_per_product)
        devices = self.devices = DeviceService(
            database,
            clock,
            bus,
            products,
            region=settings.region,
            cached_devices=settings.device_cache,
            max_batch=settings.devices_per_batch,
            max_tags=settings.tags_per_device,
            max_client_ids=settings.client_ids_per_device,
            max_authorities=settings.device_authorities,
        )
        self._run(devices.start, devices.close)
        self.topology = TopologyService(database, clock, bus, devices, max_sub_devices=settings.sub_devices_per_gateway)
        registration = SubDeviceRegistration(
            devices, products, self.topology, max_registered=settings.sub_devices_per_registration
        )
        self._services.add(registration)
        self.routes = TopicRouteService(
            database, bus, products, devices, self.topics, max_destinations=settings.routes_per_topic
        )
        self._run(self.routes.start, self.routes.close)
        self._services.add(products, self.topics, devices, self.topology, self.routes)
        group_limits = GroupLimits(
            groups=settings.groups_per_instance,
            groups_per_device=settings.groups_per_device,
            devices=settings.devices_per_group,
            tags=settings.tags_per_group,
        )
        self.device_logs = DeviceLogs(
            database, clock, per_device=settings.device_log_entries, days=settings.device_log_days
        )
        self._run(self.device_logs.start, self.device_logs.close)
        self._services.add(self.device_logs)
        self._services.add(GroupService(database, clock, devices, group_limits), OtaVersionService(database, clock))
        self._services.add(DeviceSearch(database, products, devices))
        blobs = self._blobs = LocalBlobStore(settings.data_dir / "blobs")
        file_limits = FileLimits(files=settings.files_per_device, instance_bytes=settings.file_bytes_per_instance)
        files = FileService(database, clock, bus, devices, blobs, limits=file_limits)
        self.downloads = Downloads(database, clock, blobs, self._base_url)
        self._run(self.downloads.start, _nothing)
        self._run(files.start, files.close)
        self._services.add(files, self.downloads, BlockUploads(database, files))

    def _consumer_groups(self, metrics: Metrics) -> None:
        """Who gets what devices say: consumer groups, and the queues of MNS subscriptions."""
        settings = self._settings
        outbound = self.outbound = Outbound(settings.outbound_hosts)
        self._run(_nothing, outbound.close)
        subscriptions = self.subscriptions = SubscriptionService(
            self._database,
            self._clock,
            self._bus,
            products=self.products,
            forwarder=self.forwarder,
            keys=self.access,
            instances=self.instances,
            queues=MnsQueues(self.forwarder, outbound, settings.mns_endpoints, self._clock),
            limits=SubscriptionLimits(
                groups=settings.consumer_groups_per_instance,
                groups_per_product=settings.consumer_groups_per_product,
                products_per_group=settings.products_per_consumer_group,
                clients_per_group=settings.clients_per_consumer_group,
                connects_per_minute=settings.consumer_connects_per_minute,
            ),
            pace=Pace(
                realtime_per_second=settings.consumer_realtime_per_second,
                backlog_per_second=settings.consumer_backlog_per_second,
                window=settings.consumer_window,
            ),
            region=settings.region,
        )
        self._run(subscriptions.start, subscriptions.close)
        self._services.add(subscriptions)
        metrics.add(subscriptions.reading, SUBSCRIPTIONS_HELP)
        self.consumers = Consumers(subscriptions, self._clock)
        metrics.add(self.consumers.reading, CONSUMERS_HELP)

    def _things(self, series: TimeSeries, commits: GroupCommit) -> TelemetryService:
        """Thing models, and what devices report by them."""
        self.models = ThingModelService(self._database, self._clock, self.products, self._bus)
        sub_devices = SubDevices(self.devices, self.topology)
        telemetry = TelemetryService(
            series,
            commits,
            self.models,
            self._clock,
            self._bus,
            find_sub_device=sub_devices.find,
            outgoing=Outgoing(self.forwarder, self.products, self._clock, self._bus),
        )
        self._run(_nothing, telemetry.close)
        self._services.add(self.models, telemetry)
        return telemetry

    def _scripts(self) -> None:
        """Data-parsing scripts, and the addresses they are fetched from."""
        pool = ScriptPool(self._settings.script_processes, shutil.which("php") or "")
        self._run(_nothing, pool.close)
        self.parsing = ParsingService(self._database, self._clock, self._bus, self.products, pool)
        self.script_downloads = ScriptDownloads(self.parsing, self.products, self._clock)
        self._services.add(self.parsing, self.script_downloads)

    def _devices_side(self, table: HandlerTable, commits: GroupCommit) -> None:
        """The gateway; the node starts its listeners when everything else runs."""
        settings = self._settings
        self.gateway = Gateway(
            devices=cast("Devices", self.devices),  # takes back only the devices that it gave
            topics=self.topics,
            topology=self.topology,
            products=self.products,
            identities=self.devices,
            table=table,
            commit=commits,
            database=self._database,
            bus=self._bus,
            clock=self._clock,
            settings=GatewaySettings(
                plain=settings.mqtt_plain,
                connects_per_minute=settings.mqtt_connects_per_minute,
                publishes_per_second=settings.mqtt_publishes_per_second,
                write_buffer=settings.mqtt_write_buffer,
                offline_seconds=settings.offline_days * 86_400,
                offline_messages_per_device=settings.offline_messages_per_device,
                sub_devices_online=settings.sub_devices_online_per_gateway,
                sub_devices_per_login=settings.sub_devices_per_login,
                sub_device_logins_per_second=settings.mqtt_logins_per_second,
                sub_device_logins_per_minute=settings.mqtt_logins_per_minute,
            ),
        )
        self.devices.on_delete.append(self.gateway.store.remove_device)
        self.device_http = DeviceHttp(
            self.devices,
            self.products,
            self.gateway.entrance,
            self._clock,
            token_seconds=settings.device_token_hours * 3600,
            per_minute=settings.mqtt_connects_per_minute,
        )
        resources = Resources(
            self.devices,
            self.products,
            self.gateway.entrance,
            self._clock,
            self._bus,
            token_seconds=settings.device_token_hours * 3600,
            max_sessions=settings.coap_sessions,
            per_minute=settings.mqtt_connects_per_minute,
        )
        keys = PskKeys(cast("Devices", self.devices))
        self.coap = CoapService(resources, keys, max_sessions=settings.coap_sessions)
        forwarding = CustomOutgoing(self.forwarder, self.products)
        self.gateway.on_custom_message(
            CustomMessages(self.parsing, self.device_logs, forwarding.on_custom_message).on_custom_message
        )

    def _back_ends_side(self, telemetry: TelemetryService) -> None:
        """What back ends say to devices: messages, shadows, desired values."""
        downlink, database, clock = self.gateway.downlink, self._database, self._clock
        messaging = MessagingService(
            downlink,
            devices=self.devices,
            products=self.products,
            models=self.models,
            topics=self.topics,
            telemetry=telemetry,
            parsing=self.parsing,
        )
        broadcasts = BroadcastService(
            downlink,
            self.gateway.audience,
            self.products,
            clock,
            max_subscribers=self._settings.subscribers_per_broadcast,
            limited=self._settings.quota == "documented",
        )
        store = ConfigurationStore(database, clock)
        self.downloads.add_source("config", store)
        jobs = JobService(JobStore(database, clock), self.devices, downlink, self._bus, clock)
        self._run(jobs.start, jobs.close)
        self._services.add(jobs)
        log_notices = DeviceLogNotices(self.device_logs, self.devices, downlink)
        self._run(log_notices.start, log_notices.close)
        configurations = ConfigurationService(store, self.products, self.downloads, downlink, self.gateway.audience)
        self._run(configurations.start, configurations.close)
        shadows = ShadowService(
            database,
            clock,
            self._bus,
            downlink,
            requests_per_second=self._settings.shadow_requests_per_second,
        )
        self._run(shadows.start, shadows.close)
        self._services.add(messaging, broadcasts, configurations, shadows)
        self._services.add(DesiredPropertyService(database, clock, self.models, messaging, downlink))
        self._updates()
        notices = TopologyNotices(self._bus, downlink, self.topology, self.gateway.logins)
        self._run(_nothing, notices.settled)
        life = LifeReports(self.forwarder, self.products, clock)
        self._run(_nothing, life.settled)
        self.devices.on_connected.append(life.online)
        self.devices.on_disconnected.append(life.offline)
        self.devices.on_life.append(life.changed)
        self.devices.tags.on_change.append(TagReports(self.forwarder, self.products).changed)
        reports = TopologyReports(self._bus, self._clock, self.forwarder, self.devices, self.products, self.topology)
        self._run(_nothing, reports.settled)
        self._services.add(notices, reports)

    def _updates(self) -> None:
        """Updates over the air."""
        self.ota = OtaService(
            self._database,
            self._clock,
            self._bus,
            self.gateway.downlink,
            products=self.products,
            devices=self.devices,
            downloads=self.downloads,
            blobs=self._blobs,
            forwarder=self.forwarder,
            base_url=self._base_url,
            max_packages=self._settings.ota_packages_per_instance,
        )
        self._run(self.ota.start, self.ota.close)
        self._services.add(self.ota)

    def _base_url(self) -> str:
        """Return where files are downloaded from and uploaded to."""
        return self._settings.download_url.rstrip("/") or self.script_downloads.base_url

    def device_tls(self, make: Callable[[], ssl.SSLContext]) -> ssl.SSLContext:
        """Return the TLS context for devices, and let the gateway use others when their authorities change.

        Args:
            make: returns a context with the server certificate.

        Raises:
            ValueError: TLS-PSK is wanted but this Python can't do it.
        """
        certificates = self.devices.certificates
        keys = PskKeys(cast("Devices", self.devices))
        tls = DeviceTls(make, keys, self._settings.mqtt_psk)

        def current() -> ssl.SSLContext:
            return tls.context([authority.certificate for authority in certificates.authorities])

        def changed() -> None:
            self.gateway.use_tls(current(), tls.keys)
            self._checking = asyncio.get_running_loop().create_task(self.gateway.check_certificates())

        certificates.on_change.append(changed)
        context = current()
        self.gateway.use_tls(context, tls.keys)
        return context

    def _rules(self, metrics: Metrics) -> None:
        """Rules, and where their results go."""
        settings, clock = self._settings, self._clock
        external = ExternalDestinations(self.outbound, clock, settings.destinations, settings.mns_endpoints)
        destinations = Destinations(self.forwarder, self.subscriptions, self.devices, self.gateway.downlink, external)
        runner = RuleRunner(
            self.forwarder, clock, self._bus, products=self.products, devices=self.devices, destinations=destinations
        )
        limits = RuleLimits(rules=settings.rules_per_instance, actions=settings.actions_per_rule)
        rules = RuleService(self._database, clock, self.products, self.subscriptions, runner, limits)
        self._run(rules.start, rules.close)
        self._services.add(rules, DataSourceService(self._database, self.products))
        metrics.add(runner.reading, RULES_HELP)
        tables = RouteTables(self.forwarder, self.routes, self.gateway.downlink, clock)
        self._run(tables.start, tables.close)
        metrics.add(tables.reading, ROUTES_HELP)

    async def start(self, credentials: Credentials) -> None:
        """Fill what services keep in memory and start what runs by itself.

        Args:
            credentials: the account's own key.
        """
        await self.access.ensure_root_key(*credentials)
        for start, _ in self._steps:
            await start()

    async def stop(self) -> None:
        """Stop what runs by itself and write what is not written yet."""
        for _, close in reversed(self._steps):
            await close()


async def _nothing() -> None:
    pass
