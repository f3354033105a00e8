"""The ways in for devices: MQTT, HTTPS and CoAP. The node starts their listeners when everything else runs."""

import ssl
from collections.abc import Callable
from typing import cast

from thingplane.alink.handlers import HandlerTable
from thingplane.bus import Background
from thingplane.coap_access.metrics import HELP as COAP_HELP
from thingplane.coap_access.resources import Resources
from thingplane.coap_access.service import CoapService
from thingplane.descriptors import left_for_devices
from thingplane.gateway.device_tls import DeviceTls
from thingplane.gateway.metrics import HELP
from thingplane.gateway.ports import Devices
from thingplane.gateway.psk import PskKeys
from thingplane.gateway.service import Gateway
from thingplane.gateway.settings import GatewaySettings
from thingplane.http.application import DeviceHttp
from thingplane.parsing.custom import CustomMessages
from thingplane.settings import Settings
from thingplane.topics.outgoing import CustomOutgoing
from thingplane.wiring.fleet import Fleet
from thingplane.wiring.forwarded import Forwarded
from thingplane.wiring.ground import Ground
from thingplane.wiring.things import Things


class Doors:
    """What devices connect to."""

    def __init__(self, ground: Ground, table: HandlerTable, forwarded: Forwarded, fleet: Fleet, things: Things) -> None:
        self._devices = fleet.devices
        self._psk_mode = ground.settings.mqtt_psk
        self._background = Background("checking certificates of devices")
        self._keys = PskKeys(self._known_devices)
        self._mqtt(ground, table, forwarded, fleet)
        self._requests(ground, fleet)
        forwarding = CustomOutgoing(forwarded.forwarder, fleet.products)
        messages = CustomMessages(things.parsing, fleet.logs, forwarding.on_custom_message)
        self.gateway.on_custom_message(messages.on_custom_message)

    @property
    def _known_devices(self) -> Devices:
        # It takes back only the devices that it gave.
        return cast("Devices", self._devices)

    def _mqtt(self, ground: Ground, table: HandlerTable, forwarded: Forwarded, fleet: Fleet) -> None:
        self.gateway = Gateway(
            devices=self._known_devices,
            topics=fleet.topics,
            topology=fleet.topology,
            products=fleet.products,
            identities=fleet.devices,
            table=table,
            commit=forwarded.commits,
            database=ground.database,
            bus=ground.bus,
            clock=ground.clock,
            settings=_gateway_settings(ground.settings),
        )
        ground.at_start(self.gateway.open)
        fleet.devices.on_delete.append(self.gateway.store.remove_device)
        ground.metrics.add(self.gateway.reading, HELP)

    def _requests(self, ground: Ground, fleet: Fleet) -> None:
        """HTTPS and CoAP."""
        settings, clock = ground.settings, ground.clock
        self.http = DeviceHttp(
            fleet.devices,
            fleet.products,
            self.gateway.entrance,
            clock,
            token_seconds=settings.device_token_hours * 3600,
            per_minute=settings.mqtt_connects_per_minute,
        )
        resources = Resources(
            fleet.devices,
            fleet.products,
            self.gateway.entrance,
            clock,
            ground.bus,
            token_seconds=settings.device_token_hours * 3600,
            max_sessions=settings.coap_sessions,
            per_minute=settings.mqtt_connects_per_minute,
        )
        self.coap = CoapService(resources, self._keys, max_sessions=settings.coap_sessions)
        ground.metrics.add(self.coap.counters.reading, COAP_HELP)

    def device_tls(self, make: Callable[[], ssl.SSLContext]) -> ssl.SSLContext:
        """Return the TLS context for devices, and let the gateway use others when their authorities change.

        Args:
            make: returns a context with the server certificate.

        Raises:
            ValueError: TLS-PSK is wanted but this Python can't do it.
        """
        certificates = self._devices.certificates
        tls = DeviceTls(make, self._keys, self._psk_mode)

        def use() -> ssl.SSLContext:
            authorities = [authority.certificate for authority in certificates.authorities]
            context = tls.context(authorities)
            self.gateway.use_tls(context, tls.keys, tls.context([]) if authorities else None)
            return context

        def changed() -> None:
            use()
            self._background.run(self.gateway.check_certificates())

        certificates.on_change.append(changed)
        return use()


def _gateway_settings(settings: Settings) -> GatewaySettings:
    return GatewaySettings(
        plain=settings.mqtt_plain,
        connects_per_minute=settings.mqtt_connects_per_minute,
        publishes_per_second=settings.mqtt_publishes_per_second,
        write_buffer=settings.mqtt_write_buffer,
        offline_seconds=settings.offline_days * 86_400,
        offline_messages_per_device=settings.offline_messages_per_device,
        offline_bytes_per_device=settings.offline_bytes_per_device,
        offline_bytes=settings.offline_bytes,
        connections=left_for_devices(settings.mqtt_connections),
        newcomers=settings.mqtt_newcomers,
        sub_devices_online=settings.sub_devices_online_per_gateway,
        sub_devices_per_login=settings.sub_devices_per_login,
        sub_device_logins_per_second=settings.mqtt_logins_per_second,
        sub_device_logins_per_minute=settings.mqtt_logins_per_minute,
    )
