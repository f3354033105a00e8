"""REPUBLISH: to topics of devices, system topics and custom ones (guide 4.13.2)."""

import re
from typing import Final

from thingplane.bus import Downlink, DownlinkMessage
from thingplane.devices.service import DeviceService
from thingplane.rules.actions.configurations import Republish
from thingplane.rules.destinations.protocol import DestinationError, Record

MAX_TOPIC: Final = 256
_SYSTEM: Final = re.compile(r"/sys/([^/+#\0]+)/([^/+#\0]+)/thing/service/(?:property/set|[\w:.]+)")
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

    async def send(self, record: Record) -> None:
        topic = self._configuration.topic.render(record.columns)
        is_system = self._configuration.is_system
        match = (_SYSTEM if is_system else _CUSTOM).fullmatch(topic)
        if match is None or len(topic) > MAX_TOPIC or (not is_system and topic.startswith("/sys/")):
            raise DestinationError("the variables do not make a topic of a device", permanent=True)
        device = await self._devices.find(match[1], match[2])
        if device is None or device.instance_id != self._instance_id:
            raise DestinationError("there is no such device", permanent=True)
        await self._downlink.send(
            DownlinkMessage(device_id=device.id, topic=topic, payload=record.payload, needs_subscription=not is_system)
        )
