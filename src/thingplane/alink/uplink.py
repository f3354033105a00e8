"""One message from a device on its way through a handler."""

from typing import Protocol

import msgspec

from thingplane.alink.codes import MESSAGES, Code


class Identity(Protocol):
    """What the Alink layer has to know about a device."""

    @property
    def id(self) -> int:
        """Key in the database; also the device's key in the history."""

    @property
    def product_id(self) -> int:
        """Key of its product in the database."""

    @property
    def product_key(self) -> str:
        """ProductKey."""

    @property
    def name(self) -> str:
        """DeviceName."""


class Uplink(msgspec.Struct, eq=False, gc=False):
    """One message from a device. Its replies leave when everything that was stored for it is durable."""

    device: Identity
    topic: str
    """Full topic, as published."""
    capture: str
    """What stands in the place of ``+`` in the handler's pattern (event id, message id …); empty without one."""
    payload: bytes
    received: int
    """Arrival in epoch milliseconds."""
    qos: int = 0
    """QoS of the publish, 0 or 1."""
    reply_tail: bytes = b""
    """End of a success reply, from ``"message"`` on, made once per route; empty: made when needed."""
    origin: object = None
    """The packet to acknowledge; for the transport."""
    params: bytes = b""
    """JSON text of the Alink request's ``params``, an object or an array; for Alink requests only."""
    request_id: bytes = b'"null"'
    """JSON text of the Alink request's ``id``: echoed exactly, be it text or number (device-protocol, 3.1).
    Stays ``"null"`` for a request without one."""
    wants_reply: bool = True
    """False when the request said ``sys.ack`` 0."""
    replies: list[tuple[str, bytes]] = []
    """(topic, payload) of what goes back to the device at QoS 0, after the commit."""
    refusal: int = 0
    """MQTT 5 reason code of its acknowledgement; for the transport."""
    waiting: bool = False
    """Whether a coroutine still handles it; for the transport."""
    properties: dict[str, object] | None = None
    """MQTT 5 properties of the publish, named as in ``bus.DownlinkMessage``, ``expiry`` in seconds; None without."""
    message_id: int = 0
    """Of the first message that left the platform because of it; 0: none did."""

    def __repr__(self) -> str:
        # Payloads are nobody's business in logs and tracebacks.
        return f"Uplink({self.topic!r})"

    def reply(self, code: int = Code.SUCCESS, data: bytes = b"{}", message: str | None = None) -> None:
        """Answer an Alink request on ``{topic}_reply``, unless the device wants no answer.

        The shape is the platform's own: compact, members in alphabetical order (device-protocol, 3.1).

        Args:
            code: 200, or one of the codes of device-protocol 3.2.
            data: JSON text of the data.
            message: in clear text; None: the usual one of the code.
        """
        if not self.wants_reply:
            return
        if code == 200 and message is None:
            tail = self.reply_tail or reply_tail(method_of(self.topic), MESSAGES[Code.SUCCESS])
            text = b'{"code":200,"data":' + data + b',"id":' + self.request_id + tail
        else:
            shown = MESSAGES.get(code, "") if message is None else message
            text = b'{"code":%d,"data":%b,"id":%b%b' % (
                code,
                data,
                self.request_id,
                reply_tail(method_of(self.topic), shown),
            )
        self.replies.append((self.topic + "_reply", text))


def method_of(topic: str) -> str:
    """Return the Alink method that a topic ``/sys/{productKey}/{deviceName}/a/b/c`` stands for: ``a.b.c``."""
    return topic.split("/", 4)[-1].replace("/", ".")


def reply_tail(method: str, message: str) -> bytes:
    """Return what follows the ``id`` of a reply."""
    encode = msgspec.json.encode
    return b',"message":%b,"method":%b,"version":"1.0"}' % (encode(message), encode(method))
