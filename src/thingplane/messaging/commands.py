"""Alink requests to devices: setting properties and calling services (device-protocol, 5.2 and 5.5)."""

from collections.abc import Sequence
from typing import Final

import msgspec

from thingplane import ids
from thingplane.bus import Downlink, DownlinkMessage
from thingplane.cloud import BusinessError
from thingplane.devices.service import Device, DeviceService
from thingplane.messaging import errors
from thingplane.messaging.rrpc import Rrpc
from thingplane.telemetry.service import SET, Call, TelemetryService

SYNC_TIMEOUT_MS: Final = 5000
"""How long a synchronous call waits for the device (guide 4.11.3)."""
INACTIVE_CODE: Final = 9200
OFFLINE_CODE: Final = 9201

_PROPERTY_SET: Final = "property/set"


class Commands:
    """Sends requests and records them. Whatever is sent has been checked before."""

    def __init__(self, downlink: Downlink, devices: DeviceService, telemetry: TelemetryService, rrpc: Rrpc) -> None:
        """Take what is needed.

        Args:
            downlink: the way to devices.
            devices: tells whether a device was ever connected.
            telemetry: records calls.
            rrpc: sends synchronous requests.
        """
        self._downlink = downlink
        self._devices = devices
        self._telemetry = telemetry
        self._rrpc = rrpc

    async def set_properties(self, device: Device, params: bytes, qos: int) -> int:
        """Ask a device to set properties, and return the MessageId.

        Raises:
            BusinessError: iot.device.InactiveDevice, iot.messagebroker.OFFLINE.
        """
        return await self._one(device, SET, _PROPERTY_SET, params, qos)

    async def set_properties_of_all(self, devices: Sequence[Device], params: bytes, qos: int) -> None:
        """Ask devices to set properties; those that are offline get a record that says so."""
        await self._all(devices, SET, _PROPERTY_SET, params, qos)

    async def invoke(self, device: Device, service: str, params: bytes, qos: int) -> int:
        """Call a service that answers later, and return the MessageId.

        Raises:
            BusinessError: iot.device.InactiveDevice, iot.messagebroker.OFFLINE.
        """
        return await self._one(device, service, service, params, qos)

    async def invoke_on_all(self, devices: Sequence[Device], service: str, params: bytes, qos: int) -> None:
        """Call a service of many devices; those that are offline get a record that says so."""
        await self._all(devices, service, service, params, qos)

    async def invoke_and_wait(self, device: Device, service: str, params: bytes) -> tuple[int, str]:
        """Call a service and return the MessageId and the JSON text of the device's whole reply.

        The request goes by RRPC, on the topic that the device's client understands (device-protocol, 5.5).

        Raises:
            BusinessError: iot.device.InactiveDevice, iot.messagebroker.OFFLINE, iot.messagebroker.TIMEOUT,
                iot.messagebroker.HALFCONN; iot.device.InvokeThingServiceFailed when the reply is no JSON object.
        """
        self._check_online(device)
        message_id = ids.message_id()
        call = self._telemetry.calls.begin(device.id, service, message_id, params)
        topic = f"/sys/{device.product_key}/{device.name}/thing/service/{service}"
        payload = _request(call, service, params)
        try:
            reply = await self._rrpc.alink(device, topic, payload, message_id, SYNC_TIMEOUT_MS)
            if not _is_object(reply):
                raise errors.INVOKE_THING_SERVICE_FAILED("The reply of the device is not a JSON object.")
        except BusinessError:
            # Also a call without a reply is durable before the API answers.
            await self._telemetry.durable()
            raise
        self._telemetry.calls.finish(call, reply)
        await self._telemetry.durable()
        return message_id, reply.decode()

    async def _one(self, device: Device, identifier: str, path: str, params: bytes, qos: int) -> int:
        if qos == 0:
            # Nothing keeps a message of QoS 0; one of QoS 1 may wait in the device's session.
            self._check_online(device)
        message_id = ids.message_id()
        call = self._telemetry.calls.begin(device.id, identifier, message_id, params)
        sent = await self._send(device, call, path, params, qos)
        await self._telemetry.durable()
        if not sent:
            self._check_online(device)
            raise errors.OFFLINE()
        return message_id

    async def _all(self, devices: Sequence[Device], identifier: str, path: str, params: bytes, qos: int) -> None:
        for device in devices:
            call = self._telemetry.calls.begin(device.id, identifier, ids.message_id(), params)
            await self._send(device, call, path, params, qos)
        await self._telemetry.durable()

    async def _send(self, device: Device, call: Call, path: str, params: bytes, qos: int) -> bool:
        """Send a request; one that cannot arrive is recorded as answered by the platform (device-protocol, 3.2)."""
        message = DownlinkMessage(
            device_id=device.id,
            topic=f"/sys/{device.product_key}/{device.name}/thing/service/{path}",
            payload=_request(call, path.replace("/", "."), params),
            qos=qos,
        )
        sent = await self._downlink.send(message)
        if not sent:
            self._telemetry.calls.finish(call, _undelivered(call, active=device.activated_at is not None))
        return sent

    def _check_online(self, device: Device) -> None:
        if not self._downlink.online(device.id):
            raise errors.OFFLINE() if device.activated_at is not None else errors.INACTIVE_DEVICE()


def _request(call: Call, method: str, params: bytes) -> bytes:
    # The SDK for C searches the text for the first "id", "method" … : params, which may hold such words, come last.
    return b'{"id":"%d","version":"1.0","method":%b,"params":%b}' % (
        call.alink_id,
        msgspec.json.encode(f"thing.service.{method}"),
        params,
    )


def _undelivered(call: Call, *, active: bool) -> bytes:
    code, message = (OFFLINE_CODE, "device offline") if active else (INACTIVE_CODE, "device not activated")
    return b'{"code":%d,"data":{},"id":"%d","message":"%b","version":"1.0"}' % (code, call.alink_id, message.encode())


def _is_object(reply: bytes) -> bool:
    try:
        return type(msgspec.json.decode(reply)) is dict
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
