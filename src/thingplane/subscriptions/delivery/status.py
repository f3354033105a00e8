"""What a group and its clients consume."""

import msgspec

from thingplane.subscriptions.delivery.member import Member
from thingplane.subscriptions.delivery.pace import PerMinute


class ClientStatus(msgspec.Struct, frozen=True):
    """A client that is connected."""

    client_id: str
    address: str
    """``ip:port``."""
    online_at: int
    """Epoch milliseconds."""
    realtime_per_minute: int
    """Messages accepted in the last 60 seconds that were pushed as they came."""
    backlog_per_minute: int
    """Messages accepted in the last 60 seconds that came from the backlog."""


class GroupStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A group with its clients."""

    backlog: int = 0
    """Messages that wait, including those of the backlog that are being delivered."""
    realtime_per_minute: int = 0
    backlog_per_minute: int = 0
    last_consumed_at: int | None = None
    """When a message was accepted last, in epoch milliseconds; None: never."""
    clients: list[ClientStatus] = []


class Consumption:
    """Running totals of a group, also of clients that have left."""

    def __init__(self, last_at: int | None = None) -> None:
        """Start to count.

        Args:
            last_at: when a message was accepted last before that, in epoch milliseconds.
        """
        self.realtime = 0
        self.backlog = 0
        self.delivered = 0
        self.redelivered = 0
        self.expired = 0
        self.last_at = last_at
        self.realtime_rate = PerMinute()
        self.backlog_rate = PerMinute()

    def add(self, other: "Consumption") -> None:
        """Add the totals of another group."""
        self.realtime += other.realtime
        self.backlog += other.backlog
        self.delivered += other.delivered
        self.redelivered += other.redelivered
        self.expired += other.expired

    def sample(self, now: float) -> None:
        """Note what was consumed so far; about once a second."""
        self.realtime_rate.sample(now, self.realtime)
        self.backlog_rate.sample(now, self.backlog)


def client_status(member: Member, now: float) -> ClientStatus:
    """Return the figures of a client."""
    return ClientStatus(
        client_id=member.client_id,
        address=member.address,
        online_at=member.online_at,
        realtime_per_minute=member.realtime_rate.rate(now, member.realtime),
        backlog_per_minute=member.backlog_rate.rate(now, member.backlog),
    )
