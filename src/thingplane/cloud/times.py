"""Times as answers print them. The platform stores epoch milliseconds."""

from datetime import UTC, datetime, timedelta, timezone

REGION_ZONE = timezone(timedelta(hours=8))
"""Zone of the Gmt* fields and other local times: the samples of the guide are eight hours ahead of their Utc twins."""


def gmt(ms: int | None) -> str | None:
    """Return ``yyyy-MM-dd HH:mm:ss`` in the region's zone (UTC+8), or None for None."""
    if ms is None:
        return None
    # An answer has up to six times, and isoformat takes a tenth of the time of strftime.
    return datetime.fromtimestamp(ms // 1000, REGION_ZONE).isoformat(" ")[:19]


def utc(ms: int | None) -> str | None:
    """Return ISO 8601 in UTC with milliseconds (``2020-01-08T06:47:08.000Z``), or None for None."""
    if ms is None:
        return None
    return f"{datetime.fromtimestamp(ms // 1000, UTC).isoformat()[:19]}.{ms % 1000:03d}Z"
