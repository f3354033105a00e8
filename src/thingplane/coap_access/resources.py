"""What devices post to: ``/auth``, ``/topic/…`` and ``/auth/register/device`` (device-protocol, 2.5 and 10.2)."""

import secrets
from collections.abc import Mapping
from typing import Final

import msgspec
import structlog

from thingplane.alink import read_fields
from thingplane.bus import Bus
from thingplane.clock import Clock
from thingplane.coap import Code, Message, Number, Request
from thingplane.coap_access.answers import CBOR, Answer, RefusedError, content, is_cbor, is_known_format
from thingplane.coap_access.encryption import DecryptionError, Key
from thingplane.coap_access.sessions import Session, Sessions
from thingplane.coap_access.translation import TranslationError, to_cbor, to_json
from thingplane.coap_access.visits import Visits
from thingplane.devices.service import (
    DeviceDeleted,
    DeviceService,
    RegistrationRefusedError,
    TokenError,
)
from thingplane.gateway.entrance import Entrance
from thingplane.gateway.signed_requests import NotSignedError, SignedRequests, identity
from thingplane.mqtt import ReasonCode
from thingplane.products.service import ProductService
from thingplane.throttle import Throttle

_log = structlog.get_logger(__name__)

TOKEN: Final = 2088
"""Option: the token, as text."""
OLD_TOKEN: Final = 61
"""Option: the token, as the vendor's Link Kit 3.x for C numbers it."""
SEQUENCE: Final = 2089
"""Option: the encrypted sequence number."""
MESSAGE_ID: Final = 2090
"""Option: the platform's id of the message, in decimal digits."""
CRITICAL: Final = frozenset({OLD_TOKEN, SEQUENCE})

OFFSET: Final = 1
MAX_AUTHENTICATION: Final = 2_048
"""Bytes of a request for a token."""
_RANDOM_BYTES: Final = 8
_CODES: Final = {
    ReasonCode.NOT_AUTHORIZED: Code.FORBIDDEN,
    ReasonCode.TOPIC_NAME_INVALID: Code.NOT_FOUND,
    ReasonCode.PACKET_TOO_LARGE: Code.REQUEST_ENTITY_TOO_LARGE,
    ReasonCode.QUOTA_EXCEEDED: Code.SERVICE_UNAVAILABLE,
}


class Resources:
    """Answers requests."""

    def __init__(
        self,
        devices: DeviceService,
        products: ProductService,
        entrance: Entrance,
        clock: Clock,
        bus: Bus,
        *,
        token_seconds: int,
        max_sessions: int,
        per_minute: int = 0,
    ) -> None:
        """Wire.

        Args:
            devices: finds devices, issues and checks tokens, registers.
            products: knows how devices of a product authenticate.
            entrance: takes what they publish.
            clock: the time.
            bus: tells of deleted devices.
            token_seconds: life of a token.
            max_sessions: devices in the symmetric mode that are remembered.
            per_minute: authentications of one device a minute; 0 = unlimited.
        """
        self.sessions = Sessions(max_sessions)
        """Of the symmetric mode. They end with the process: devices authenticate again, since a replayed datagram could
        not be told from a new one."""
        self.visits = Visits(devices, max_sessions)
        self._monotonic = clock.monotonic
        self._devices = devices
        self._requests = SignedRequests(devices, products)
        self._entrance = entrance
        self._token_seconds = token_seconds
        self._throttle = Throttle(per_minute, 60, clock.monotonic)
        bus.subscribe(DeviceDeleted, self._deleted)

    def has_session(self, message: Message) -> bool:
        """Tell whether a message carries the token of a session in the symmetric mode; its body says who made it."""
        token = _token(message)
        if token is None:
            queries = (value[6:] for value in message.all(Number.URI_QUERY) if value.startswith(b"token="))
            token = next(queries, b"")
        return token.decode("ascii", "replace") in self.sessions

    def tick(self) -> None:
        """Let time pass."""
        self.visits.tick(self._monotonic())

    def _deleted(self, event: DeviceDeleted) -> None:
        self.sessions.end(event.device_id)
        self.visits.leave(event.device_id)

    async def answer(self, request: Request, ip: str, *, secure: bool) -> Answer:
        """Answer a request.

        Args:
            request: complete.
            ip: address of the device.
            secure: whether it came over DTLS; otherwise the symmetric mode applies.
        """
        try:
            return await self._answer(request, ip, secure=secure)
        except RefusedError as error:
            return error.answer
        except Exception:  # noqa: BLE001 - whatever failed, the device learns of it and sends again
            _log.exception("device request failed", peer=ip)
            return Answer(Code.INTERNAL_SERVER_ERROR)

    async def _answer(self, request: Request, ip: str, *, secure: bool) -> Answer:
        try:
            path, query = request.path, request.query
        except UnicodeDecodeError:
            raise RefusedError(Code.NOT_FOUND) from None
        message = request.message
        if message.code != Code.POST:
            raise RefusedError(Code.METHOD_NOT_ALLOWED)
        if not is_known_format(message.first(Number.ACCEPT)):
            raise RefusedError(Code.NOT_ACCEPTABLE)
        if not is_known_format(message.first(Number.CONTENT_FORMAT)):
            raise RefusedError(Code.UNSUPPORTED_CONTENT_FORMAT)
        if path[:1] == ["topic"]:
            return await self._publish(request, "/" + "/".join(path[1:]), query, ip, secure=secure)
        if path == ["auth"]:
            return await self._authenticate(request, secure=secure)
        if path == ["auth", "register", "device"] and secure:
            return await self._register(request)
        raise RefusedError(Code.NOT_FOUND)

    # Authentication

    async def _authenticate(self, request: Request, *, secure: bool) -> Answer:
        fields = _fields(request)
        try:
            device = await self._requests.signer(fields, "ackMode")
        except NotSignedError:
            raise RefusedError(Code.UNAUTHORIZED) from None
        except ValueError as error:
            raise RefusedError(Code.BAD_REQUEST, str(error)) from None
        if self._throttle.exceeded(device.id):
            raise RefusedError(Code.SERVICE_UNAVAILABLE, "too many requests")
        token = await self._devices.tokens.issue(device, "coap")
        if secure:
            return _said({"token": token}, request)
        random = secrets.token_hex(_RANDOM_BYTES)
        separate = fields.get("ackMode") == "1"
        self.sessions.begin(token, Session(device.id, Key(device.secret, random), OFFSET, is_separate=separate))
        return _said({"random": random, "seqOffset": OFFSET, "token": token}, request)

    async def _register(self, request: Request) -> Answer:
        fields = _fields(request)
        try:
            device = await self._requests.register(fields, "coaps")
        except RegistrationRefusedError as error:
            raise RefusedError(Code.FORBIDDEN, str(error)) from None
        except ValueError as error:
            raise RefusedError(Code.BAD_REQUEST, str(error)) from None
        return _said(identity(device), request)

    # Messages

    async def _publish(
        self, request: Request, topic: str, query: Mapping[str, str], ip: str, *, secure: bool
    ) -> Answer:
        token = _text(_token(request.message), query.get("token", ""))
        try:
            device = await self._devices.tokens.verify(token, "coap", self._token_seconds)
        except TokenError:
            raise RefusedError(Code.UNAUTHORIZED) from None
        if not device.enabled:
            raise RefusedError(Code.UNAUTHORIZED)
        session = None if secure else self.sessions.find(token)
        payload = request.payload
        if session is not None:
            payload = _open(session, request, query)
        elif not secure:
            raise RefusedError(Code.UNAUTHORIZED)
        if query.get("_sn") == "default":
            topic += "?_sn=default"
        # What is not a system topic is the device's own business, whatever it calls its bytes.
        translated = is_cbor(request.message.first(Number.CONTENT_FORMAT)) and not topic.startswith(
            f"/{device.product_key}/"
        )
        if translated:
            payload = _translated(payload)
        outcome = await self._entrance.publish(device, topic, payload)
        if outcome.code:
            raise RefusedError(_CODES.get(ReasonCode(outcome.code), Code.INTERNAL_SERVER_ERROR))
        self.visits.seen(device, ip, self._monotonic())
        reply = outcome.replies[0][1] if outcome.replies else b""
        if reply and (translated or is_cbor(request.message.first(Number.ACCEPT))):
            reply = to_cbor(reply)
        if session is not None and reply:
            reply = session.key.encrypt(reply)
        options = [(MESSAGE_ID, str(outcome.message_id).encode())]
        return Answer(Code.CONTENT, reply, options, session is not None and session.is_separate)


def _fields(request: Request) -> dict[str, str]:
    """Return the members of the request's object as texts; numbers are signed as they are written."""
    payload = request.payload
    if len(payload) > MAX_AUTHENTICATION:
        raise RefusedError(Code.REQUEST_ENTITY_TOO_LARGE)
    if is_cbor(request.message.first(Number.CONTENT_FORMAT)):
        payload = _translated(payload)
    try:
        return read_fields(payload)
    except ValueError as error:
        raise RefusedError(Code.BAD_REQUEST, str(error)) from None


def _translated(payload: bytes) -> bytes:
    try:
        return to_json(payload)
    except TranslationError as error:
        raise RefusedError(Code.BAD_REQUEST, str(error)) from None


def _token(message: Message) -> bytes | None:
    """Return the option that holds the token."""
    token = message.first(TOKEN)
    return message.first(OLD_TOKEN) if token is None else token


def _text(value: bytes | None, otherwise: str) -> str:
    """Return an option as text; without it what the query says."""
    if value is None:
        return otherwise
    return value.decode("ascii", "replace")


def _open(session: Session, request: Request, query: Mapping[str, str]) -> bytes:
    """Return the payload of a request in the symmetric mode."""
    try:
        option = request.message.first(SEQUENCE)
        encrypted = bytes.fromhex(query.get("seq", "")) if option is None else option
        number = session.key.decrypt(encrypted).decode("ascii")
        if not number.isdecimal() or len(number) > 19 or not session.take(int(number)):
            raise RefusedError(Code.UNAUTHORIZED, "sequence number")
        return session.key.decrypt(request.payload) if request.payload else b""
    except (DecryptionError, ValueError):
        raise RefusedError(Code.BAD_REQUEST, "not encrypted with the key of the session") from None


def _said(members: Mapping[str, object], request: Request) -> Answer:
    text = msgspec.json.encode(members)
    if is_cbor(request.message.first(Number.ACCEPT) or request.message.first(Number.CONTENT_FORMAT)):
        return content(to_cbor(text), CBOR)
    return content(text)
