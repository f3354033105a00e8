"""Frames that a server sends, except for transfers."""

from typing import Final

from thingplane.amqp.codec.encode import (
    NULL,
    TRUE,
    boolean,
    composite,
    described,
    sequence,
    string,
    symbol,
    symbols,
    ubyte,
    uint,
    ushort,
)
from thingplane.amqp.numbers import AMQP_FRAME, SASL_FRAME, Condition, Descriptor, SaslCode

_TEXT_LIMIT: Final = 200
"""Characters of an error's description: the frame has to fit the smallest frame size."""


def frame(channel: int, body: bytes, kind: int = AMQP_FRAME) -> bytes:
    """Put a body into a frame."""
    return (len(body) + 8).to_bytes(4, "big") + bytes((2, kind)) + channel.to_bytes(2, "big") + body


def mechanisms_frame(names: list[str]) -> bytes:
    """Offer SASL mechanisms."""
    return frame(0, composite(Descriptor.SASL_MECHANISMS, [symbols(names)]), SASL_FRAME)


def challenge_frame() -> bytes:
    """Ask for the response of a mechanism that begins with the client."""
    return frame(0, composite(Descriptor.SASL_CHALLENGE, [b"\xa0\x00"]), SASL_FRAME)


def outcome_frame(code: SaslCode) -> bytes:
    """End the SASL exchange."""
    return frame(0, composite(Descriptor.SASL_OUTCOME, [ubyte(code)]), SASL_FRAME)


def open_frame(container_id: str, max_frame_size: int, channel_max: int, idle_time_out: int) -> bytes:
    """Open the connection; the time-out in ms."""
    fields = [string(container_id), NULL, uint(max_frame_size), ushort(channel_max), uint(idle_time_out)]
    return frame(0, composite(Descriptor.OPEN, fields))


def begin_frame(
    channel: int, next_outgoing_id: int, incoming_window: int, outgoing_window: int, handle_max: int
) -> bytes:
    """Answer the session that the client began on the channel of the same number."""
    fields = [ushort(channel), *map(uint, (next_outgoing_id, incoming_window, outgoing_window, handle_max))]
    return frame(channel, composite(Descriptor.BEGIN, fields))


def attach_frame(
    channel: int,
    name: str,
    handle: int,
    *,
    is_receiver: bool,
    modes: tuple[int, int],
    source: bytes | None,
    target: bytes | None,
) -> bytes:
    """Answer a link; without source and target as the first step of refusing it.

    Args:
        channel: of the session.
        name: of the link, the client's.
        handle: the server's.
        is_receiver: role of the server.
        modes: settlement modes of sender and receiver.
        source: encoded.
        target: encoded.
    """
    fields = [
        string(name),
        uint(handle),
        boolean(is_receiver),
        *map(ubyte, modes),
        source or NULL,
        target or NULL,
        NULL,
        NULL,
        NULL if is_receiver else uint(0),
    ]
    return frame(channel, composite(Descriptor.ATTACH, fields))


def flow_frame(
    channel: int, windows: tuple[int, int, int, int], link: tuple[int, int, int, bool] | None = None
) -> bytes:
    """Tell windows: next-incoming-id, incoming-window and the same outgoing; of a link handle, count, credit, drain."""
    fields = [*map(uint, windows)]
    if link is not None:
        handle, delivery_count, credit, drain = link
        fields += [uint(handle), uint(delivery_count), uint(credit), uint(0), boolean(drain)]
    return frame(channel, composite(Descriptor.FLOW, fields))


def disposition_frame(channel: int, first: int, last: int, state: int) -> bytes:
    """Settle deliveries with an outcome that has no fields."""
    outcome = described(state, sequence([]))
    fields = [boolean(False), uint(first), NULL if last == first else uint(last), TRUE, outcome]
    return frame(channel, composite(Descriptor.DISPOSITION, fields))


def detach_frame(channel: int, handle: int, *, closed: bool, error: bytes = NULL) -> bytes:
    """Detach a link."""
    return frame(channel, composite(Descriptor.DETACH, [uint(handle), boolean(closed), error]))


def end_frame(channel: int, error: bytes = NULL) -> bytes:
    """End a session."""
    return frame(channel, composite(Descriptor.END, [error]))


def close_frame(error: bytes = NULL) -> bytes:
    """Close the connection."""
    return frame(0, composite(Descriptor.CLOSE, [error]))


def error_value(condition: Condition, description: str) -> bytes:
    """Encode an error."""
    return composite(Descriptor.ERROR, [symbol(condition), string(description[:_TEXT_LIMIT])])
