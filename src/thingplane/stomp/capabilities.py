"""What a server allows: one field per limit."""

from dataclasses import dataclass


@dataclass(slots=True, frozen=True, kw_only=True)
class Capabilities:
    """Limits of a server."""

    server: str = "thingplane"
    max_head: int = 16_384  # bytes of a frame's command and headers
    max_body: int = 65_536  # bytes of a frame's body; no frame that is accepted needs one
    sign_in_timeout: float = 15.0  # s from the connection to an accepted CONNECT
    subscribe_timeout: float = 15.0  # s a connection may stay without a subscription
    heartbeat: int = 15_000  # ms between two signs of life, in both directions
    max_unsettled: int = 1_000  # messages that are sent and not acknowledged
    settle_timeout: float = 120.0  # s after which an acknowledgement is waited for no more
