"""Alink requests to devices: setting properties and calling services (device-protocol, 5.2 and 5.5)."""

from collections.abc import Sequence
from typing import Final

import msgspec

from thingplane import ids
from thingplane.alink import write_request
from thingplane.bus import Downlink, DownlinkMessage
from thingplane.cloud import BusinessError
from thingplane.devices.service import Device, DeviceService
from thingplane.messaging import errors
from thingplane.messaging.rrpc import Rrpc
from thingplane.messaging.wire import Wire
from thingplane.parsing.service import ParsingError
from thingplane.products.service import Product
from thingplane.telemetry.service import SET, Call, TelemetryService

SYNC_TIMEOUT_MS: Final = 5000
"""How long a synchronous call waits for the device (guide 4.11.3)."""
INACTIVE_CODE: Final = 9200
OFFLINE_CODE: Final = 9201

_PROPERTY_SET: Final = "property/set"
_MAX_STOPPED: Final = 2
"""Requests of one call whose script had to be stopped, one after the other; further ones are not tried."""


class Commands:
    """Sends requests and records them. Whatever is sent has been checked before."""

    def __init__(
        self, downlink: Downlink, devices: DeviceService, telemetry: TelemetryService, rrpc: Rrpc, wire: Wire
    ) -> None:
        """Take what is needed.

        Args:
            downlink: the way to devices.
            devices: tells whether a device was ever connected.
            telemetry: records calls.
            rrpc: sends synchronous requests.
            wire: translates into what devices speak.
        """
        self._downlink = downlink
        self._devices = devices
        self._telemetry = telemetry
        self._rrpc = rrpc
        self._wire = wire

    async def set_properties(self, product: Product, device: Device, params: bytes, qos: int) -> int:
        """Ask a device to set properties, and return the MessageId.

        Raises:
            BusinessError: iot.device.InactiveDevice, iot.messagebroker.OFFLINE.
            ParsingError: the product's script makes nothing of the request; its record says so.
        """
        return await self._one(product, device, SET, _PROPERTY_SET, params, qos)

    async def set_properties_of_all(self, product: Product, devices: Sequence[Device], params: bytes, qos: int) -> None:
        """Ask devices to set properties; the records of those that cannot be asked say so."""
        await self._all(product, devices, SET, _PROPERTY_SET, params, qos)

    async def invoke(self, product: Product, device: Device, service: str, params: bytes, qos: int) -> int:
        """Call a service that answers later, and return the MessageId.

        Raises:
            BusinessError: iot.device.InactiveDevice, iot.messagebroker.OFFLINE.
            ParsingError: the product's script makes nothing of the request; its record says so.
        """
        return await self._one(product, device, service, service, params, qos)

    async def invoke_on_all(
        self, product: Product, devices: Sequence[Device], service: str, params: bytes, qos: int
    ) -> None:
        """Call a service of many devices; the records of those that cannot be called say so."""
        await self._all(product, devices, service, service, params, qos)

    async def invoke_and_wait(self, product: Product, device: Device, service: str, params: bytes) -> tuple[int, str]:
        """Call a service and return the MessageId and the JSON text of the device's whole reply.

        The request goes by RRPC, on the topic that the device's client understands (device-protocol, 5.5).

        Raises:
            BusinessError: iot.device.InactiveDevice, iot.messagebroker.OFFLINE, iot.messagebroker.TIMEOUT,
                iot.messagebroker.HALFCONN; iot.device.InvokeThingServiceFailed when the reply is no JSON object.
            ParsingError: the product's script does not understand the request, or the reply.
        """
        self._check_online(device)
        message_id = ids.message_id()
        call = self._telemetry.calls.begin(device.id, service, message_id, params)
        try:
            request = write_request(call.alink_id, f"thing.service.{service}", params)
            topic, payload = await self._wire.request(product, device, service, request)
            answer = await self._rrpc.alink(device, topic, payload, message_id, SYNC_TIMEOUT_MS)
            reply = await self._wire.reply(product, device, answer)
            if not _is_object(reply):
                raise errors.INVOKE_THING_SERVICE_FAILED("The reply of the device is not a JSON object.")
        except ParsingError as error:
            self._telemetry.calls.finish(call, _platform_reply(call, error.code, error.reason))
            await self._telemetry.durable()
            raise
        except BusinessError:
            # Also a call without a reply is durable before the API answers.
            await self._telemetry.durable()
            raise
        self._telemetry.calls.finish(call, reply)
        await self._telemetry.durable()
        return message_id, reply.decode()

    async def _one(  # noqa: PLR0917 - as its callers
        self, product: Product, device: Device, identifier: str, path: str, params: bytes, qos: int
    ) -> int:
        if qos == 0:
            # Nothing keeps a message of QoS 0; one of QoS 1 may wait in the device's session.
            self._check_online(device)
        message_id = ids.message_id()
        call = self._telemetry.calls.begin(device.id, identifier, message_id, params)
        try:
            sent = await self._send(product, device, call, path, params, qos)
        finally:
            await self._telemetry.durable()
        if not sent:
            self._check_online(device)
            raise errors.OFFLINE()
        return message_id

    async def _all(  # noqa: PLR0917 - as its callers
        self, product: Product, devices: Sequence[Device], identifier: str, path: str, params: bytes, qos: int
    ) -> None:
        stopped = 0
        failure: ParsingError | None = None
        for device in devices:
            call = self._telemetry.calls.begin(device.id, identifier, ids.message_id(), params)
            if failure is not None and stopped == _MAX_STOPPED:
                # Requests differ in their ids only: a script that loops for these would take a second for each.
                self._wire.note(device, path, failure)
                self._telemetry.calls.finish(call, _platform_reply(call, failure.code, failure.reason))
                continue
            try:
                await self._send(product, device, call, path, params, qos)
            except ParsingError as error:  # the record has it
                failure = error
                stopped = stopped + 1 if error.stopped else 0
            else:
                stopped = 0
        await self._telemetry.durable()

    async def _send(  # noqa: PLR0917 - as its callers
        self, product: Product, device: Device, call: Call, path: str, params: bytes, qos: int
    ) -> bool:
        """Send a request; one that cannot arrive is recorded as answered by the platform (device-protocol, 3.2)."""
        request = write_request(call.alink_id, f"thing.service.{path.replace('/', '.')}", params)
        try:
            topic, payload = await self._wire.request(product, device, path, request)
        except ParsingError as error:
            self._telemetry.calls.finish(call, _platform_reply(call, error.code, error.reason))
            raise
        sent = await self._downlink.send(DownlinkMessage(device_id=device.id, topic=topic, payload=payload, qos=qos))
        if not sent:
            active = device.activated_at is not None
            code, message = (OFFLINE_CODE, "device offline") if active else (INACTIVE_CODE, "device not activated")
            reply = _platform_reply(call, code, message)
            self._telemetry.calls.finish(call, reply)
            pending = self._telemetry.forward_reply(device, call, reply)
            if pending is not None:
                await pending
        return sent

    def _check_online(self, device: Device) -> None:
        if not self._downlink.online(device.id):
            raise errors.OFFLINE() if device.activated_at is not None else errors.INACTIVE_DEVICE()


def _platform_reply(call: Call, code: int, message: str) -> bytes:
    return b'{"code":%d,"data":{},"id":"%d","message":%b,"version":"1.0"}' % (
        code,
        call.alink_id,
        msgspec.json.encode(message),
    )


def _is_object(reply: bytes) -> bool:
    try:
        return type(msgspec.json.decode(reply)) is dict
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
