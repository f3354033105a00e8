"""What devices send to this slice (device-protocol reference, 5.10)."""

from typing import Any, Final

import msgspec

from thingplane.alink import Code, Handler, Uplink
from thingplane.cloud import BusinessError, Services
from thingplane.desired.service import DesiredPropertyService

MAX_PROPERTIES: Final = 200
"""Properties of one request (device-protocol, 12)."""
TOO_MANY_PROPERTIES: Final = 6104

_decode = msgspec.json.Decoder(list[str] | dict[str, Any]).decode
_decode_deletion = msgspec.json.Decoder(dict[str, dict[str, Any] | None]).decode
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class DesiredRequests:
    """Handlers of ``thing/property/desired/get`` and ``delete``."""

    def __init__(self, desired: DesiredPropertyService) -> None:
        """Take the service."""
        self._desired = desired

    async def get(self, uplink: Uplink) -> None:
        """Tell a device what is desired: of the properties it names, of all when it names none."""
        try:
            identifiers = _decode(uplink.params)
        except _UNREADABLE:
            identifiers = {"": None}
        if isinstance(identifiers, dict) and identifiers:
            uplink.reply(Code.PARAMETER_ERROR)
            return
        if len(identifiers) > MAX_PROPERTIES:
            _refuse(uplink)
            return
        found = await self._desired.read(uplink.device.id, identifiers or None)
        values = {
            identifier: {"value": msgspec.Raw(desired.value.encode()), "version": desired.version}
            for identifier, desired in found.items()
            if desired.value is not None
        }
        uplink.reply(data=msgspec.json.encode(values))

    async def delete(self, uplink: Uplink) -> None:
        """Clear what is desired; a property with another version than the device names is left alone."""
        try:
            params = _decode_deletion(uplink.params)
        except _UNREADABLE:
            uplink.reply(Code.PARAMETER_ERROR)
            return
        if len(params) > MAX_PROPERTIES:
            _refuse(uplink)
            return
        versions = {identifier: (entry or {}).get("version") for identifier, entry in params.items()}
        if not all(version is None or type(version) is int for version in versions.values()):
            uplink.reply(Code.PARAMETER_ERROR)
            return
        try:
            await self._desired.clear(uplink.device.id, versions)
        except BusinessError as error:
            uplink.reply(Code.DEVICE_NOT_FOUND, message=error.message)
            return
        uplink.reply()


def _refuse(uplink: Uplink) -> None:
    uplink.reply(TOO_MANY_PROPERTIES, message=f"at most {MAX_PROPERTIES} desired properties")


def handlers(services: Services) -> dict[str, Handler]:
    """Return the handlers by topic below ``/sys/{productKey}/{deviceName}/``."""
    requests = DesiredRequests(services.get(DesiredPropertyService))
    return {"thing/property/desired/get": requests.get, "thing/property/desired/delete": requests.delete}
