"""What a product's subscription is: which kinds of messages go where."""

from enum import IntFlag
from typing import Final, Literal, TypeAlias

import msgspec

from thingplane.forwarding.message import Kind

SubscriptionType: TypeAlias = Literal["AMQP", "MNS"]


class Flags(IntFlag):
    """The flags of a subscription; bits as stored."""

    DEVICE_DATA = 1
    STATUS_CHANGE = 2
    TOPO_LIFE_CYCLE = 4
    FOUND_DEVICE_LIST = 8
    THING_HISTORY = 16
    LIFE_CYCLE = 32
    OTA_EVENT = 64
    DEVICE_TAG = 128
    OTA_VERSION = 256
    OTA_JOB = 512


AMQP_ONLY: Final = Flags.DEVICE_TAG | Flags.OTA_VERSION | Flags.OTA_JOB
"""Flags without effect on MNS subscriptions (guide: CreateSubscribeRelation)."""
GATEWAYS_ONLY: Final = Flags.TOPO_LIFE_CYCLE | Flags.FOUND_DEVICE_LIST
"""Flags without effect on products that are not gateways (guide: CreateSubscribeRelation)."""

KINDS: Final[dict[Kind, Flags]] = {
    Kind.STATUS: Flags.STATUS_CHANGE,
    Kind.CUSTOM: Flags.DEVICE_DATA,
    Kind.PROPERTY: Flags.DEVICE_DATA,
    Kind.EVENT: Flags.DEVICE_DATA,
    Kind.PROPERTY_BATCH: Flags.DEVICE_DATA,
    Kind.EVENT_BATCH: Flags.DEVICE_DATA,
    Kind.REPLY: Flags.DEVICE_DATA,
    Kind.PROPERTY_HISTORY: Flags.THING_HISTORY,
    Kind.EVENT_HISTORY: Flags.THING_HISTORY,
    Kind.LIFECYCLE: Flags.LIFE_CYCLE,
    Kind.TOPOLOGY: Flags.TOPO_LIFE_CYCLE,
    Kind.FOUND: Flags.FOUND_DEVICE_LIST,
    Kind.TAGS: Flags.DEVICE_TAG,
    Kind.OTA_STATUS: Flags.OTA_EVENT,
    Kind.OTA_VERSION: Flags.OTA_VERSION,
    Kind.OTA_JOB: Flags.OTA_JOB,
}
"""Which flag lets a kind of message through. What a rule made goes only where the rule says."""

GATEWAY: Final = 1
"""Node type of products that are gateways."""


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody wants a subscription to be."""

    flags: Flags
    groups: tuple[str, ...] = ()
    """GroupIds, for AMQP."""
    mns_configuration: str | None = None
    """JSON text, for MNS."""
    subscribe_flags: str | None = None
    """JSON text that is kept and shown, but has no effect."""


class Subscription(msgspec.Struct, frozen=True, kw_only=True):
    """The subscription of a product of one type as it is now."""

    id: int
    product_id: int
    type: SubscriptionType
    flags: Flags
    """Those with an effect."""
    groups: tuple[int, ...]
    """Keys of the consumer groups, for AMQP."""
    mns_configuration: str | None
    subscribe_flags: str | None
    subscriber: int | None
    """Of an MNS subscription in the log of forwarded messages."""


def effective(flags: Flags, type_: SubscriptionType, node_type: int) -> Flags:
    """Return the flags that have an effect on a subscription of this type of a product of this node type."""
    if type_ == "MNS":
        flags &= ~AMQP_ONLY
    if node_type != GATEWAY:
        flags &= ~GATEWAYS_ONLY
    return flags
