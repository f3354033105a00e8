"""Messages on custom topics that ask for the script with ``?_sn=default`` (device-protocol, 11.3)."""

from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from thingplane.alink import Uplink
from thingplane.device_logs.service import DeviceLogs
from thingplane.parsing.errors import ParsingError
from thingplane.parsing.service import ParsingService

MARK: Final = "?_sn=default"

Handler = Callable[[Uplink], Awaitable[None] | None]

_log = structlog.get_logger(__name__)


class CustomMessages:
    """Stands before whoever takes the messages on custom topics."""

    def __init__(self, parsing: ParsingService, logs: DeviceLogs, then: Handler) -> None:
        """Take what is needed.

        Args:
            parsing: runs scripts.
            logs: learn of messages that cannot be parsed.
            then: gets all messages; those with the mark with what the script has made of them.
        """
        self._parsing = parsing
        self._logs = logs
        self._then = then

    def on_custom_message(self, uplink: Uplink) -> Awaitable[None] | None:
        """Handle a message; the mark is its ``capture``, no longer in its topic."""
        return self._transformed(uplink) if uplink.capture == MARK else self._then(uplink)

    async def _transformed(self, uplink: Uplink) -> None:
        try:
            uplink.payload = await self._parsing.transform(uplink.device.product_id, uplink.topic, uplink.payload)
        except ParsingError as error:
            self._logs.note(uplink.device.id, "script", error.code, f"{error.reason}; topic {uplink.topic}")
            _log.warning(
                "a custom message could not be parsed and is dropped",
                code=int(error.code),
                reason=error.reason,
                product_key=uplink.device.product_key,
                device_name=uplink.device.name,
                topic=uplink.topic,
            )
            return
        pending = self._then(uplink)
        if pending is not None:
            await pending
