"""What back ends say to devices, checked before anything is sent."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from thingplane import ids
from thingplane.bus import Downlink, DownlinkMessage
from thingplane.cloud import ErrorCode
from thingplane.devices.service import Device, DeviceService
from thingplane.messaging import errors
from thingplane.messaging.commands import Commands
from thingplane.messaging.rrpc import Rrpc
from thingplane.messaging.topics import device_topic, fill_template, is_topic
from thingplane.messaging.wire import Note, Wire, no_note
from thingplane.parsing.service import ParsingError, ParsingService
from thingplane.products.errors import NOT_SENIOR_PRODUCT
from thingplane.products.service import Product, ProductService
from thingplane.telemetry.service import TelemetryService
from thingplane.things.model.types import CallType
from thingplane.things.service import CompiledModel, ThingModelService
from thingplane.topics.errors import INVALID_FORMATTED_TOPIC_NAME, TOPIC_TEMPLATE_IS_NOT_FOUND
from thingplane.topics.service import TopicService

MAX_PROPERTIES: Final = 200
MAX_PAYLOAD: Final = 256 * 1024
"""Longest message to or from a device, in bytes (device-protocol, 1.2)."""

_decode_object = msgspec.json.Decoder(dict[str, Any]).decode


class CustomMessage(msgspec.Struct, frozen=True, kw_only=True):
    """What is published to a custom topic; see ``DownlinkMessage``."""

    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False
    expiry: int | None = None
    properties: dict[str, object] = {}


class MessagingService:
    """Setting properties, calling services, publishing, and RRPC."""

    def __init__(  # noqa: PLR0917 - wired in one place
        self,
        downlink: Downlink,
        devices: DeviceService,
        products: ProductService,
        models: ThingModelService,
        topics: TopicService,
        telemetry: TelemetryService,
        parsing: ParsingService,
        note: Note = no_note,
    ) -> None:
        """Wire the service.

        Args:
            downlink: the way to devices.
            devices: finds devices.
            products: finds products.
            models: what devices understand.
            topics: what custom topics permit.
            telemetry: records calls of services.
            parsing: runs scripts of products with a data format of their own.
            note: writes into a device's log that a script failed, see ``DeviceLogs.note``.
        """
        self._downlink = downlink
        self._devices = devices
        self._products = products
        self._models = models
        self._topics = topics
        self._rrpc = Rrpc(downlink)
        self._commands = Commands(downlink, devices, telemetry, self._rrpc, Wire(parsing, note))

    # Thing models.

    async def set_properties(self, device: Device, items: str, qos: int) -> str:
        """Ask a device to set properties, and return the MessageId.

        Args:
            device: who is asked.
            items: JSON object, identifier → value.
            qos: 0, or 1 for a message that may wait in the session of a device that is offline.

        Raises:
            BusinessError: iot.prod.NotSeniorProduct, iot.device.SetDevicePropertyFailed,
                iot.device.NoneDeviceProperties, iot.device.TooManyDevicePropertiesPerTime,
                iot.device.InactiveDevice, iot.messagebroker.OFFLINE. Nothing was sent.
        """
        product = await self._products.get(device.instance_id, device.product_key)
        params = await self._settable(product, items)
        try:
            return str(await self._commands.set_properties(product, device, params, qos))
        except ParsingError as error:
            raise errors.SET_DEVICE_PROPERTY_FAILED(_script_failed(error)) from error

    async def set_properties_of_all(
        self, instance_id: int, product_key: str, names: Sequence[str], *, items: str, qos: int
    ) -> None:
        """Ask devices of one product to set properties.

        Devices that are offline do not make the call fail; their record says that they were.

        Raises:
            BusinessError: as ``set_properties`` except the last two, and iot.prod.NotExistedProduct,
                iot.device.NotExistedDevice. Nothing was sent.
        """
        product = await self._products.get(instance_id, product_key)
        params = await self._settable(product, items)
        await self._commands.set_properties_of_all(product, await self._all(product, names), params, qos)

    async def invoke(self, device: Device, service: str, args: str, qos: int) -> tuple[str, str | None]:
        """Call a service of a device.

        Args:
            device: who is called.
            service: qualified identifier of the service; the model says whether the answer is waited for.
            args: JSON object, parameter → value.
            qos: as for ``set_properties``; synchronous calls are always sent with 0.

        Returns:
            MessageId, and for a synchronous service the JSON text of the device's whole reply, as it came: the service
            has run, so an output that the model does not know is no reason to hide it from the caller.

        Raises:
            BusinessError: iot.prod.NotSeniorProduct, iot.device.InvokeThingServiceFailed,
                iot.device.InactiveDevice, iot.messagebroker.OFFLINE; for a synchronous service also
                iot.messagebroker.TIMEOUT and iot.messagebroker.HALFCONN: the device may have got the request.
        """
        product = await self._products.get(device.instance_id, device.product_key)
        params, call_type = await self._callable(product, service, args)
        try:
            if call_type is CallType.SYNC:
                message_id, result = await self._commands.invoke_and_wait(product, device, service, params)
                return str(message_id), result
            return str(await self._commands.invoke(product, device, service, params, qos)), None
        except ParsingError as error:
            raise errors.INVOKE_THING_SERVICE_FAILED(_script_failed(error)) from error

    async def invoke_on_all(
        self, instance_id: int, product_key: str, names: Sequence[str], *, service: str, args: str, qos: int
    ) -> None:
        """Call an asynchronous service of devices of one product.

        Devices that are offline do not make the call fail; their record says that they were.

        Raises:
            BusinessError: iot.prod.NotExistedProduct, iot.prod.NotSeniorProduct, iot.device.NotExistedDevice,
                iot.device.InvokeThingServiceFailed, also for a synchronous service. Nothing was sent.
        """
        product = await self._products.get(instance_id, product_key)
        params, call_type = await self._callable(product, service, args)
        if call_type is CallType.SYNC:
            raise errors.INVOKE_THING_SERVICE_FAILED(
                f"The service {service} is synchronous: call it for one device at a time with InvokeThingService."
            )
        await self._commands.invoke_on_all(product, await self._all(product, names), service, params, qos)

    async def _all(self, product: Product, names: Sequence[str]) -> list[Device]:
        return [
            await self._devices.resolve(product.instance_id, product_key=product.product_key, name=name)
            for name in dict.fromkeys(names)
        ]

    async def _settable(self, product: Product, items: str) -> bytes:
        model = await self._model(product)
        values = _object(items, "Items", errors.SET_DEVICE_PROPERTY_FAILED)
        if len(values) > MAX_PROPERTIES:
            raise errors.TOO_MANY_DEVICE_PROPERTIES()
        if not any(identifier in model.properties for identifier in values):
            raise errors.NONE_DEVICE_PROPERTIES()
        failure = model.properties.check_set(values)
        if failure is not None:
            raise errors.SET_DEVICE_PROPERTY_FAILED(f"{failure.message} ({failure.code})")
        return msgspec.json.encode(values)

    async def _callable(self, product: Product, identifier: str, args: str) -> tuple[bytes, CallType]:
        model = await self._model(product)
        service = model.service(identifier)
        if service is None:
            raise errors.INVOKE_THING_SERVICE_FAILED(f"The published thing model has no service {identifier}.")
        values = _object(args, "Args", errors.INVOKE_THING_SERVICE_FAILED)
        failure = service.input.check(values)
        if failure is not None:
            raise errors.INVOKE_THING_SERVICE_FAILED(f"{failure.message} ({failure.code})")
        return msgspec.json.encode(values), service.call_type

    async def _model(self, product: Product) -> CompiledModel:
        if not product.senior:
            raise NOT_SENIOR_PRODUCT()
        return await self._models.published(product.id)

    # Custom topics.

    async def publish(self, instance_id: int, product_key: str, message: CustomMessage) -> str:
        """Publish to a custom topic of a device, and return the MessageId.

        A device that is offline or has not subscribed does not make the call fail: with QoS 1 the message is kept for
        the device's session if that holds the subscription, otherwise it is lost (device-protocol, 9.2).

        Raises:
            BusinessError: iot.prod.NotExistedProduct, iot.device.NotExistedDevice,
                iot.messagebroker.InvalidFormattedTopicName, iot.messagebroker.TopicTemplateIsNotFound,
                iot.messagebroker.PublishMessageFailed. Nothing was sent.
        """
        product = await self._products.get(instance_id, product_key)
        name, rest = device_topic(message.topic, product_key)
        await self._check_publishable(product, rest, message)
        device = await self._devices.resolve(instance_id, product_key=product_key, name=name)
        message_id = ids.message_id()
        await self._downlink.send(_downlink_message(device, message, message.topic))
        return str(message_id)

    async def publish_to_all(
        self,
        instance_id: int,
        product_key: str,
        names: Sequence[str],
        message: CustomMessage,
        *,
        response_topic: str | None = None,
    ) -> None:
        """Publish to a custom topic of each of several devices of a product.

        Args:
            instance_id: where the product is.
            product_key: of all the devices.
            names: DeviceNames.
            message: its topic has ``${productKey}`` and ``${deviceName}`` in place of the names.
            response_topic: MQTT 5 response topic in the same form.

        Raises:
            BusinessError: as ``publish``, and iot.messagebroker.InvalidMqttResponseTopic. Nothing was sent.
        """
        product = await self._products.get(instance_id, product_key)
        devices = await self._all(product, names)
        messages = []
        for device in devices:
            topic = fill_template(message.topic, product_key, device.name)
            name, rest = device_topic(topic, product_key)
            if name != device.name:
                raise INVALID_FORMATTED_TOPIC_NAME("The topic names no device, or always the same.")
            await self._check_publishable(product, rest, message)
            one = message
            if response_topic is not None:
                filled = fill_template(response_topic, product_key, device.name)
                if not is_topic(filled):
                    raise errors.INVALID_MQTT_RESPONSE_TOPIC()
                properties = {**message.properties, "response_topic": filled}
                one = msgspec.structs.replace(message, properties=properties)
            messages.append(_downlink_message(device, one, topic))
        for outgoing in messages:
            await self._downlink.send(outgoing)

    async def _check_publishable(self, product: Product, rest: str, message: CustomMessage) -> None:
        permissions = await self._topics.permissions(product.id)
        if not permissions.may_subscribe(rest):
            if permissions.may_publish(rest):
                raise errors.PUBLISH_MESSAGE_FAILED("The topic's category does not permit devices to subscribe.")
            raise TOPIC_TEMPLATE_IS_NOT_FOUND(f"The product has no topic category for {rest}.")
        if len(message.payload) > MAX_PAYLOAD:
            raise errors.PUBLISH_MESSAGE_FAILED(f"A message has at most {MAX_PAYLOAD} bytes.")

    async def rrpc(
        self,
        device: Device,
        message_id: int,
        request: bytes,
        timeout_ms: int,
        *,
        topic: str | None,
        content_type: str | None,
    ) -> bytes:
        """Send a request to a device and return its answer.

        Args:
            device: who is asked.
            message_id: identifies the request; part of its topic.
            request: payload.
            timeout_ms: how long the answer is waited for.
            topic: a custom topic of the device; None for the system's.
            content_type: MQTT 5 content type of the request.

        Raises:
            BusinessError: iot.messagebroker.InvalidFormattedTopicName, iot.messagebroker.RrpcFailed;
                iot.messagebroker.OFFLINE: nothing was sent; iot.messagebroker.TIMEOUT, iot.messagebroker.HALFCONN: the
                device may have got the request.
        """
        if len(request) > MAX_PAYLOAD:
            raise errors.RRPC_FAILED(f"A request has at most {MAX_PAYLOAD} bytes.")
        if topic is None:
            return await self._rrpc.system(device, request, message_id, timeout_ms, content_type=content_type)
        name, _ = device_topic(topic, device.product_key)
        if name != device.name:
            raise INVALID_FORMATTED_TOPIC_NAME("The topic is one of another device.")
        return await self._rrpc.custom(device, topic, request, message_id, timeout_ms, content_type=content_type)


def _downlink_message(device: Device, message: CustomMessage, topic: str) -> DownlinkMessage:
    return DownlinkMessage(
        device_id=device.id,
        topic=topic,
        payload=message.payload,
        qos=message.qos,
        retain=message.retain,
        expiry=message.expiry,
        properties=message.properties,
        needs_subscription=True,
    )


def _script_failed(error: ParsingError) -> str:
    return f"The product's data-parsing script failed: {error.reason} ({error.code})."


def _object(text: str, name: str, failed: ErrorCode) -> dict[str, Any]:
    try:
        return _decode_object(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise failed(f"{name} is not a JSON object.") from error
