"""From the configuration of an action to its destination."""

from thingplane.bus import Downlink
from thingplane.devices.service import DeviceService
from thingplane.forwarding.service import Forwarder
from thingplane.rules.actions.configurations import Amqp, Configuration, Republish
from thingplane.rules.destinations.consumer_groups import ConsumerGroup
from thingplane.rules.destinations.devices import DeviceTopic
from thingplane.rules.destinations.external import ExternalDestinations
from thingplane.rules.destinations.protocol import Destination
from thingplane.rules.groups import Groups


class Destinations:
    """Opens destinations: those inside of the platform, and by way of the settings those outside."""

    def __init__(
        self,
        forwarder: Forwarder,
        groups: Groups,
        devices: DeviceService,
        downlink: Downlink,
        external: ExternalDestinations,
    ) -> None:
        """Wire.

        Args:
            forwarder: the log, on the way to consumer groups.
            groups: the consumer groups.
            devices: finds devices.
            downlink: the way to devices.
            external: what settings put in the place of the vendor's services.
        """
        self._forwarder = forwarder
        self._groups = groups
        self._devices = devices
        self._downlink = downlink
        self._external = external

    async def open(self, configuration: Configuration, instance_id: int) -> Destination:
        """Return the destination of an action; nothing is connected before the first record.

        Args:
            configuration: of the action.
            instance_id: of the rule.

        Raises:
            BusinessError: iot.consumer.group.ConsumerGroupNotExist.
            SetupError: settings name nothing for the configuration, or a package is not installed.
        """
        if isinstance(configuration, Republish):
            return DeviceTopic(configuration, instance_id, self._devices, self._downlink)
        if isinstance(configuration, Amqp):
            group = await self._groups.group(instance_id, configuration.group_id)
            return ConsumerGroup(configuration, group.subscriber, self._forwarder)
        return self._external.open(configuration)

    async def close(self) -> None:
        """Close the connections of all destinations."""
        await self._external.close()
