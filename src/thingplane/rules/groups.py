"""What rules need to know of consumer groups."""

from typing import Protocol


class Group(Protocol):
    """A consumer group."""

    @property
    def subscriber(self) -> int:
        """What it is to the forwarder."""


class Groups(Protocol):
    """The consumer groups; ``SubscriptionService`` is this."""

    async def group(self, instance_id: int, group_id: str) -> Group:
        """Return a group.

        Raises:
            BusinessError: iot.consumer.group.ConsumerGroupNotExist.
        """
