"""RDS: a row of a PostgreSQL or MySQL table."""

from thingplane.rules.actions.configurations import Rds
from thingplane.rules.destinations.protocol import Record
from thingplane.rules.destinations.sql import SqlDatabase


class RelationalTable:
    """Inserts a row for every record. A field that is nothing but a variable keeps the type of its column."""

    def __init__(self, configuration: Rds, database: SqlDatabase) -> None:
        """Take a configuration and the database that it names."""
        self.region = configuration.region
        self.resource = f"{configuration.instance}/{configuration.table}"
        self._table = configuration.table
        self._names = [name for name, _ in configuration.fields]
        self._values = [value for _, value in configuration.fields]
        self._database = database

    async def send(self, record: Record) -> None:
        values = [value.value(record.columns) for value in self._values]
        await self._database.insert(self._table, self._names, values)
