"""What devices ask of this slice (device-protocol reference, 8.2)."""

from typing import Final

import msgspec
import structlog

from thingplane.alink import Code, Handler, Uplink
from thingplane.cloud import Services
from thingplane.configurations.service import ConfigurationService, NoConfigurationError
from thingplane.devices.service import DeviceService
from thingplane.forwarding import bodies
from thingplane.forwarding.service import Forwarder, Kind

_log = structlog.get_logger(__name__)


class _Wanted(msgspec.Struct):
    configScope: str = "product"
    getType: str = "file"


_read = msgspec.json.Decoder(_Wanted).decode


class _Reply(msgspec.Struct):
    id: str | int
    code: int = 0
    data: msgspec.Raw = msgspec.Raw(b"{}")
    message: str = ""


_read_reply = msgspec.json.Decoder(_Reply).decode
_UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_LONGEST_ID: Final = 20


class ConfigurationRequests:
    """Handlers of ``thing/config/get`` and ``thing/config/push_reply``."""

    def __init__(self, configurations: ConfigurationService, devices: DeviceService, forwarder: Forwarder) -> None:
        """Take what is needed.

        Args:
            configurations: tells where the configurations are.
            devices: the service of devices.
            forwarder: takes replies to pushes.
        """
        self._configurations = configurations
        self._devices = devices
        self._forwarder = forwarder

    async def get(self, uplink: Uplink) -> None:
        """Tell a device where the configuration of its product is."""
        try:
            wanted = _read(uplink.params)
        except _UNREADABLE:
            uplink.reply(Code.PARAMETER_ERROR)
            return
        if (wanted.configScope, wanted.getType) != ("product", "file"):
            uplink.reply(Code.PARAMETER_ERROR, message="configScope is product, getType is file")
            return
        try:
            data = await self._configurations.announcement(uplink.device)
        except NoConfigurationError as error:
            uplink.reply(error.code, message=error.message)
            return
        uplink.reply(data=data)

    async def pushed(self, uplink: Uplink) -> None:
        """Forward what a device says to a push, as the reply to a downlink (rules and subscription reference, 3.7)."""
        identity = f"/{uplink.device.product_key}/{uplink.device.name}"
        topic = identity + "/thing/downlink/reply/message"
        if not self._forwarder.wanted(Kind.REPLY, uplink.device.product_id, topic):
            return
        try:
            reply = _read_reply(uplink.payload)
            text = str(reply.id)
            is_number = text.isascii() and text.isdecimal() and len(text) <= _LONGEST_ID
            data = bytes(reply.data) if type(msgspec.json.decode(reply.data)) is dict else b"{}"
        except _UNREADABLE:
            is_number = False
        device = await self._devices.by_id(uplink.device.id)
        if device is None or not is_number:
            _log.info("a reply of a device is not understood", device=uplink.device.name, topic=uplink.topic)
            return
        source = device.source(await self._configurations.category(device.product_id))
        pushed = f"/sys{identity}/thing/config/push"
        body = bodies.reply(source, uplink.received, int(text), reply.code, reply.message, pushed, data)
        self._forwarder.forward(Kind.REPLY, source, topic, body, qos=uplink.qos)


def handlers(services: Services) -> dict[str, Handler]:
    """Return the handlers by topic below ``/sys/{productKey}/{deviceName}/``."""
    requests = ConfigurationRequests(
        services.get(ConfigurationService), services.get(DeviceService), services.get(Forwarder)
    )
    return {"thing/config/get": requests.get, "thing/config/push_reply": requests.pushed}
