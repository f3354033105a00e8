"""The history, and the log of forwarded messages in the same commits."""

from thingplane.clock import Clock
from thingplane.forwarding.embedded import EmbeddedLog
from thingplane.forwarding.limits import HOUR_MS, Limits
from thingplane.forwarding.log import ForwardingLog
from thingplane.forwarding.metrics import HELP
from thingplane.forwarding.retention import Retention
from thingplane.forwarding.service import Forwarder
from thingplane.settings import Settings
from thingplane.storage.timeseries import GroupCommit, TimeSeries
from thingplane.storage.timeseries.embedded.options import Options
from thingplane.storage.timeseries.embedded.store import EmbeddedTimeSeries
from thingplane.wiring.ground import Ground


def open_time_series(settings: Settings, clock: Clock) -> tuple[TimeSeries, ForwardingLog]:
    """Return the history store that the settings name, not opened yet, and the log that shares its commits."""
    limits = _limits(settings)
    if settings.database_url:
        # With its driver, which takes memory and time that the embedded default need not spend.
        from thingplane.forwarding.postgres import PostgresLog  # noqa: PLC0415
        from thingplane.storage.timeseries.postgres.store import PostgresTimeSeries  # noqa: PLC0415

        rows = PostgresLog(settings.database_url, clock, limits)
        return PostgresTimeSeries(settings.database_url, clock, rows), rows
    options = Options(seal_messages=settings.history_seal_rows)
    log = EmbeddedLog(clock, limits)
    return EmbeddedTimeSeries(settings.data_dir / "history", clock, options, log), log


class Forwarded:
    """Forwarded messages; they have to run before anything that forwards."""

    def __init__(self, ground: Ground, series: TimeSeries, log: ForwardingLog) -> None:
        self.commits = GroupCommit(series)
        self.forwarder = Forwarder(log, self.commits, ground.clock, ground.database)
        ground.run(self.forwarder.start, self.forwarder.close)
        self.retention = Retention(self.forwarder, log, ground.clock, _limits(ground.settings))
        ground.run(self.retention.start, self.retention.close)
        ground.services.add(self.forwarder)
        ground.metrics.add(self.retention.reading, HELP)


def _limits(settings: Settings) -> Limits:
    """Return how much of the log is kept."""
    return Limits(age_ms=settings.forwarding_hours * HOUR_MS, max_bytes=settings.forwarding_bytes)
