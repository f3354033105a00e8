"""What a server announces and allows: one field per limit."""

from dataclasses import dataclass

from thingplane.amqp.numbers import MIN_MAX_FRAME_SIZE


@dataclass(slots=True, frozen=True, kw_only=True)
class Capabilities:
    """Limits of a server. Clients learn the first four when they open the connection and begin sessions."""

    container_id: str = "thingplane"
    max_frame_size: int = 65_536  # bytes of one inbound frame
    channel_max: int = 255  # highest channel number; Qpid JMS opens two sessions for one consumer
    idle_time_out: int = 60_000  # ms; clients send something that often
    handle_max: int = 255  # highest handle of a session
    max_sasl_frame: int = 16 * MIN_MAX_FRAME_SIZE  # bytes; user names with a security token exceed the standard's 512
    sign_in_timeout: float = 15.0  # s from the connection to a successful SASL exchange
    attach_timeout: float = 15.0  # s an open connection may stay without a link
    close_timeout: float = 2.0  # s to wait for the client's close after the server's own
    heartbeat: float = 15.0  # s of silence after which an empty frame is due, or half the client's time-out if shorter
    max_unsettled: int = 5_000  # deliveries of a link that are sent and not settled
    settle_timeout: float = 120.0  # s after which the server settles what the client did not, so that it can forget it
