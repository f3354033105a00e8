"""What back ends say to devices: messages, shadows, desired values, configurations, jobs, updates."""

from collections.abc import Callable

from thingplane.configurations.service import ConfigurationService
from thingplane.configurations.store import ConfigurationStore
from thingplane.desired.service import DesiredPropertyService
from thingplane.device_jobs.service import JobService
from thingplane.device_jobs.store import JobStore
from thingplane.device_logs.notices import DeviceLogNotices
from thingplane.devices.life_reports import LifeReports
from thingplane.devices.tag_reports import TagReports
from thingplane.forwarding.service import Forwarder
from thingplane.gateway.service import Gateway
from thingplane.messaging.broadcasts import BroadcastService
from thingplane.messaging.service import MessagingService
from thingplane.ota.service import OtaService
from thingplane.shadows.service import ShadowService
from thingplane.topology.notices import TopologyNotices
from thingplane.topology.reports import TopologyReports
from thingplane.wiring.fleet import Fleet
from thingplane.wiring.ground import Ground
from thingplane.wiring.things import Things


class BackEnds:
    """What leaves towards devices, and what subscribers learn of them."""

    def __init__(  # noqa: PLR0917 - each is of a type of its own
        self,
        ground: Ground,
        forwarder: Forwarder,
        gateway: Gateway,
        fleet: Fleet,
        things: Things,
        base_url: Callable[[], str],
    ) -> None:
        self._ground = ground
        self._forwarder = forwarder
        self._gateway = gateway
        self._fleet = fleet
        self._commands(things)
        self._tasks()
        self._updates(base_url)
        self._life()

    def _commands(self, things: Things) -> None:
        ground, fleet, downlink = self._ground, self._fleet, self._gateway.downlink
        messaging = MessagingService(
            downlink,
            devices=fleet.devices,
            products=fleet.products,
            models=things.models,
            topics=fleet.topics,
            telemetry=things.telemetry,
            parsing=things.parsing,
            note=fleet.logs.note,
        )
        broadcasts = BroadcastService(
            downlink,
            self._gateway.audience,
            fleet.products,
            ground.clock,
            max_subscribers=ground.settings.subscribers_per_broadcast,
            limited=ground.settings.quota == "documented",
        )
        per_second = ground.settings.shadow_requests_per_second
        shadows = ShadowService(ground.database, ground.clock, ground.bus, downlink, requests_per_second=per_second)
        ground.run(shadows.start, shadows.close)
        desired = DesiredPropertyService(ground.database, ground.clock, things.models, messaging, downlink)
        ground.services.add(messaging, broadcasts, shadows, desired)

    def _tasks(self) -> None:
        """What is set on the command line."""
        ground, fleet, downlink = self._ground, self._fleet, self._gateway.downlink
        store = ConfigurationStore(ground.database, ground.clock)
        fleet.downloads.add_source("config", store)
        configurations = ConfigurationService(store, fleet.products, fleet.downloads, downlink, self._gateway.audience)
        jobs = JobService(JobStore(ground.database, ground.clock), fleet.devices, downlink, ground.bus, ground.clock)
        logs = DeviceLogNotices(fleet.logs, fleet.devices, downlink)
        for service in (jobs, logs, configurations):
            ground.run(service.start, service.close)
        ground.services.add(jobs, configurations)

    def _updates(self, base_url: Callable[[], str]) -> None:
        """Updates over the air."""
        ground, fleet = self._ground, self._fleet
        self.ota = OtaService(
            ground.database,
            ground.clock,
            ground.bus,
            self._gateway.downlink,
            products=fleet.products,
            devices=fleet.devices,
            downloads=fleet.downloads,
            blobs=fleet.blobs,
            forwarder=self._forwarder,
            base_url=base_url,
            max_packages=ground.settings.ota_packages_per_instance,
            # The node has locked its data directory, and a PostgreSQL database as well.
            alone=True,
        )
        ground.services.add(self.ota)

    def _life(self) -> None:
        """What gateways and subscribers learn of devices that come, go and change."""
        ground, fleet, devices = self._ground, self._fleet, self._fleet.devices
        notices = TopologyNotices(ground.bus, self._gateway.downlink, fleet.topology, self._gateway.logins)
        ground.at_close(notices.settled)
        life = LifeReports(self._forwarder, fleet.products, ground.clock)
        ground.at_close(life.settled)
        devices.on_connected.append(life.online)
        devices.on_disconnected.append(life.offline)
        devices.on_cut_off.append(life.cut_off)
        devices.on_life.append(life.changed)
        devices.tags.on_change.append(TagReports(self._forwarder, fleet.products).changed)
        reports = TopologyReports(ground.bus, ground.clock, self._forwarder, devices, fleet.products, fleet.topology)
        ground.at_close(reports.settled)
        ground.services.add(notices, reports)
