"""A way to devices that remembers what was sent."""

import msgspec

from thingplane.bus import DeviceBusyError, DownlinkMessage


class RecordingDownlink:
    """Devices are online unless they are listed in ``unreachable``, and keep up unless they are ``busy``."""

    def __init__(self) -> None:
        self.sent: list[DownlinkMessage] = []
        self.unreachable: set[int] = set()
        self.busy: set[int] = set()

    def online(self, device_id: int) -> bool:
        return device_id not in self.unreachable

    def custom_rrpc(self, device_id: int) -> bool:  # noqa: ARG002 - none of these devices offers it
        return False

    async def send(self, message: DownlinkMessage) -> bool:
        if message.device_id in self.unreachable:
            return False
        if message.device_id in self.busy and message.needs_room:
            raise DeviceBusyError
        self.sent.append(message)
        return True

    def offer(self, message: DownlinkMessage) -> bool | None:
        if message.qos or message.device_id in self.unreachable:
            return None
        self.sent.append(message)
        return True

    async def request(self, message: DownlinkMessage, message_id: int, timeout_ms: int) -> bytes:
        raise NotImplementedError

    def resolve(self, device_id: int, message_id: int, payload: bytes) -> bool:
        raise NotImplementedError

    def received(self, device_id: int) -> list[dict[str, object]]:
        """Return the JSON messages that a device got, in order."""
        return [msgspec.json.decode(message.payload) for message in self.sent if message.device_id == device_id]
