"""Devices that post numbers and remember which the platform has acknowledged."""

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec

from thingplane.cloud.client import CloudClient
from thingplane.simulator import wire
from thingplane.simulator.wire import Identity

HOUR_MS = 3_600_000


def _number(identifier: str, *, read_only: bool = True) -> dict[str, Any]:
    return {
        "identifier": identifier,
        "name": identifier,
        "required": False,
        "rwFlag": "READ_ONLY" if read_only else "READ_WRITE",
        "dataType": "INT",
        "dataSpecs": {"dataType": "INT", "min": "0", "max": "2147483647", "step": "1"},
    }


MODEL: dict[str, Any] = {"properties": [_number("Count"), _number("Twin"), _number("Target", read_only=False)]}


class PostingDevice:
    """A device whose n-th post has n in both properties; goes on with the next number after a reconnect."""

    def __init__(self, identity: Identity, window: int = 8) -> None:
        self.identity = identity
        self.sent = 0
        self.acknowledged: set[int] = set()
        """Numbers whose PUBACK has come."""
        self.replied: set[int] = set()
        """Numbers whose Alink reply of success has come."""
        self._window = window
        self._in_flight: dict[int, int] = {}
        self._topic = f"/sys/{identity.product_key}/{identity.device_name}/thing/event/property/post".encode()

    async def run(self, address: tuple[str, int]) -> None:
        """Post until the connection is lost; returns at once if there is none to be had."""
        try:
            reader, writer = await asyncio.open_connection(*address)
        except OSError:
            return
        packets = wire.Reader()
        self._in_flight.clear()
        writer.write(wire.connect(self.identity, secure=False))
        try:
            while data := await reader.read(65_536):
                for packet in packets.feed(data):
                    self._handle(packet, writer)
        except ConnectionError:
            pass
        finally:
            writer.close()

    def _handle(self, packet: wire.Packet, writer: asyncio.StreamWriter) -> None:
        if packet.kind == wire.CONNACK and packet.body[1] == 0:
            for _ in range(self._window):
                self._post(writer)
        elif packet.kind == wire.PUBACK:
            self.acknowledged.add(self._in_flight.pop(int.from_bytes(packet.body[:2])))
            self._post(writer)
        elif packet.kind == wire.PUBLISH:
            reply = msgspec.json.decode(wire.topic_and_payload(packet)[1])
            if reply["code"] == 200:
                self.replied.add(int(reply["id"]))

    def _post(self, writer: asyncio.StreamWriter) -> None:
        self.sent += 1
        packet_id = (self.sent - 1) % 65535 + 1
        self._in_flight[packet_id] = self.sent
        body = b'{"id":"%d","version":"1.0","params":{"Count":%d,"Twin":%d},"method":"thing.event.property.post"}'
        writer.write(wire.publish(self._topic, body % (self.sent, self.sent, self.sent), packet_id))


def stored(client: CloudClient, identity: Identity, identifier: str, since: int, until: int) -> list[int]:
    """Return the whole history of a property, page by page, oldest first."""
    values: list[int] = []
    while True:
        answer = client.call(
            "QueryDevicePropertyData",
            {
                "ProductKey": identity.product_key,
                "DeviceName": identity.device_name,
                "Identifier": identifier,
                "StartTime": since,
                "EndTime": until,
                "Asc": 1,
                "PageSize": 50,
            },
        )
        assert answer["Success"], answer
        data = answer["Data"]
        values += [int(item["Value"]) for item in data["List"]["PropertyInfo"]]
        if not data["NextValid"]:
            return values
        since = data["NextTime"]


def check_history(client: CloudClient, devices: Sequence[PostingDevice], since: int) -> None:
    """Assert that everything acknowledged is in the history, once and whole, and nothing that was not sent."""
    for device in devices:
        found = stored(client, device.identity, "Count", since, since + HOUR_MS)
        assert found == stored(client, device.identity, "Twin", since, since + HOUR_MS), "half a message"
        assert found == sorted(set(found)), "doubled or out of order"
        promised = device.acknowledged | device.replied
        lost = promised - set(found)
        assert not lost, f"{len(lost)} of {len(promised)} acknowledged posts are lost: {sorted(lost)[:10]}"
        assert set(found) <= set(range(1, device.sent + 1))
