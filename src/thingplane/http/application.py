"""The HTTP routes of devices, as one ASGI application beside the cloud API."""

from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple
from urllib.parse import parse_qsl

import structlog

from thingplane.clock import Clock
from thingplane.cloud.http import AsgiApp, ClientGoneError, Receive, Scope, Send
from thingplane.devices.service import (
    DeviceService,
    RegistrationRefusedError,
    TokenError,
    TokenExpiredError,
)
from thingplane.gateway.entrance import Entrance
from thingplane.gateway.signed_requests import SignedRequests, identity
from thingplane.http import answers
from thingplane.http.answers import Code, RefusedError, answer, refused, refused_registration
from thingplane.http.authentication import HttpAuthentication
from thingplane.http.requests import (
    MAX_BODY,
    MalformedError,
    body_of,
    client_ip,
    header,
    media_type,
    read_form,
    read_json,
)
from thingplane.mqtt import ReasonCode
from thingplane.products.service import ProductService

_log = structlog.get_logger(__name__)

TOKEN_SECONDS: Final = 48 * 3600
"""Life of a token; newer editions of the guide say seven days."""
_TOPIC: Final = "/topic"
_SCRIPT: Final = ("_sn", "default")
_CODES: Final = {
    ReasonCode.QUOTA_EXCEEDED: Code.TOO_MANY_REQUESTS,
    ReasonCode.TOPIC_NAME_INVALID: Code.PARAMETER_ERROR,
    ReasonCode.UNSPECIFIED_ERROR: Code.COMMON_ERROR,
}


class _Failures(NamedTuple):
    """How a family of paths answers what it can't handle."""

    malformed: bytes
    unexpected: bytes


_UPLINK_FAILURES: Final = _Failures(refused(Code.PARAMETER_ERROR).body, refused(Code.COMMON_ERROR).body)
_AUTH_FAILURES: Final = _Failures(
    refused_registration(460, "request parameter error").body, refused_registration(500, "system error").body
)

Handle = Callable[[Scope, Receive], Awaitable[bytes]]


class DeviceHttp:
    """Serves devices."""

    def __init__(
        self,
        identities: DeviceService,
        products: ProductService,
        entrance: Entrance,
        clock: Clock,
        *,
        token_seconds: int = TOKEN_SECONDS,
        per_minute: int = 0,
    ) -> None:
        """Wire.

        Args:
            identities: finds devices, issues and checks tokens, registers.
            products: knows how devices of a product authenticate.
            entrance: takes what they publish.
            clock: the time.
            token_seconds: life of a token.
            per_minute: authentications of one device a minute; 0 = unlimited.
        """
        self.mqtt_endpoint: tuple[str, int] = ("127.0.0.1", 1883)
        """Host and port that devices are told for MQTT; set when the gateway listens."""
        self._identities = identities
        self._entrance = entrance
        self._token_seconds = token_seconds
        self._requests = SignedRequests(identities, products)
        self._authentication = HttpAuthentication(
            identities, self._requests, clock, lambda: self.mqtt_endpoint, per_minute
        )
        self._below_auth: dict[str, Handle] = {
            "/auth/register/device": self._register,
            "/auth/devicename": self._devicename,
            "/auth/bootstrap": self._bootstrap,
        }

    def routes(self) -> dict[str, AsgiApp]:
        """Return the applications by path."""
        return {"/auth": self._serve_auth, "/auth/": self._serve_below_auth, f"{_TOPIC}/": self._serve_topic}

    async def _serve_auth(self, scope: Scope, receive: Receive, send: Send) -> None:
        await _serve(scope, receive, send, self._auth, _UPLINK_FAILURES)

    async def _serve_topic(self, scope: Scope, receive: Receive, send: Send) -> None:
        await _serve(scope, receive, send, self._publish, _UPLINK_FAILURES)

    async def _serve_below_auth(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"].rstrip("/")
        if path.startswith("/auth/bootstrap/regionId/") and scope["method"] == "GET":
            await answer(send, self._endpoints())
            return
        handle = self._below_auth.get(path)
        if handle is None:
            await answer(send, refused_registration(460, "there is no such path").body, 404)
            return
        await _serve(scope, receive, send, handle, _AUTH_FAILURES)

    # What is served

    async def _auth(self, scope: Scope, receive: Receive) -> bytes:
        if media_type(scope) != "application/json":
            raise MalformedError
        return await self._authentication.token(await read_json(receive))

    async def _publish(self, scope: Scope, receive: Receive) -> bytes:
        if media_type(scope) != "application/octet-stream":
            raise MalformedError
        token = header(scope, b"password")
        if not token:
            raise refused(Code.TOKEN_MISSING)
        try:
            device = await self._identities.tokens.verify(token, "http", self._token_seconds)
        except TokenExpiredError:
            raise refused(Code.TOKEN_EXPIRED) from None
        except TokenError:
            raise refused(Code.TOKEN_WRONG) from None
        if not device.enabled:
            raise refused(Code.TOKEN_WRONG)
        payload = await body_of(receive, MAX_BODY)
        topic = scope["path"].removeprefix(_TOPIC)
        if _SCRIPT in parse_qsl(scope["query_string"].decode("latin-1")):
            # On other transports the mark is a part of the topic (device-protocol, 11.3).
            topic += "?_sn=default"
        outcome = await self._entrance.publish(device, topic, payload)
        if outcome.code:
            raise refused(_CODES.get(ReasonCode(outcome.code), Code.PUBLISH_FAILED))
        self._identities.reported(device, client_ip(scope))
        return answers.info({"messageId": outcome.message_id})

    async def _register(self, _scope: Scope, receive: Receive) -> bytes:
        fields = await read_form(receive)
        try:
            device = await self._requests.register(fields, "https")
        except RegistrationRefusedError as error:
            raise refused_registration(error.code, str(error)) from None
        except ValueError:
            raise MalformedError from None
        return answers.data(identity(device))

    async def _devicename(self, _scope: Scope, receive: Receive) -> bytes:
        return await self._authentication.mqtt_credentials(await read_form(receive))

    async def _bootstrap(self, _scope: Scope, receive: Receive) -> bytes:
        fields = await read_form(receive)
        if not fields.get("productKey") or not fields.get("deviceName"):
            raise MalformedError
        return self._endpoints()

    def _endpoints(self) -> bytes:
        host, port = self.mqtt_endpoint
        return answers.data({"resources": {"mqtt": {"host": host, "port": port}}})


async def _serve(scope: Scope, receive: Receive, send: Send, handle: Handle, failures: _Failures) -> None:
    """Answer a request."""
    if scope["method"] != "POST":
        await answer(send, failures.malformed, 405)
        return
    try:
        body = await handle(scope, receive)
    except ClientGoneError:
        return
    except RefusedError as error:
        body = error.body
    except MalformedError:
        body = failures.malformed
    except Exception:  # noqa: BLE001 - whatever failed, the device must not wait for its answer for ever
        _log.exception("device request failed", path=scope["path"][:256])
        body = failures.unexpected
    await answer(send, body)
