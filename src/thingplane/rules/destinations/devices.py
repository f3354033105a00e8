"""REPUBLISH (guide 4.13.2) and topic routes (guide 4.12.5): to topics of devices."""

import re
from typing import Final

from thingplane.bus import DeviceBusyError, Downlink, DownlinkMessage
from thingplane.clock import Clock
from thingplane.devices.service import Device, DeviceService
from thingplane.rules.actions.configurations import Republish
from thingplane.rules.destinations.protocol import DestinationError, Record

MAX_TOPIC: Final = 256
_SYSTEM: Final = re.compile(r"/sys/([^/+#\0]+)/([^/+#\0]+)/thing/service/(?:property/set|[\w:.]+)")
_NO_PROPERTIES: Final[dict[str, object]] = {}
_CUSTOM: Final = re.compile(r"/([^/+#\0]+)/([^/+#\0]+)(?:/[^/+#\0]+)+")


class DeviceTopic:
    """Publishes payloads as they are: for a system topic, too, the SELECT of the rule has to make what devices read.

    A device that is offline, or has not subscribed the custom topic, misses the message, as with any of QoS 0.
    """

    def __init__(self, configuration: Republish, instance_id: int, devices: DeviceService, downlink: Downlink) -> None:
        """Take a configuration.

        Args:
            configuration: of the action.
            instance_id: of the rule: devices of others are not reached.
            devices: finds devices.
            downlink: the way to them.
        """
        self.region = ""
        self.resource = configuration.topic.text
        self._configuration = configuration
        self._instance_id = instance_id
        self._devices = devices
        self._downlink = downlink

    def offer(self, record: Record) -> bool:
        topic, product_key, name = self._topic(record)
        device = self._devices.cached(product_key, name)
        return device is not None and self._downlink.offer(self._message(device, topic, record)) is not None

    async def send(self, record: Record) -> None:
        topic, product_key, name = self._topic(record)
        device = await self._devices.find(product_key, name)
        if device is None:
            raise DestinationError("there is no such device", permanent=True)
        await self._downlink.send(self._message(device, topic, record))

    def _topic(self, record: Record) -> tuple[str, str, str]:
        topic = self._configuration.topic.render(record.columns)
        is_system = self._configuration.is_system
        match = (_SYSTEM if is_system else _CUSTOM).fullmatch(topic)
        if match is None or len(topic) > MAX_TOPIC or (not is_system and topic.startswith("/sys/")):
            raise DestinationError("the variables do not make a topic of a device", permanent=True)
        return topic, match[1], match[2]

    def _message(self, device: Device, topic: str, record: Record) -> DownlinkMessage:
        if device.instance_id != self._instance_id:
            raise DestinationError("there is no such device", permanent=True)
        return DownlinkMessage(
            device_id=device.id,
            topic=topic,
            payload=record.payload,
            needs_subscription=not self._configuration.is_system,
        )


class RoutedTopic:
    """Publishes messages as they were published: with their QoS and MQTT 5 properties.

    With QoS 1 a message is kept for a session that outlives its connection. A device that is connected but has as many
    messages waiting as it may gets further tries.
    """

    def __init__(self, topic: str, device_id: int, clock: Clock, downlink: Downlink) -> None:
        """Take the end of a route.

        Args:
            topic: custom topic.
            device_id: whose it is.
            clock: tells how long a message has waited.
            downlink: the way to the device.
        """
        self.region = ""
        self.resource = topic
        self._device_id = device_id
        self._clock = clock
        self._downlink = downlink

    def offer(self, record: Record) -> bool:
        return self._downlink.offer(self._message(record)) is not None

    async def send(self, record: Record) -> None:
        try:
            await self._downlink.send(self._message(record))
        except DeviceBusyError:
            raise DestinationError("the device does not keep up") from None

    def _message(self, record: Record) -> DownlinkMessage:
        message = record.message
        properties, expiry = _NO_PROPERTIES, None
        if message.properties is not None:
            properties = dict(message.properties)
            given = properties.pop("expiry", None)
            if isinstance(given, int):
                # The time that it has waited here counts (MQTT 5, 3.3.2.3.3).
                expiry = max(0, given - (self._clock.now_ms() - message.generated) // 1000)
        return DownlinkMessage(
            device_id=self._device_id,
            topic=self.resource,
            payload=record.payload,
            qos=message.qos,
            expiry=expiry,
            properties=properties,
            needs_subscription=True,
            needs_room=True,
        )
