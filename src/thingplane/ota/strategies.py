"""The documented constraints between what the creator of a batch decides (guide 4.17.7 to 4.17.9)."""

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final

from thingplane.ota import errors
from thingplane.ota.package import Package

MINUTE_MS: Final = 60_000
HOUR_MS: Final = 60 * MINUTE_MS
DAY_MS: Final = 24 * HOUR_MS
MAX_TAG_CHARACTERS: Final = 4096

_PERCENT: Final = re.compile(r"[0-9]{1,3}(\.[0-9]{1,3})?", re.ASCII)


def check_schedule(now: int, start: int | None, finish: int | None) -> None:
    """Check planned start and end, in epoch milliseconds.

    Raises:
        BusinessError: iot.firmware.FireTime… and iot.firmware.ScheduleFinishTime….
    """
    if start is not None:
        if start <= now:
            raise errors.FIRE_TIME_MUST_LARGE_THAN_CURRENT_TIME()
        if start < now + 5 * MINUTE_MS:
            raise errors.FIRE_TIME_TOO_SHORT()
        if start > now + 7 * DAY_MS:
            raise errors.FIRE_TIME_TOO_LATE()
    if finish is None:
        return
    if start is None:
        raise errors.FINISH_WITHOUT_START()
    if finish <= start:
        raise errors.FINISH_BEFORE_START()
    if finish < start + HOUR_MS:
        raise errors.FINISH_TOO_EARLY()
    if finish > start + 30 * DAY_MS:
        raise errors.FINISH_TOO_LATE()


def check_retries(interval: int | None, count: int | None, timeout: int | None) -> None:
    """Check how failures are tried again.

    Raises:
        BusinessError: iot.firmware.InvalidRetryInterval, iot.firmware.InvalidRetryCount.
    """
    if (interval is None) != (count is None):
        raise errors.INVALID_RETRY_COUNT()
    if interval is not None and timeout is not None and interval >= timeout:
        raise errors.INVALID_RETRY_INTERVAL()


def check_protocol(package: Package, protocol: str) -> None:
    """Check that a package can be downloaded that way.

    Raises:
        BusinessError: iot.ota.DownloadProtocolMqttNotSuitable.
    """
    if protocol == "MQTT" and not package.suits_mqtt():
        raise errors.DOWNLOAD_PROTOCOL_MQTT_NOT_SUITABLE()


def check_sources(package: Package, sources: Sequence[str]) -> None:
    """Check the versions to start from against the package.

    Raises:
        BusinessError: iot.firmware.SrcDestVersionMatched, MoreThanOneSrcVersion, UpgradeSrcVersionMismatch.
    """
    if package.version in sources:
        raise errors.SRC_DEST_VERSION_MATCHED()
    if package.is_difference and sources:
        if len(sources) > 1:
            raise errors.MORE_THAN_ONE_SRC_VERSION()
        if sources[0] != package.src_version:
            raise errors.UPGRADE_SRC_VERSION_MISMATCH()


def check_tags(pairs: Sequence[tuple[str, str]]) -> Mapping[str, str]:
    """Return the tags of a batch by key.

    Raises:
        BusinessError: iot.ota.tag.KeyDuplicated, iot.firmware.JobTagIsTooLong.
    """
    tags = dict(pairs)
    if len(tags) < len(pairs):
        raise errors.TAG_KEY_DUPLICATED()
    if sum(len(key) + len(value) for key, value in pairs) > MAX_TAG_CHARACTERS:
        raise errors.TAG_TOO_LONG()
    return tags


def gray_share(percent: str | None) -> Decimal:
    """Return the share of a phased update, above 0 and at most 1.

    Raises:
        BusinessError: iot.firmware.NullGrayPercent, BadlyFormattedGrayPercent, InvalidGrayPercent.
    """
    if not percent:
        raise errors.NULL_GRAY_PERCENT()
    if _PERCENT.fullmatch(percent) is None:
        raise errors.BADLY_FORMATTED_GRAY_PERCENT()
    share = Decimal(percent) / 100
    if not 0 < share <= 1:
        raise errors.INVALID_GRAY_PERCENT()
    return share
