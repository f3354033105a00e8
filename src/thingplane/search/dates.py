"""Dates of statements and of their answers: ``yyyy-MM-dd HH:mm:ss.SSS`` in the region's zone (UTC+8)."""

import re
from datetime import datetime

from thingplane.cloud.times import REGION_ZONE

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{3})?")


def read_date(text: str) -> int | None:
    """Return a date, with or without milliseconds, as epoch milliseconds; None for what is no date."""
    if _DATE.fullmatch(text) is None:
        return None
    try:
        moment = datetime.fromisoformat(text).replace(tzinfo=REGION_ZONE)
    except ValueError:
        return None
    return int(moment.timestamp()) * 1000 + moment.microsecond // 1000


def write_date(ms: int) -> str:
    """Return epoch milliseconds as a date with milliseconds."""
    return f"{datetime.fromtimestamp(ms // 1000, REGION_ZONE).isoformat(' ')[:19]}.{ms % 1000:03d}"
