"""Numbers and names of the AMQP 1.0 wire: descriptors, error conditions, SASL codes, protocol headers.

Source: OASIS AMQP 1.0 parts 2 (transport), 3 (messaging) and 5 (security).
"""

from enum import IntEnum, StrEnum
from typing import Final


class Descriptor(IntEnum):
    """Numeric descriptors of what is exchanged; all have the domain 0x00000000."""

    OPEN = 0x10
    BEGIN = 0x11
    ATTACH = 0x12
    FLOW = 0x13
    TRANSFER = 0x14
    DISPOSITION = 0x15
    DETACH = 0x16
    END = 0x17
    CLOSE = 0x18
    ERROR = 0x1D
    RECEIVED = 0x23
    ACCEPTED = 0x24
    REJECTED = 0x25
    RELEASED = 0x26
    MODIFIED = 0x27
    SOURCE = 0x28
    TARGET = 0x29
    SASL_MECHANISMS = 0x40
    SASL_INIT = 0x41
    SASL_CHALLENGE = 0x42
    SASL_RESPONSE = 0x43
    SASL_OUTCOME = 0x44
    HEADER = 0x70
    DELIVERY_ANNOTATIONS = 0x71
    MESSAGE_ANNOTATIONS = 0x72
    PROPERTIES = 0x73
    APPLICATION_PROPERTIES = 0x74
    DATA = 0x75


class SaslCode(IntEnum):
    """Outcome of a SASL exchange (5.3.3.6)."""

    OK = 0
    AUTH = 1  # wrong credentials
    SYS = 2  # system error
    SYS_PERM = 3  # unrecoverable system error
    SYS_TEMP = 4  # transient system error


class Condition(StrEnum):
    """Error conditions (2.8.15 to 2.8.18)."""

    INTERNAL_ERROR = "amqp:internal-error"
    UNAUTHORIZED_ACCESS = "amqp:unauthorized-access"
    DECODE_ERROR = "amqp:decode-error"
    RESOURCE_LIMIT_EXCEEDED = "amqp:resource-limit-exceeded"
    NOT_ALLOWED = "amqp:not-allowed"
    INVALID_FIELD = "amqp:invalid-field"
    NOT_IMPLEMENTED = "amqp:not-implemented"
    ILLEGAL_STATE = "amqp:illegal-state"
    CONNECTION_FORCED = "amqp:connection:forced"
    FRAMING_ERROR = "amqp:connection:framing-error"
    WINDOW_VIOLATION = "amqp:session:window-violation"
    ERRANT_LINK = "amqp:session:errant-link"
    HANDLE_IN_USE = "amqp:session:handle-in-use"
    UNATTACHED_HANDLE = "amqp:session:unattached-handle"
    DETACH_FORCED = "amqp:link:detach-forced"


class SettleMode(IntEnum):
    """Settlement policies: of the sender (2.8.2), and FIRST and SECOND of the receiver (2.8.3)."""

    UNSETTLED = 0
    SETTLED = 1
    MIXED = 2


FIRST: Final = 0
"""The receiver settles when it tells the outcome."""
SECOND: Final = 1
"""The receiver settles after the sender did."""

SASL_HEADER: Final = b"AMQP\x03\x01\x00\x00"
AMQP_HEADER: Final = b"AMQP\x00\x01\x00\x00"

MIN_MAX_FRAME_SIZE: Final = 512
"""Bytes of a frame that every peer takes (2.8.19)."""

AMQP_FRAME: Final = 0
SASL_FRAME: Final = 1
"""Types of frames (2.3.1, 5.3.1)."""

EMPTY_FRAME: Final = b"\x00\x00\x00\x08\x02\x00\x00\x00"
"""A heartbeat (2.4.5)."""

SERIAL_MASK: Final = 0xFFFF_FFFF
SERIAL_HALF: Final = 0x8000_0000
"""Sequence numbers are serial numbers of 32 bits (RFC 1982)."""
