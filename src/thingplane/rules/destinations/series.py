"""TSDB: points of time series, in InfluxDB's line protocol over HTTP or in a PostgreSQL table."""

import asyncio
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import msgspec

from thingplane.outbound import Outbound, OutboundError
from thingplane.rules.actions.configurations import TimeSeriesDb
from thingplane.rules.actions.templates import Template, as_text
from thingplane.rules.destinations.protocol import DestinationError, Record
from thingplane.rules.destinations.settings import TimeSeriesEntry
from thingplane.rules.destinations.sql import PostgresDatabase, quoted

_VARIABLE: Final = re.compile(r"\$\{([^{}]*)\}")
_VALUE: Final = re.compile(r"[\w:,.'/()\[\] -]{1,256}")


class Points(msgspec.Struct, frozen=True):
    """The points of a record: one for each column that is neither the timestamp nor a tag."""

    at: int
    """Epoch milliseconds."""
    tags: dict[str, str]
    values: dict[str, int | float | bool | str]


class _Series:
    """Makes points of records."""

    def __init__(self, configuration: TimeSeriesDb) -> None:
        self.region = configuration.region
        self.resource = configuration.instance
        self._timestamp = configuration.timestamp
        self._tags = configuration.tags
        templates = [tag for _, tag in configuration.tags]
        if configuration.timestamp is not None:
            templates.append(configuration.timestamp)
        self._used = {name for template in templates for name in _VARIABLE.findall(template.text)}

    def points(self, record: Record) -> Points:
        """Return the points.

        Raises:
            DestinationError: the timestamp or a tag is empty or malformed, or a column is neither number nor text.
        """
        tags = {name: _tag(name, template, record) for name, template in self._tags}
        values: dict[str, int | float | bool | str] = {}
        for name, value in record.columns.items():
            if name in self._used or value is None:
                continue
            if not isinstance(value, int | float | str):
                raise DestinationError(f"the column {name[:60]} is neither a number nor text", permanent=True)
            values[name] = value
        if not values:
            raise DestinationError("the record has no column for a point", permanent=True)
        return Points(self._at(record), tags, values)

    def _at(self, record: Record) -> int:
        if self._timestamp is None:
            return record.message.generated
        text = as_text(self._timestamp.value(record.columns))
        if not text.isascii() or not text.isdecimal() or not 0 < len(text) < 17:
            raise DestinationError("the timestamp is no number of milliseconds", permanent=True)
        # Ten digits are seconds.
        return int(text) * 1000 if len(text) <= 10 else int(text)


def _tag(name: str, template: Template, record: Record) -> str:
    text = template.render(record.columns)
    if not _VALUE.fullmatch(text):
        raise DestinationError(f"the tag {name} is empty or has characters that are not allowed", permanent=True)
    return text


class LineProtocol(_Series):
    """Writes lines: the name of the column is the measurement, its value the field ``value``."""

    def __init__(self, configuration: TimeSeriesDb, entry: TimeSeriesEntry, outbound: Outbound) -> None:
        """Take a configuration.

        Args:
            configuration: of the action.
            entry: of the settings; times are milliseconds, so its URL has to say ``precision=ms``.
            outbound: the HTTP client.
        """
        super().__init__(configuration)
        self._entry = entry
        self._outbound = outbound

    async def send(self, record: Record) -> None:
        body = "\n".join(lines(self.points(record))).encode()
        headers = {"Content-Type": "text/plain; charset=utf-8"}
        if self._entry.token:
            headers["Authorization"] = f"Token {self._entry.token}"
        try:
            answer = await self._outbound.request("POST", self._entry.url, headers=headers, body=body)
        except OutboundError as error:
            raise DestinationError(str(error)) from error
        if not 200 <= answer.status < 300:
            # 400 and 422: the lines themselves are refused.
            raise DestinationError(
                f"the time-series database answered {answer.status}", permanent=answer.status in {400, 422}
            )


def lines(points: Points) -> Sequence[str]:
    """Return points in the line protocol of InfluxDB; numbers are written as floats, so that series keep their type."""
    tags = "".join(f",{_escaped(name, ',= ')}={_escaped(value, ',= ')}" for name, value in sorted(points.tags.items()))
    return [f"{_escaped(name, ', ')}{tags} value={_field(value)} {points.at}" for name, value in points.values.items()]


def _escaped(text: str, special: str) -> str:
    text = text.replace("\n", " ").replace("\r", " ")
    for character in "\\" + special:
        text = text.replace(character, "\\" + character)
    return text


def _field(value: float | bool | str) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        quoted_text = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        return f'"{quoted_text}"'
    return repr(float(value))


class SeriesTable(_Series):
    """Writes rows: time, metric, tags, and the value as a number or as text. The table is made if it is not there."""

    def __init__(self, configuration: TimeSeriesDb, table: str, database: PostgresDatabase) -> None:
        """Take a configuration.

        Args:
            configuration: of the action.
            table: its name.
            database: where it is.
        """
        super().__init__(configuration)
        self._create = (
            f"CREATE TABLE IF NOT EXISTS {quoted(table)} (time TIMESTAMPTZ NOT NULL, metric TEXT NOT NULL, "
            "tags JSONB NOT NULL, value DOUBLE PRECISION, text TEXT)"
        )
        self._insert = f"INSERT INTO {quoted(table)} (time, metric, tags, value, text) VALUES ($1, $2, $3, $4, $5)"  # noqa: S608 - quoted
        self._database = database
        self._creating = asyncio.Lock()
        self._is_there = False

    async def send(self, record: Record) -> None:
        points = self.points(record)
        moment = datetime.fromtimestamp(points.at / 1000, UTC)
        tags = msgspec.json.encode(points.tags).decode()
        rows = [
            (moment, name, tags, None, value) if isinstance(value, str) else (moment, name, tags, float(value), None)
            for name, value in points.values.items()
        ]
        async with self._database.connection() as connection:
            async with self._creating:
                if not self._is_there:
                    await connection.execute(self._create)
                    self._is_there = True
            await connection.executemany(self._insert, rows)
