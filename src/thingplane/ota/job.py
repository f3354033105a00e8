"""A batch: which devices get a package, when and how."""

from typing import Final, Literal, TypeAlias

import msgspec

from thingplane.ota.task import Plan

Kind: TypeAlias = Literal["VERIFY", "STATIC", "DYNAMIC"]
Selection: TypeAlias = Literal["ALL", "SPECIFIC", "GRAY", "GROUP"]
Status: TypeAlias = Literal["PLANNED", "IN_PROGRESS", "COMPLETED", "CANCELED"]

RUNNING: Final = ("PLANNED", "IN_PROGRESS")

STATIC_RATE: Final = 10_000
"""Devices a minute that a static batch tells of the update, unless its creator says otherwise."""
DYNAMIC_RATE: Final = 1_000


class Strategy(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the creator of a batch decides."""

    src_versions: tuple[str, ...] = ()
    per_minute: int = STATIC_RATE
    retry_interval: int | None = None
    """Minutes."""
    retry_count: int | None = None
    timeout: int | None = None
    """Minutes."""
    gray_percent: str | None = None
    overwrite_mode: int = 1
    """1: earlier unfinished tasks of a device stay, 2: they are replaced."""
    multi_module: bool = False
    """Whether modules of a device may be updated at the same time."""
    dynamic_mode: int | None = None
    """1: all devices that match, now and later; 2: those that report a matching version later."""
    need_push: bool = True
    need_confirm: bool = False
    protocol: str = "HTTPS"
    group_id: str | None = None
    group_name: str | None = None
    tags: dict[str, str] = {}


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One batch. Times are epoch milliseconds."""

    id: int
    job_id: str
    instance_id: int
    product_id: int
    package_id: int
    module: str
    kind: Kind
    selection: Selection
    status: Status
    strategy: Strategy
    targets: str | None
    building: bool
    cursor: int
    remaining: int | None
    schedule_at: int | None
    finish_at: int | None
    created_at: int
    modified_at: int
    started_at: int | None
    ended_at: int | None

    @property
    def is_running(self) -> bool:
        """Whether it has neither been completed nor cancelled."""
        return self.status in RUNNING

    def plan(self, destination: str, package_source: str | None) -> Plan:
        """Return what its tasks have to know.

        Args:
            destination: version of the package.
            package_source: version that a package of differences starts from.
        """
        strategy = self.strategy
        sources = strategy.src_versions or ((package_source,) if package_source else ())
        return Plan(
            destination=destination,
            sources=sources,
            retry_count=strategy.retry_count or 0,
            retry_interval=strategy.retry_interval or 0,
            timeout=strategy.timeout,
            need_confirm=strategy.need_confirm,
        )
