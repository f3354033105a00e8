"""File descriptors: each connection takes one, and what else the node does must not run out of them."""

import resource
from typing import Final

_MOST_SPARED: Final = 2_000


def raise_limit() -> int:
    """Let the process have as many descriptors as it may, and return that number (``LimitNOFILE``, ``ulimit -n``)."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def left_for_devices(wanted: int) -> int:
    """Return how many connections devices may have, so that a part of the descriptors is left for everything else.

    Args:
        wanted: what the setting says.
    """
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit == resource.RLIM_INFINITY:
        return wanted
    return min(wanted, limit - min(_MOST_SPARED, limit // 4))
