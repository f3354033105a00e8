"""What devices send to this slice (device-protocol reference, 6)."""

import structlog
from sqlalchemy.exc import SQLAlchemyError

from thingplane.alink import Handler, Uplink, raw
from thingplane.clock import Clock
from thingplane.cloud import BusinessError, Services
from thingplane.shadows import messages
from thingplane.shadows.device_request import DeviceRequest, RefusedError, read_request, refusal
from thingplane.shadows.document import ShadowError
from thingplane.shadows.service import ShadowService

_log = structlog.get_logger(__name__)


class DeviceRequests:
    """Handler of ``/shadow/update/{productKey}/{deviceName}``; every message on it is answered."""

    def __init__(self, shadows: ShadowService, clock: Clock) -> None:
        """Take what the handler needs.

        Args:
            shadows: the shadows.
            clock: time of answers.
        """
        self._shadows = shadows
        self._clock = clock

    @raw
    async def handle(self, uplink: Uplink) -> None:
        """Do what a device asks, and answer when it is durable."""
        request = DeviceRequest()
        try:
            answer = await self._answer(uplink, request)
        except RefusedError as error:
            answer = messages.refused(error.code, error.message, self._clock.now_ms(), request.token)
        uplink.replies.append((messages.topic(uplink.device.product_key, uplink.device.name), answer))

    async def _answer(self, uplink: Uplink, request: DeviceRequest) -> bytes:
        if self._shadows.rate.exceeded(uplink.device.id):
            raise RefusedError(429, "too many requests")
        read_request(uplink.payload, request)
        try:
            if request.change is None:
                shadow = await self._shadows.fetch(uplink.device)
                return messages.fetched(shadow, self._clock.now_ms(), request.token)
            shadow = await self._shadows.report(uplink.device, request.change)
        except ShadowError as error:
            raise refusal(error) from error
        except BusinessError as error:
            raise RefusedError(500, error.message) from error
        except SQLAlchemyError as error:
            _log.exception("a shadow could not be used", device=uplink.device.name, topic=uplink.topic)
            raise RefusedError(500, "server error") from error
        return messages.changed(shadow, self._clock.now_ms(), request.token)


def handlers(services: Services) -> dict[str, Handler]:
    """Return the handler by its topic without the device."""
    shadows = services.get(ShadowService)
    return {"/shadow/update": DeviceRequests(shadows, shadows.clock).handle}
