"""Device history in SQLite files beside the node.

Messages are appended to the *hot* file, one row each. When it is full a fresh one takes over and a child process turns
its rows into *sealed* files, sorted by device, identifier and time; small sealed files are merged. The *catalog* knows
which files count, and the latest value of every property. Retention deletes sealed files.
"""

from thingplane.storage.timeseries.embedded.companion import Companion
from thingplane.storage.timeseries.embedded.options import Options
from thingplane.storage.timeseries.embedded.store import EmbeddedTimeSeries

__all__ = ["Companion", "EmbeddedTimeSeries", "Options"]
