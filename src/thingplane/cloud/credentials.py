"""What the API needs to know about access keys and instances; the node says where it comes from."""

from dataclasses import dataclass, field
from typing import Protocol

from thingplane.cloud.context import Caller, Instance
from thingplane.cloud.policy import Policy


@dataclass(frozen=True, slots=True)
class AccessKey:
    """An AccessKey pair with what its holder may do."""

    caller: Caller
    secret: str = field(repr=False)
    enabled: bool = True
    policy: Policy | None = None
    """What a sub-user may do; None for the account itself, which may do everything."""


class KeyRing(Protocol):
    """Finds access keys; from memory, because it is asked for every call."""

    def find_key(self, access_key_id: str) -> AccessKey | None:
        """Return the key with this id, also a disabled one, or None."""


class Instances(Protocol):
    """Finds instances; from memory, because it is asked for every call."""

    def resolve(self, instance_id: str | None) -> Instance:
        """Return the instance of an account with this IotInstanceId, the default one for None.

        Raises:
            BusinessError: iot.system.InstanceNotFound.
        """
