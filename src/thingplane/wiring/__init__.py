"""Which part of a node gets which: all services, the gateway and the API, made once and connected here.

``platform`` has the whole; each other module one part of it, in the order in which they are made: ``forwarded``,
``fleet``, ``consuming``, ``things``, ``doors``, ``back_ends``, ``rules``, ``distribution``.
"""

from thingplane.wiring.forwarded import open_time_series
from thingplane.wiring.platform import Platform

__all__ = ["Platform", "open_time_series"]
