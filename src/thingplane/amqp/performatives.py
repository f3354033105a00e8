"""What clients send, as typed objects (part 2 of the standard)."""

from dataclasses import dataclass
from typing import Final

UINT_MAX: Final = 0xFFFF_FFFF
USHORT_MAX: Final = 0xFFFF


@dataclass(slots=True)
class Open:
    """Negotiates the connection (2.7.1)."""

    container_id: str
    max_frame_size: int = UINT_MAX  # bytes
    channel_max: int = USHORT_MAX
    idle_time_out: int | None = None  # ms after which the client gives up hearing nothing


@dataclass(slots=True)
class Begin:
    """Begins a session (2.7.2)."""

    remote_channel: int | None
    next_outgoing_id: int
    incoming_window: int
    outgoing_window: int
    handle_max: int = UINT_MAX


@dataclass(slots=True)
class Attach:
    """Attaches a link (2.7.3)."""

    name: str
    handle: int
    is_receiver: bool  # the client receives
    snd_settle_mode: int = 2
    rcv_settle_mode: int = 0
    source: bytes | None = None  # as it came: the answer repeats it
    target: bytes | None = None
    max_message_size: int = 0  # bytes; 0 = any


@dataclass(slots=True)
class Flow:
    """Updates windows and credit (2.7.4)."""

    next_incoming_id: int | None
    incoming_window: int
    next_outgoing_id: int
    outgoing_window: int
    handle: int | None = None
    delivery_count: int | None = None
    link_credit: int | None = None
    drain: bool = False
    echo: bool = False


@dataclass(slots=True)
class Transfer:
    """Transfers a message (2.7.5); this server takes none, so what it carries is left out."""

    handle: int


@dataclass(slots=True)
class Disposition:
    """Tells the state of deliveries (2.7.6)."""

    is_receiver: bool  # the client is the receiver of the deliveries
    first: int
    last: int
    settled: bool = False
    state: int | None = None  # descriptor of the delivery state


@dataclass(slots=True)
class Detach:
    """Detaches a link (2.7.7)."""

    handle: int
    closed: bool = False
    error: str = ""


@dataclass(slots=True)
class End:
    """Ends a session (2.7.8)."""

    error: str = ""


@dataclass(slots=True)
class Close:
    """Closes the connection (2.7.9)."""

    error: str = ""


Performative = Open | Begin | Attach | Flow | Transfer | Disposition | Detach | End | Close
