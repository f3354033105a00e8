"""What settings put in the place of the vendor's services."""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeVar

from thingplane.clock import Clock
from thingplane.outbound import Outbound
from thingplane.outbound.mns import MnsClient, MnsEndpoint
from thingplane.rules.actions.configurations import (
    Configuration,
    DataHub,
    Function,
    Mns,
    Rds,
    RocketMq,
    Tablestore,
    TimeSeriesDb,
)
from thingplane.rules.destinations.mns import MnsTopic
from thingplane.rules.destinations.protocol import Destination, SetupError
from thingplane.rules.destinations.relational import RelationalTable
from thingplane.rules.destinations.series import LineProtocol, SeriesTable
from thingplane.rules.destinations.settings import (
    DatabaseEntry,
    DataHubEntry,
    DestinationSettings,
    FunctionEntry,
    MessageQueueEntry,
    TableEntry,
    TimeSeriesEntry,
)
from thingplane.rules.destinations.sql import Connections
from thingplane.rules.destinations.streams import DataHubTopic, MessageQueueTopic, Streams
from thingplane.rules.destinations.table_store import KeyedTable
from thingplane.rules.destinations.webhook import Webhook

E = TypeVar("E", FunctionEntry, TableEntry, DatabaseEntry, MessageQueueEntry, DataHubEntry, TimeSeriesEntry)

_NO_SETTINGS: Final = DestinationSettings()
_NO_ENDPOINTS: Final[Mapping[str, MnsEndpoint]] = {}


class ExternalDestinations:
    """Opens destinations outside of the platform; those at the same address share connections."""

    def __init__(
        self,
        outbound: Outbound,
        clock: Clock,
        settings: DestinationSettings = _NO_SETTINGS,
        mns_endpoints: Mapping[str, MnsEndpoint] = _NO_ENDPOINTS,
    ) -> None:
        """Wire.

        Args:
            outbound: the HTTP client.
            clock: time of signatures.
            settings: what stands in for which service.
            mns_endpoints: by region, or by region, a slash and the name of a topic.
        """
        self._outbound = outbound
        self._clock = clock
        self._settings = settings
        self._mns_endpoints = mns_endpoints
        self._connections = Connections()
        self._streams = Streams()
        self._openers: dict[type, Callable[..., Destination]] = {
            Function: self._function,
            Mns: self._mns,
            Tablestore: self._table_store,
            Rds: self._relational,
            RocketMq: self._message_queue,
            DataHub: self._data_hub,
            TimeSeriesDb: self._series,
        }

    def open(self, configuration: Configuration) -> Destination:
        """Return the destination of an action; nothing is connected before the first record.

        Raises:
            SetupError: settings name nothing for the configuration, or a package is not installed.
        """
        return self._openers[type(configuration)](configuration)

    async def close(self) -> None:
        """Close all connections."""
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(self._connections.close)
            stack.push_async_callback(self._streams.close)

    def _function(self, given: Function) -> Destination:
        entry = _entry("fc", self._settings.fc, region=given.region, service=given.service, function=given.function)
        return Webhook(given, entry, self._outbound, self._clock)

    def _mns(self, given: Mns) -> Destination:
        endpoint = self._mns_endpoints.get(f"{given.region}/{given.topic}") or self._mns_endpoints.get(given.region)
        if endpoint is None:
            raise SetupError(
                f"the setting mns_endpoints has to name an endpoint for {given.region} or {given.region}/{given.topic}"
            )
        return MnsTopic(given, MnsClient(self._outbound, endpoint, self._clock))

    def _table_store(self, given: Tablestore) -> Destination:
        entry = _entry("ots", self._settings.ots, region=given.region, instance=given.instance, table=given.table)
        return KeyedTable(given, self._connections.postgres(entry.url))

    def _relational(self, given: Rds) -> Destination:
        entry = _entry("rds", self._settings.rds, region=given.region, instance=given.instance, database=given.database)
        return RelationalTable(given, self._connections.database(entry.url, given.database))

    def _message_queue(self, given: RocketMq) -> Destination:
        entry = _entry("ons", self._settings.ons, region=given.region, instance=given.instance, topic=given.topic)
        return MessageQueueTopic(given, entry.target or given.topic, self._streams.open(entry.url, entry.jetstream))

    def _data_hub(self, given: DataHub) -> Destination:
        entry = _entry("datahub", self._settings.datahub, region=given.region, project=given.project, topic=given.topic)
        target = entry.target or f"{given.project}.{given.topic}"
        return DataHubTopic(given, target, self._streams.open(entry.url, entry.jetstream))

    def _series(self, given: TimeSeriesDb) -> Destination:
        entry = _entry("tsdb", self._settings.tsdb, region=given.region, instance=given.instance)
        if entry.url.startswith("http"):
            return LineProtocol(given, entry, self._outbound)
        return SeriesTable(given, entry.table, self._connections.postgres(entry.url))


def _entry(kind: str, entries: Sequence[E], **names: str) -> E:
    for entry in entries:
        if entry.fits(**names):
            return entry
    wanted = ", ".join(f'{name} = "{value}"' for name, value in names.items() if value)
    raise SetupError(
        f"the setting destinations has to name a url for it: [[destinations.{kind}]] with {wanted} or less"
    )
