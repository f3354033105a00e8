"""The setting ``destinations``: what stands in for the vendor's services that actions name.

An entry fits an action when every name that it gives is that of the action's configuration; the first one that fits
counts. Nothing given fits everything.
"""

from typing import Annotated, Final

import msgspec

HTTP: Final = r"^https?://[^/?#\s]+\S*$"
POSTGRES: Final = r"^(?:postgresql|postgres)://\S+$"
DATABASE: Final = r"^(?:postgresql|postgres|mysql|mariadb)://\S+$"
# Kafka's client takes servers only; it would log a user and a password as a part of the host.
STREAM: Final = r"^(?:kafka://[^\s/@]+|(?:nats|tls)://\S+)$"


class _Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    region: str = ""
    """regionName."""

    def fits(self, **names: str) -> bool:
        """Tell whether an action with these names goes here."""
        return all(getattr(self, name) in {"", value} for name, value in names.items())

    def __repr__(self) -> str:
        # URLs and secrets are nobody's business.
        return f"{type(self).__name__}()"


class FunctionEntry(_Entry, frozen=True, kw_only=True):
    """FC: a webhook."""

    service: str = ""
    """serviceName."""
    function: str = ""
    """functionName."""
    url: Annotated[str, msgspec.Meta(pattern=HTTP)]
    secret: str = ""
    """Key of the signature; empty: not signed."""
    timeout_s: Annotated[float, msgspec.Meta(gt=0, le=30)] = 10.0


class TableEntry(_Entry, frozen=True, kw_only=True):
    """OTS: tables in PostgreSQL."""

    instance: str = ""
    """instanceName."""
    table: str = ""
    """tableName."""
    url: Annotated[str, msgspec.Meta(pattern=POSTGRES)]


class DatabaseEntry(_Entry, frozen=True, kw_only=True):
    """RDS: a PostgreSQL or MySQL server."""

    instance: str = ""
    """instanceName."""
    database: str = ""
    """databaseName."""
    url: Annotated[str, msgspec.Meta(pattern=DATABASE)]


class MessageQueueEntry(_Entry, frozen=True, kw_only=True):
    """ONS: Kafka or NATS."""

    instance: str = ""
    """instanceId."""
    topic: str = ""
    url: Annotated[str, msgspec.Meta(pattern=STREAM)]
    target: str = ""
    """Kafka topic or NATS subject; empty: the topic of the configuration."""
    jetstream: bool = False
    """NATS: whether a stream has to confirm every message."""


class DataHubEntry(_Entry, frozen=True, kw_only=True):
    """DATAHUB: Kafka or NATS."""

    project: str = ""
    """projectName."""
    topic: str = ""
    """topicName."""
    url: Annotated[str, msgspec.Meta(pattern=STREAM)]
    target: str = ""
    """Kafka topic or NATS subject; empty: project, a dot, topic."""
    jetstream: bool = False
    """NATS: whether a stream has to confirm every message."""


class TimeSeriesEntry(_Entry, frozen=True, kw_only=True):
    """TSDB: InfluxDB's line protocol over HTTP, or a table in PostgreSQL."""

    instance: str = ""
    """instanceName."""
    url: Annotated[str, msgspec.Meta(pattern=r"^(?:https?|postgresql|postgres)://\S+$")]
    """With https the whole address of the write endpoint, its parameters included."""
    token: str = ""
    """Sent as ``Authorization: Token …``."""
    table: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,62}$")] = "points"
    """In PostgreSQL."""


class DestinationSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Entries by type of action; those of MNS are the setting ``mns_endpoints``."""

    fc: tuple[FunctionEntry, ...] = ()
    ots: tuple[TableEntry, ...] = ()
    rds: tuple[DatabaseEntry, ...] = ()
    ons: tuple[MessageQueueEntry, ...] = ()
    datahub: tuple[DataHubEntry, ...] = ()
    tsdb: tuple[TimeSeriesEntry, ...] = ()

    def __repr__(self) -> str:
        return "DestinationSettings()"
