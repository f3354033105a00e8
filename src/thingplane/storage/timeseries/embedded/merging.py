"""Which sealed files to merge next."""

from collections import defaultdict
from collections.abc import Sequence

from thingplane.storage.timeseries.embedded.catalog import SealedFile
from thingplane.storage.timeseries.embedded.options import Options


def plan_merge(files: Sequence[SealedFile], sealed_through: int, options: Options) -> list[SealedFile]:
    """Return the files that should become one, none if all is well.

    Within a bucket (a UTC day), ``merge_files`` files that went through equally many merges become one, so that a
    point is rewritten once or twice and a day under load has a dozen files. A bucket that got nothing new for a while
    is merged completely: past days are one file each.
    """
    buckets: dict[str, list[SealedFile]] = defaultdict(list)
    for file in files:
        if file.points < options.merge_points // 2:
            buckets[file.bucket].append(file)
    for bucket in buckets.values():
        bucket.sort(key=lambda file: (file.level, file.points))
        for level in sorted({file.level for file in bucket}):
            group = _fitting([file for file in bucket if file.level == level], options)
            if len(group) == options.merge_files:
                return group
    for bucket in buckets.values():
        quiet = sealed_through - max(file.generation for file in bucket) >= options.merge_files
        group = _fitting(bucket, options)
        if quiet and len(group) > 1:
            return group
    return []


def _fitting(files: Sequence[SealedFile], options: Options) -> list[SealedFile]:
    group: list[SealedFile] = []
    for file in files[: options.merge_files]:
        if sum(other.points for other in group) + file.points > options.merge_points:
            break
        group.append(file)
    return group
