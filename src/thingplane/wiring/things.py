"""Thing models, what devices report by them, and the scripts that read what other devices send."""

import shutil
from collections.abc import Callable

from thingplane.parsing.download import ScriptDownloads
from thingplane.parsing.service import ParsingService
from thingplane.scripts.pool import ScriptPool
from thingplane.storage.timeseries import TimeSeries
from thingplane.telemetry.service import Outgoing, SubDevices, TelemetryService
from thingplane.things.download import TslDownloads
from thingplane.things.service import ThingModelService
from thingplane.wiring.fleet import Fleet
from thingplane.wiring.forwarded import Forwarded
from thingplane.wiring.ground import Ground


class Things:
    """What devices say, and how it is understood."""

    def __init__(
        self, ground: Ground, series: TimeSeries, forwarded: Forwarded, fleet: Fleet, base_url: Callable[[], str]
    ) -> None:
        database, clock, bus, products = ground.database, ground.clock, ground.bus, fleet.products
        self.models = ThingModelService(database, clock, products, bus)
        self.telemetry = TelemetryService(
            series,
            forwarded.commits,
            self.models,
            clock,
            bus,
            find_sub_device=SubDevices(fleet.devices, fleet.topology).find,
            outgoing=Outgoing(forwarded.forwarder, products, clock, bus),
        )
        ground.at_close(self.telemetry.close)
        pool = ScriptPool(ground.settings.script_processes, shutil.which("php") or "")
        ground.at_close(pool.close)
        self.parsing = ParsingService(database, clock, bus, products, pool)
        self.script_downloads = ScriptDownloads(self.parsing, clock, base_url)
        self.tsl_downloads = TslDownloads(self.models, products, clock, base_url)
        ground.services.add(self.models, self.telemetry, self.parsing, self.script_downloads, self.tsl_downloads)
