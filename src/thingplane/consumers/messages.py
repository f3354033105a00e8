"""A forwarded message as the sections of an AMQP message (rules-and-subscription, 1.7)."""

from base64 import b64encode
from typing import Final

from thingplane.amqp.codec.encode import NULL, TRUE, composite, integer, string, uint
from thingplane.amqp.numbers import Descriptor
from thingplane.forwarding.message import Forwarded

_FIRST: Final = composite(Descriptor.HEADER, [TRUE])
"""Header of a durable message that was not delivered before."""
_PROPERTIES: Final = b"\x00\x53\x73\xc0"
_APPLICATION_PROPERTIES: Final = b"\x00\x53\x74"
_DATA: Final = b"\x00\x53\x75"
_TOPIC: Final = string("topic")
_MESSAGE_ID: Final = string("messageId")
_GENERATE_TIME: Final = string("generateTime") + b"\x81"
_QOS: Final = tuple(string("qos") + integer(qos) for qos in range(3))
_TAG: Final = string("tag")


def encode_message(message: Forwarded, attempt: int, *, base64: bool = False) -> bytes:
    """Encode a message.

    The sections: header (durable, delivery-count on redelivery), properties with the message id as text,
    application-properties `topic`, `messageId` (text), `generateTime` (long, ms), `qos` (int) and, if there is one,
    `tag`; the body is one Data section.

    Args:
        message: what is delivered.
        attempt: deliveries before this one.
        base64: encode the body so.
    """
    header = _FIRST if attempt <= 0 else composite(Descriptor.HEADER, [TRUE, NULL, NULL, NULL, uint(attempt)])
    number = str(message.message_id).encode()
    number_size = len(number)
    text = bytes((0xA1, number_size)) + number
    topic = message.topic.encode()
    topic_size = len(topic)
    items: tuple[bytes, ...] = (
        _TOPIC,
        bytes((0xA1, topic_size)) if topic_size < 0x100 else b"\xb1" + topic_size.to_bytes(4, "big"),
        topic,
        _MESSAGE_ID,
        text,
        _GENERATE_TIME,
        message.generated.to_bytes(8, "big", signed=True),
        _QOS[message.qos],
    )
    if message.tag:
        items += (_TAG, string(message.tag))
    body = b64encode(message.body) if base64 else message.body
    size = len(body)
    return b"".join(
        (
            header,
            _PROPERTIES,
            bytes((number_size + 3, 1)),
            text,
            _APPLICATION_PROPERTIES,
            _map(items, 10 if message.tag else 8),
            _DATA,
            bytes((0xA0, size)) if size < 0x100 else b"\xb0" + size.to_bytes(4, "big"),
            body,
        )
    )


def _map(items: tuple[bytes, ...], count: int) -> bytes:
    content = b"".join(items)
    size = len(content)
    if size < 0xFF:
        return bytes((0xC1, size + 1, count)) + content
    return b"\xd1" + (size + 4).to_bytes(4, "big") + count.to_bytes(4, "big") + content
