"""``GET /forwarded-messages`` on the API port: what the log has of a device, for ``thingplane messages``.

The request is signed like a call of the cloud API, by a key of the account itself. Parameters: ``ProductKey``,
``DeviceName``, ``After`` (a position; absent: from the beginning of the log), ``Limit`` (of the last messages).
"""

import base64
from collections import deque
from typing import Any, Final

import msgspec

from thingplane import ids
from thingplane.clock import Clock
from thingplane.cloud.credentials import KeyRing
from thingplane.cloud.errors import GatewayError
from thingplane.cloud.form import Form
from thingplane.cloud.http import Receive, Scope, Send, respond
from thingplane.cloud.signature import Authenticator, SignedCall
from thingplane.forwarding.service import Forwarded, Forwarder
from thingplane.storage.timeseries import TimeSeriesError

PATH: Final = "/forwarded-messages"
MAX_LIMIT: Final = 1000
_JSON: Final = b"application/json; charset=utf-8"


class LoggedMessage(msgspec.Struct, rename="camel"):
    """A message of the log as the answer shows it."""

    position: int
    message_id: str
    generated: int
    """Epoch milliseconds."""
    kind: str
    topic: str
    qos: int
    due_to: list[str]
    """Subscribers."""
    body: Any
    """JSON if it is, else text if it is UTF-8, else in Base64 as ``{"base64": …}``."""


class LoggedMessages(msgspec.Struct, rename="camel"):
    """An answer."""

    messages: list[LoggedMessage]
    next: int
    """``After`` of the next request."""


class MessageLog:
    """Answers the request."""

    def __init__(self, forwarder: Forwarder, keys: KeyRing, clock: Clock) -> None:
        """Wire.

        Args:
            forwarder: has the log.
            keys: sign requests.
            clock: how old a request may be.
        """
        self._forwarder = forwarder
        self._authenticator = Authenticator(keys, clock)

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        try:
            status, body = 200, msgspec.json.encode(await self._answer(scope))
        except GatewayError as error:
            status = error.status
            failure = {"Code": error.code, "Message": error.message, "RequestId": ids.request_id()}
            body = msgspec.json.encode(failure)
        except TimeSeriesError as error:
            status = 500
            body = msgspec.json.encode({"Code": "LogUnreadable", "Message": str(error)})
        await respond(send, status, _JSON, body)

    async def _answer(self, scope: Scope) -> LoggedMessages:
        if scope["method"] != "GET":
            raise GatewayError(405, "UnsupportedHTTPMethod", "This http method is not supported.")
        try:
            query = Form.parse(scope["query_string"])
        except UnicodeDecodeError as error:
            raise GatewayError(400, "InvalidParameter", "Parameters must be UTF-8.") from error
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        call = SignedCall("GET", PATH, query, query, b"", headers)
        key = self._authenticator.authenticate(call)
        if key.policy is not None:
            raise GatewayError(403, "NoPermission", "Only the account itself may read the log.")
        values = call.parameters.values
        limit = _number(values.get("Limit", "100"), "Limit")
        after = _number(values.get("After", "-1"), "After")
        product_key, name = values.get("ProductKey", ""), values.get("DeviceName", "")
        found: deque[LoggedMessage] = deque(maxlen=max(1, min(limit, MAX_LIMIT)))
        async for message, subscribers in self._forwarder.look(after):
            after = message.position
            if message.product_key == product_key and message.device_name == name:
                found.append(_shown(message, subscribers))
        return LoggedMessages(list(found), after)


def _number(text: str, name: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise GatewayError(400, "InvalidParameter", f"{name} must be a number.") from None


def _shown(message: Forwarded, subscribers: list[str]) -> LoggedMessage:
    return LoggedMessage(
        message.position,
        str(message.message_id),
        message.generated,
        message.kind.name.lower(),
        message.topic,
        message.qos,
        subscribers,
        _body(message.body),
    )


def _body(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    try:
        return body.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(body).decode()}
