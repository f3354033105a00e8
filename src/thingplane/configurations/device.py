"""What devices ask of this slice (device-protocol reference, 8.2)."""

import msgspec

from thingplane.alink import Code, Handler, Uplink
from thingplane.cloud import Services
from thingplane.configurations.service import ConfigurationService, NoConfigurationError


class _Wanted(msgspec.Struct):
    configScope: str = "product"
    getType: str = "file"


_read = msgspec.json.Decoder(_Wanted).decode


class ConfigurationRequests:
    """Handler of ``thing/config/get``."""

    def __init__(self, configurations: ConfigurationService) -> None:
        """Take the service."""
        self._configurations = configurations

    async def get(self, uplink: Uplink) -> None:
        """Tell a device where the configuration of its product is."""
        try:
            wanted = _read(uplink.params)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
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


def handlers(services: Services) -> dict[str, Handler]:
    """Return the handlers by topic below ``/sys/{productKey}/{deviceName}/``."""
    requests = ConfigurationRequests(services.get(ConfigurationService))
    return {"thing/config/get": requests.get}
