"""Codes of replies to gateways (device-protocol reference, 3.2 and 3.3)."""

from typing import Final

from thingplane.alink import Code

INVALID_SIGN: Final = 401
PRODUCT_LOOKUP_FAILED: Final = 5005
INVALID_NAME: Final = 6280
REGISTRATION_OFF: Final = 6288
UNKNOWN_METHOD: Final = 6292
TOO_MANY_SUB_DEVICES: Final = 6400
NO_RELATION: Final = 6401
OWN_SUB_DEVICE: Final = 6402
INVALID_PRODUCT_SIGN: Final = 6600
BOUND_ELSEWHERE: Final = 6619

_MESSAGES: Final[dict[int, str]] = {
    Code.PARAMETER_ERROR: "request parameter error",
    Code.DEVICE_NOT_FOUND: "device not found",
    Code.DEVICE_DISABLED: "device disabled",
    Code.PRODUCT_NOT_FOUND: "product not found",
    INVALID_SIGN: "invalid sign",
    PRODUCT_LOOKUP_FAILED: "query product failed",
    INVALID_NAME: "device name is invalid",
    REGISTRATION_OFF: "dynamic register is off",
    UNKNOWN_METHOD: "sign method is not supported",
    TOO_MANY_SUB_DEVICES: "too many subdevices under gateway",
    NO_RELATION: "topo relation not exist",
    OWN_SUB_DEVICE: "device can not be its own sub-device",
    INVALID_PRODUCT_SIGN: "invalid product sign",
    BOUND_ELSEWHERE: "device is bound to another gateway",
}


class RefusedError(Exception):
    """A request of a gateway that fails as a whole, or for one device."""

    def __init__(self, code: int) -> None:
        super().__init__(str(code))
        self.code = code

    @property
    def message(self) -> str:
        """What the gateway reads."""
        return _MESSAGES[self.code]
