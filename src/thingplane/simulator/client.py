"""One simulated device on an asyncio connection."""

import asyncio
import ssl
from collections.abc import Callable, Mapping
from typing import Any, cast

import msgspec

from thingplane.simulator import wire
from thingplane.simulator.wire import Identity

Values = dict[str, Any]


class RefusedError(Exception):
    """The platform refused the connection; the text says why."""


_REASONS = {
    1: "protocol version",
    2: "client id",
    3: "platform unavailable",
    4: "signature or device",
    5: "not allowed",
}


class SimulatedDevice(asyncio.Protocol):
    """Connects, posts properties, takes property settings, answers services and RRPC.

    Settings are applied to ``values`` and posted back, as firmware does. Services answer with an output made by
    ``answer`` (default: empty).
    """

    def __init__(
        self,
        identity: Identity,
        *,
        secure: bool = False,
        answer: Callable[[str, Mapping[str, Any]], Values] | None = None,
        on_lost: Callable[[], None] | None = None,
        on_message: Callable[[str, bytes], None] | None = None,
    ) -> None:
        self.identity = identity
        self.values: Values = {}
        self.acknowledged = 0
        self.rejected = 0
        self._secure = secure
        self._answer = answer or (lambda _service, _input: {})
        self._on_lost = on_lost
        self._on_message = on_message
        self._reader = wire.Reader()
        self._transport: asyncio.Transport | None = None
        self.connected: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._packet_id = 0
        self._request = 0
        self._prefix = f"/sys/{identity.product_key}/{identity.device_name}/"
        self._post_topic = f"{self._prefix}thing/event/property/post".encode()

    @classmethod
    async def connect(
        cls, identity: Identity, host: str, port: int, context: ssl.SSLContext | None = None, **options: Any
    ) -> "SimulatedDevice":
        """Open a connection and authenticate.

        Raises:
            RefusedError: the platform answered with another CONNACK than 0, or closed.
            OSError: nobody listens there.
        """
        loop = asyncio.get_running_loop()
        _, device = await loop.create_connection(
            lambda: cls(identity, secure=context is not None, **options), host, port, ssl=context
        )
        await device.connected
        return device

    def post(self, values: Values) -> None:
        """Post properties with QoS 1."""
        self._packet_id = self._packet_id % 65535 + 1
        self._request += 1
        body = {
            "id": str(self._request),
            "version": "1.0",
            "params": values,
            "method": "thing.event.property.post",
        }
        self._write(wire.publish(self._post_topic, msgspec.json.encode(body), self._packet_id))

    def send(self, topic: str, body: Mapping[str, Any]) -> None:
        """Publish JSON with QoS 1."""
        self._packet_id = self._packet_id % 65535 + 1
        self._write(wire.publish(topic.encode(), msgspec.json.encode(body), self._packet_id))

    def close(self) -> None:
        """Say goodbye and close the connection."""
        if self._transport is not None:
            self._transport.write(wire.DISCONNECT)
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(wire.connect(self.identity, secure=self._secure))

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if not self.connected.done():
            self.connected.set_exception(RefusedError(f"connection closed: {exc or 'by the platform'}"))
        elif self._on_lost is not None:
            self._on_lost()

    def data_received(self, data: bytes) -> None:
        for packet in self._reader.feed(data):
            if packet.kind == wire.PUBACK:
                self.acknowledged += 1
            elif packet.kind == wire.PUBLISH:
                topic, payload, packet_id = wire.topic_and_payload(packet)
                if packet_id is not None:
                    self._write(wire.puback(packet_id))
                self._handle(topic, payload)
            elif packet.kind == wire.CONNACK and not self.connected.done():
                code = packet.body[1]
                if code == 0:
                    self.connected.set_result(None)
                else:
                    self.connected.set_exception(RefusedError(f"CONNACK {code}: {_REASONS.get(code, 'unknown')}"))

    def _handle(self, topic: str, payload: bytes) -> None:
        if topic.endswith("post_reply"):
            reply = msgspec.json.decode(payload)
            self.rejected += reply["code"] != 200 or bool(reply["data"])
        elif topic == f"{self._prefix}thing/service/property/set":
            request = msgspec.json.decode(payload)
            self.values |= request["params"]
            self._respond(f"{topic}_reply", request["id"], {})
            self.post(request["params"])
        elif topic.startswith(f"{self._prefix}rrpc/request/"):
            self._serve(topic.replace("/rrpc/request/", "/rrpc/response/", 1), payload)
        elif topic.startswith("/ext/rrpc/"):
            self._serve(topic, payload)
        elif topic.startswith(f"{self._prefix}thing/service/"):
            self._serve(f"{topic}_reply", payload)
        elif self._on_message is not None:
            self._on_message(topic, payload)

    def _serve(self, topic: str, payload: bytes) -> None:
        try:
            request = msgspec.json.decode(payload)
            service = request["method"].removeprefix("thing.service.")
            self._respond(topic, request["id"], self._answer(service, request.get("params", {})))
        except (msgspec.DecodeError, KeyError, TypeError, AttributeError):
            # Not a service call but free bytes (RRpc): send them back.
            self._write(wire.publish(topic.encode(), payload, None))

    def _respond(self, topic: str, request_id: str, data: Values) -> None:
        body = {"id": request_id, "code": 200, "data": data}
        self._write(wire.publish(topic.encode(), msgspec.json.encode(body), None))

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def ping(self) -> None:
        """Tell the platform that the device is alive."""
        self._write(wire.PINGREQ)
