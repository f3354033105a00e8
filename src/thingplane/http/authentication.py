"""``POST /auth``: a signature for a token (device-protocol, 10.1); and ``/auth/devicename``, one for MQTT (2.6)."""

from collections.abc import Callable, Mapping
from typing import Final

import structlog

from thingplane.clock import Clock
from thingplane.devices.service import DeviceService
from thingplane.gateway.signed_requests import NotSignedError, Reason, SignedRequests
from thingplane.http.answers import Code, data, info, refused, refused_registration
from thingplane.throttle import Throttle

_log = structlog.get_logger(__name__)

TIMESTAMP_WINDOW_MS: Final = 15 * 60_000
SDK_TIMESTAMP: Final = "2524608000000"
"""What the vendor's SDKs for C say instead of the time, since small devices don't know it."""
_PARAMETER_ERROR: Final = (460, "request parameter error")
_REFUSALS: Final[dict[Reason, tuple[int, str]]] = {
    "method": _PARAMETER_ERROR,
    "unknown": (5001, "device meta not found"),
    "signature": (401, "sign failed"),
    "auth_type": (6200, "auth type mismatch"),
    "disabled": (6204, "device disabled"),
}
"""What those who ask for MQTT's user name and password are told."""


class HttpAuthentication:
    """Gives out tokens."""

    def __init__(
        self,
        identities: DeviceService,
        requests: SignedRequests,
        clock: Clock,
        mqtt_endpoint: Callable[[], tuple[str, int]],
        per_minute: int = 0,
    ) -> None:
        """Wire.

        Args:
            identities: issues tokens.
            requests: finds out who has signed.
            clock: the time.
            mqtt_endpoint: returns host and port for MQTT.
            per_minute: authentications of one device a minute; 0 = unlimited.
        """
        self._identities = identities
        self._requests = requests
        self._clock = clock
        self._mqtt_endpoint = mqtt_endpoint
        self._throttle = Throttle(per_minute, 60, clock.monotonic)

    async def token(self, fields: Mapping[str, str]) -> bytes:
        """Answer ``/auth``.

        Raises:
            RefusedError: no token for this.
        """
        if fields.get("version", "default") != "default":
            raise refused(Code.PARAMETER_ERROR)
        self._check_timestamp(fields.get("timestamp", ""))
        try:
            device = await self._requests.signer(fields)
        except ValueError:
            raise refused(Code.PARAMETER_ERROR) from None
        except NotSignedError as error:
            code = Code.PARAMETER_ERROR if error.reason == "method" else Code.AUTHENTICATION_FAILED
            raise refused(code) from None
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

    async def mqtt_credentials(self, fields: Mapping[str, str]) -> bytes:
        """Answer ``/auth/devicename``: user name and password for MQTT, and where it is.

        Raises:
            RefusedError: none for this.
        """
        try:
            device = await self._requests.signer(fields)
        except ValueError:
            raise refused_registration(*_PARAMETER_ERROR) from None
        except NotSignedError as error:
            raise refused_registration(*_REFUSALS[error.reason]) from None
        if self._throttle.exceeded(device.id):
            raise refused_registration(429, "too many requests")
        token = await self._identities.tokens.issue(device, "mqtt")
        host, port = self._mqtt_endpoint()
        resources = {"mqtt": {"host": host, "port": port}}
        return data({"iotId": device.iot_id, "iotToken": token, "resources": resources})
