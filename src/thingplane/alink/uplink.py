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


class Uplink:
    """One message from a device. Its replies leave when everything that was stored for it is durable."""

    __slots__ = (
        "capture",
        "device",
        "origin",
        "params",
        "payload",
        "qos",
        "received",
        "refusal",
        "replies",
        "reply_tail",
        "request_id",
        "topic",
        "waiting",
        "wants_reply",
    )

    def __init__(
        self,
        device: Identity,
        topic: str,
        capture: str,
        payload: bytes,
        received: int,
        *,
        qos: int = 0,
        reply_tail: bytes = b"",
        origin: object = None,
    ) -> None:
        self.device = device
        self.topic = topic
        """Full topic, as published."""
        self.capture = capture
        """What stands in the place of ``+`` in the handler's pattern (event id, message id …); empty without one."""
        self.payload = payload
        self.received = received
        """Arrival in epoch milliseconds."""
        self.qos = qos
        """QoS of the publish, 0 or 1."""
        self.params: bytes = b""
        """JSON text of the Alink request's ``params``, an object or an array; for Alink requests only."""
        self.request_id: bytes = b'"null"'
        """JSON text of the Alink request's ``id``: echoed exactly, be it text or number (device-protocol, 3.1).
        Stays ``"null"`` for a request without one."""
        self.wants_reply = True
        """False when the request said ``sys.ack`` 0."""
        self.replies: list[tuple[str, bytes]] = []
        """(topic, payload) of what goes back to the device at QoS 0, after the commit."""
        self.reply_tail = reply_tail
        """End of a success reply, from ``"message"`` on, made once per route; empty: made when needed."""

        self.origin = origin
        """The packet to acknowledge; for the transport."""
        self.refusal = 0
        """MQTT 5 reason code of its acknowledgement; for the transport."""
        self.waiting = False
        """Whether a coroutine still handles it; for the transport."""

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
