"""A device that publishes on a custom topic, and a back end that consumes with stomp.py, as the vendor's samples do."""

import base64
import hashlib
import hmac
import queue
import ssl
import time
from typing import Any

import stomp
from tests.common.node import NodeProcess
from tests.e2e.operations.calls import identity
from tests.e2e.raw import connected
from thingplane.mqtt.packets import Puback, Publish

PATIENCE_S = 20


async def post(node: NodeProcess, device: Any, *bodies: bytes) -> None:
    """Publish on a custom topic; every message is acknowledged."""
    topic = f"/{device.product_key}/{device.device_name}/user/update"
    async with connected(node.address("mqtt"), identity(device)) as (connection, _):
        for number, body in enumerate(bodies, 1):
            connection.send(Publish(topic=topic, payload=body, qos=1, packet_id=number))
        for _ in bodies:
            await connection.expect(Puback)


class Consumer(stomp.ConnectionListener):  # type: ignore[misc] # the library is not typed
    """A client of a group; with ``ack="client-individual"`` messages are settled by ``settle``."""

    def __init__(self, node: NodeProcess, group_id: str, *, ack: str = "auto") -> None:
        self.messages: queue.Queue[tuple[dict[str, str], str]] = queue.Queue()
        self._receipts: queue.Queue[str] = queue.Queue()
        key_id, secret = node.credentials
        stamp = str(int(time.time() * 1000))
        digest = hmac.digest(secret.encode(), f"authId={key_id}&timestamp={stamp}".encode(), hashlib.sha1)
        user = (
            f"consumer-0|authMode=aksign,signMethod=hmacsha1,timestamp={stamp},authId={key_id},iotInstanceId=,"
            f"consumerGroupId={group_id}|"
        )
        address = node.address("stomp")
        self._connection = stomp.Connection12([address], heartbeats=(0, 300), reconnect_attempts_max=1)
        self._connection.set_ssl(
            for_hosts=[address], ca_certs=node.ready["ca_certificate"], ssl_version=ssl.PROTOCOL_TLS_CLIENT
        )
        self._connection.set_listener("", self)
        self._connection.connect(user, base64.b64encode(digest).decode(), wait=True)
        self._connection.subscribe(destination="/topic/#", id=1, ack=ack)

    def on_message(self, frame: Any) -> None:
        self.messages.put((frame.headers, frame.body))

    def on_receipt(self, frame: Any) -> None:
        self._receipts.put(frame.headers["receipt-id"])

    def receive(self) -> tuple[dict[str, str], str]:
        return self.messages.get(timeout=PATIENCE_S)

    def settle(self, *headers: dict[str, str]) -> None:
        """Accept messages; returns when the node has said that this is durable."""
        for number, one in enumerate(headers):
            self._connection.ack(one["ack"], receipt=f"r{number}")
        for _ in headers:
            self._receipts.get(timeout=PATIENCE_S)

    def close(self) -> None:
        self._connection.disconnect()
