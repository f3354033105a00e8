"""Everything between the sockets and the disk."""

from thingplane.access.service import AccessService
from thingplane.alink.handlers import HandlerTable
from thingplane.alink.handlers import discover as discover_handlers
from thingplane.clock import Clock
from thingplane.cloud.app import CloudApp
from thingplane.cloud.http import AsgiApp
from thingplane.cloud.quota import Quota
from thingplane.cloud.registry import discover as discover_operations
from thingplane.credentials import Credentials
from thingplane.files.downloads import PREFIX as BLOB_DOWNLOADS
from thingplane.forwarding.log import ForwardingLog
from thingplane.health import Health
from thingplane.instances.service import InstanceDirectory
from thingplane.message_log import PATH as FORWARDED_MESSAGES
from thingplane.message_log import MessageLog
from thingplane.ota.form import PATH as OBJECTS
from thingplane.ota.form import ObjectEndpoint
from thingplane.parsing.download import PATH as SCRIPT_DOWNLOADS
from thingplane.settings import Settings
from thingplane.storage.database import Database
from thingplane.storage.timeseries import TimeSeries
from thingplane.storage.timeseries.retention import HELP as HISTORY_HELP
from thingplane.storage.timeseries.retention import Retention
from thingplane.things.download import PATH as TSL_DOWNLOADS
from thingplane.wiring.back_ends import BackEnds
from thingplane.wiring.consuming import Consuming
from thingplane.wiring.distribution import wire_distribution
from thingplane.wiring.doors import Doors
from thingplane.wiring.fleet import Fleet
from thingplane.wiring.forwarded import Forwarded
from thingplane.wiring.ground import Ground
from thingplane.wiring.rules import wire_rules
from thingplane.wiring.things import Things


class Platform:
    """All parts, connected."""

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
        self.api_url = ""
        """URL of the API as clients reach it; to be set when it is known."""
        ground = self._ground = Ground(settings, clock, database)
        forwarded = Forwarded(ground, series, log)
        self._forwarder = forwarder = forwarded.forwarder
        self._access = AccessService(database, clock, account_id=settings.account_id)
        ground.run(self._access.start, self._access.stop)
        instances = InstanceDirectory(database, clock)
        ground.run(instances.start, instances.stop)
        fleet = self._fleet = Fleet(ground, self._base_url)
        consuming = Consuming(ground, forwarder, self._access, instances, fleet)
        things = Things(ground, series, forwarded, fleet, self._base_url)
        table = HandlerTable()
        ground.services.add(table)
        doors = Doors(ground, table, forwarded, fleet, things)
        back_ends = BackEnds(ground, forwarder, doors.gateway, fleet, things, self._base_url)
        wire_rules(ground, forwarder, doors.gateway, fleet, consuming)
        # After all who are told of it: subscribers and rules.
        ground.at_start(fleet.devices.settle)
        ground.run(fleet.devices.announcements.start, fleet.devices.announcements.close)
        # After all who are told of updates.
        ground.run(back_ends.ota.start, back_ends.ota.close)
        wire_distribution(ground, fleet, instances)
        discover_handlers("thingplane", ground.services, table)
        retention = Retention(series, clock, settings.history_days)
        ground.run(retention.start, retention.close)
        ground.metrics.add(retention.reading, HISTORY_HELP)

        # What the node listens with, and what it tells of itself.
        self.products = fleet.products
        self.devices = fleet.devices
        self.consumers = consuming.consumers
        self.gateway = doors.gateway
        self.device_http = doors.http
        self.device_tls = doors.device_tls
        self.coap = doors.coap
        self.health = Health(database, ground.metrics, retention.refresh, forwarded.retention.refresh)
        self.app = CloudApp(
            ground.services,
            self._access,
            instances,
            clock,
            quota=Quota(clock, settings.quota),
            region=settings.region,
            operations=discover_operations("thingplane"),
            routes={
                SCRIPT_DOWNLOADS: things.script_downloads,
                TSL_DOWNLOADS: things.tsl_downloads,
                **self._routes(ObjectEndpoint(back_ends.ota.uploads)),
            },
        )

    def _routes(self, objects: ObjectEndpoint) -> dict[str, AsgiApp]:
        """Return what is served beside the cloud API, by path."""
        return {
            **self.health.routes(),
            FORWARDED_MESSAGES: MessageLog(self._forwarder, self._access, self._ground.clock),
            BLOB_DOWNLOADS: self._fleet.downloads,
            **self.device_http.routes(),
            OBJECTS: objects,
            OBJECTS + "/": objects,
        }

    def _base_url(self) -> str:
        """Return where files are downloaded from and uploaded to."""
        return self._ground.settings.download_url.rstrip("/") or self.api_url

    async def start(self, credentials: Credentials) -> None:
        """Fill what services keep in memory and start what runs by itself.

        Args:
            credentials: the account's own key.
        """
        await self._access.ensure_root_key(*credentials)
        await self._ground.start()

    async def stop(self) -> None:
        """Stop what runs by itself and write what is not written yet."""
        await self._ground.stop()
