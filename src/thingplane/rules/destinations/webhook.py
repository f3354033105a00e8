"""FC: to a webhook, with a signature."""

import hashlib
import hmac
from urllib.parse import quote

from thingplane.clock import Clock
from thingplane.outbound import Outbound, OutboundError
from thingplane.rules.actions.configurations import Function
from thingplane.rules.destinations.protocol import DestinationError, Record
from thingplane.rules.destinations.settings import FunctionEntry


class Webhook:
    """Posts payloads. Any answer of 200 to 299 is success.

    Headers tell what is sent and why; names and topics are percent-encoded UTF-8. With a secret,
    ``X-Thingplane-Signature`` is ``sha256=`` and the hexadecimal HMAC-SHA256 of the text of
    ``X-Thingplane-Timestamp``, a dot, and the body.
    """

    def __init__(self, configuration: Function, entry: FunctionEntry, outbound: Outbound, clock: Clock) -> None:
        """Take a configuration.

        Args:
            configuration: of the action.
            entry: of the settings.
            outbound: the HTTP client.
            clock: time of signatures.
        """
        self.region = configuration.region
        self.resource = f"{configuration.service}/{configuration.function}"
        self._configuration = configuration
        self._entry = entry
        self._outbound = outbound
        self._clock = clock

    async def send(self, record: Record) -> None:
        try:
            answer = await self._outbound.request(
                "POST",
                self._entry.url,
                headers=self._headers(record),
                body=record.payload,
                timeout=self._entry.timeout_s,
            )
        except OutboundError as error:
            raise DestinationError(str(error)) from error
        if not 200 <= answer.status < 300:
            raise DestinationError(f"the webhook answered {answer.status}")

    def _headers(self, record: Record) -> dict[str, str]:
        timestamp = str(self._clock.now_ms())
        is_json = record.columns or record.payload[:1] in {b"{", b"["}
        headers = {
            "Content-Type": "application/json" if is_json else "application/octet-stream",
            "X-Thingplane-Rule": _encoded(record.rule),
            "X-Thingplane-Message-Id": str(record.message.message_id),
            "X-Thingplane-Topic": _encoded(record.message.topic),
            "X-Thingplane-Service": _encoded(self._configuration.service),
            "X-Thingplane-Function": _encoded(self._configuration.function),
            "X-Thingplane-Timestamp": timestamp,
        }
        if self._entry.secret:
            signed = timestamp.encode() + b"." + record.payload
            digest = hmac.digest(self._entry.secret.encode(), signed, hashlib.sha256)
            headers["X-Thingplane-Signature"] = f"sha256={digest.hex()}"
        return headers


def _encoded(text: str) -> str:
    return quote(text, safe="/:+-_.")
