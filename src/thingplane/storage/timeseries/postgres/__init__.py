"""Device history in PostgreSQL: a table partitioned by UTC day, written with COPY.

The store creates its tables itself when it is opened. They are no part of the migrated metadata: partitions come and go
with the days, and the history may live in a database of its own.
"""

from thingplane.storage.timeseries.postgres.store import PostgresTimeSeries

__all__ = ["PostgresTimeSeries"]
