"""The history of devices: property values, events and service calls, by device and time.

Two stores stand behind one interface: files of SQLite beside the node (``embedded``) and PostgreSQL (``postgres``).
"""

from thingplane.storage.timeseries.commit import GroupCommit
from thingplane.storage.timeseries.errors import MalformedPointsError, TimeSeriesError
from thingplane.storage.timeseries.interface import Done, Kind, Point, Stats, TimeSeries

__all__ = [
    "Done",
    "GroupCommit",
    "Kind",
    "MalformedPointsError",
    "Point",
    "Stats",
    "TimeSeries",
    "TimeSeriesError",
]
