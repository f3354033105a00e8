"""RRPC: a request to a device whose answer is waited for (device-protocol, 9.1)."""

from thingplane.bus import ConnectionLostError, DeviceOfflineError, Downlink, DownlinkMessage, RequestTimeoutError
from thingplane.devices.service import Device
from thingplane.messaging import errors


class Rrpc:
    """Sends requests and waits for answers. Nothing is kept for devices that are offline."""

    def __init__(self, downlink: Downlink) -> None:
        """Take the way to devices."""
        self._downlink = downlink

    async def system(
        self, device: Device, payload: bytes, message_id: int, timeout_ms: int, *, content_type: str | None = None
    ) -> bytes:
        """Ask on the topic that every device has.

        Raises:
            BusinessError: iot.messagebroker.OFFLINE, iot.messagebroker.TIMEOUT, iot.messagebroker.HALFCONN.
        """
        topic = f"/sys/{device.product_key}/{device.name}/rrpc/request/{message_id}"
        return await self._ask(device, topic, payload, message_id, timeout_ms, content_type=content_type)

    async def custom(
        self,
        device: Device,
        topic: str,
        payload: bytes,
        message_id: int,
        timeout_ms: int,
        *,
        content_type: str | None = None,
    ) -> bytes:
        """Ask on a topic of the product's own, which the device answers on the same topic.

        Raises:
            BusinessError: as ``system``.
        """
        return await self._ask(
            device, f"/ext/rrpc/{message_id}{topic}", payload, message_id, timeout_ms, content_type=content_type
        )

    async def alink(self, device: Device, topic: str, payload: bytes, message_id: int, timeout_ms: int) -> bytes:
        """Send an Alink request on its own topic to devices that announced to understand that, else on ``system``.

        Raises:
            BusinessError: as ``system``.
        """
        if self._downlink.custom_rrpc(device.id):
            return await self.custom(device, topic, payload, message_id, timeout_ms)
        return await self.system(device, payload, message_id, timeout_ms)

    async def _ask(
        self,
        device: Device,
        topic: str,
        payload: bytes,
        message_id: int,
        timeout_ms: int,
        *,
        content_type: str | None,
    ) -> bytes:
        message = DownlinkMessage(
            device_id=device.id,
            topic=topic,
            payload=payload,
            properties={} if content_type is None else {"content_type": content_type},
        )
        try:
            return await self._downlink.request(message, message_id, timeout_ms)
        except DeviceOfflineError as error:
            raise errors.OFFLINE() from error
        except ConnectionLostError as error:
            raise errors.HALFCONN() from error
        except RequestTimeoutError as error:
            raise errors.TIMEOUT() from error
