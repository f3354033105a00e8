"""``POST /auth``: a signature for a token (device-protocol, 10.1); and ``/auth/devicename``, one for MQTT (2.6)."""

from collections.abc import Callable, Mapping
from typing import Final

import structlog

from thingplane.alink import is_signed
from thingplane.clock import Clock
from thingplane.devices.service import Device, DeviceService
from thingplane.http.answers import Code, data, info, refused, refused_registration
from thingplane.http.requests import signed
from thingplane.products.service import ProductService
from thingplane.throttle import Throttle

_log = structlog.get_logger(__name__)

MAX_CLIENT_ID: Final = 64
TIMESTAMP_WINDOW_MS: Final = 15 * 60_000
SDK_TIMESTAMP: Final = "2524608000000"
"""What the vendor's SDKs for C say instead of the time, since small devices don't know it."""
_METHODS: Final = frozenset({"hmacmd5", "hmacsha1", "hmacsha256"})
_UNSIGNED: Final = frozenset({"version", "sign", "signmethod", "resources"})
_NEEDED: Final = ("productKey", "deviceName", "clientId", "sign")


class HttpAuthentication:
    """Gives out tokens."""

    def __init__(
        self,
        identities: DeviceService,
        products: ProductService,
        clock: Clock,
        mqtt_endpoint: Callable[[], tuple[str, int]],
        per_minute: int = 0,
    ) -> None:
        """Wire.

        Args:
            identities: finds devices, issues tokens.
            products: knows how devices of a product authenticate.
            clock: the time.
            mqtt_endpoint: returns host and port for MQTT.
            per_minute: authentications of one device a minute; 0 = unlimited.
        """
        self._identities = identities
        self._products = products
        self._clock = clock
        self._mqtt_endpoint = mqtt_endpoint
        self._throttle = Throttle(per_minute, 60, clock.monotonic)

    async def token(self, fields: Mapping[str, str]) -> bytes:
        """Answer ``/auth``.

        Raises:
            RefusedError: no token for this.
        """
        if not all(fields.get(name) for name in _NEEDED) or len(fields["clientId"]) > MAX_CLIENT_ID:
            raise refused(Code.PARAMETER_ERROR)
        method = fields.get("signmethod") or "hmacmd5"
        if method.lower() not in _METHODS or fields.get("version", "default") != "default":
            raise refused(Code.PARAMETER_ERROR)
        self._check_timestamp(fields.get("timestamp", ""))
        device = await self._device(fields, method)
        if device is None:
            _log.info("authentication refused", product_key=fields["productKey"][:64], name=fields["deviceName"][:64])
            raise refused(Code.AUTHENTICATION_FAILED)
        if self._throttle.exceeded(device.id):
            raise refused(Code.TOO_MANY_REQUESTS)
        try:
            token = await self._identities.tokens.issue(device, "http")
        except Exception:  # noqa: BLE001 - whatever failed, the guide has a code for it
            _log.exception("token could not be issued", device=repr(device))
            raise refused(Code.SESSION_ERROR) from None
        return info({"token": token})

    def _check_timestamp(self, text: str) -> None:
        if not text or text == SDK_TIMESTAMP:
            return
        if not (text.isascii() and text.isdecimal() and len(text) < 20):
            raise refused(Code.PARAMETER_ERROR)
        if abs(int(text) - self._clock.now_ms()) > TIMESTAMP_WINDOW_MS:
            raise refused(Code.AUTHENTICATION_FAILED)

    async def _device(self, fields: Mapping[str, str], method: str) -> Device | None:
        """Return the device that has signed; None if it has not, or may not."""
        device = await self._identities.find(fields["productKey"], fields["deviceName"])
        if device is None or not is_signed(device.secret, method, signed(fields, _UNSIGNED), fields["sign"]):
            return None
        product = await self._products.find(device.product_key)
        return device if device.enabled and product is not None and product.auth_type == "secret" else None

    async def mqtt_credentials(self, fields: Mapping[str, str]) -> bytes:
        """Answer ``/auth/devicename``: user name and password for MQTT, and where it is.

        Raises:
            RefusedError: none for this.
        """
        method = fields.get("signmethod") or "hmacmd5"
        if not all(fields.get(name) for name in _NEEDED) or method.lower() not in _METHODS:
            raise refused_registration(460, "request parameter error")
        device = await self._identities.find(fields["productKey"], fields["deviceName"])
        if device is None:
            raise refused_registration(5001, "device meta not found")
        if not is_signed(device.secret, method, signed(fields, _UNSIGNED), fields["sign"]):
            raise refused_registration(401, "sign failed")
        product = await self._products.find(device.product_key)
        if product is None or product.auth_type != "secret":
            raise refused_registration(6200, "auth type mismatch")
        if not device.enabled:
            raise refused_registration(6204, "device disabled")
        if self._throttle.exceeded(device.id):
            raise refused_registration(429, "too many requests")
        token = await self._identities.tokens.issue(device, "mqtt")
        host, port = self._mqtt_endpoint()
        resources = {"mqtt": {"host": host, "port": port}}
        return data({"iotId": device.iot_id, "iotToken": token, "resources": resources})
