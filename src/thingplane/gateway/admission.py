"""Whether a connection is let in (device-protocol reference, 1.3 to 1.7)."""

import asyncio
import itertools
from collections.abc import Coroutine

import msgspec
import structlog

from thingplane.gateway.authentication import Credentials, RefusedError, Way, read_credentials
from thingplane.gateway.authenticator import Authenticator
from thingplane.gateway.connection import Connection
from thingplane.gateway.hub import TAKEOVERS, Hub
from thingplane.gateway.ports import ConnectingDevice, Topics
from thingplane.gateway.registry import Registry
from thingplane.gateway.session_codes import SessionCode
from thingplane.gateway.sessions import Sessions
from thingplane.gateway.settings import MAX_PAYLOAD, GatewaySettings
from thingplane.gateway.sub_devices import SubDevices
from thingplane.mqtt import ConnackCode, Link, Properties, ReasonCode
from thingplane.mqtt.numbers import MQTT_5
from thingplane.mqtt.packets import Connect

_log = structlog.get_logger(__name__)

_REGISTRATIONS = {Way.REGISTER, Way.REGISTER_CLIENT}


class Admission:
    """Answers CONNECT packets: at once where everything needed is in memory, else when it has been read."""

    def __init__(
        self, authenticator: Authenticator, topics: Topics, sessions: Sessions, registry: Registry, subs: SubDevices
    ) -> None:
        self.revocations = 0
        """Grows when tokens or certificates are revoked: those that were good a moment ago are looked at again."""
        self._authenticator = authenticator
        self._topics = topics
        self._sessions = sessions
        self._registry = registry
        self._subs = subs
        self._tasks: set[asyncio.Task[None]] = set()
        self._warming: dict[int, asyncio.Task[None]] = {}
        self._guests = itertools.count(1)

    def connect(self, hub: Hub, connection: Connection, packet: Connect) -> None:
        """Accept or refuse a connection."""
        try:
            credentials = _read(hub, connection, packet)
            if credentials.way in _REGISTRATIONS:
                self._start(self._register(hub, connection, credentials))
                return
            device = self._authenticator.at_hand(credentials, connection.peer)
            if device is None or not self._is_at_hand(device):
                self._start(self._later(hub, connection, credentials, packet))
                return
            self._decide(hub, connection, credentials, packet, device)
        except RefusedError as error:
            self._refuse(hub, connection.link, error)

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _is_at_hand(self, device: ConnectingDevice) -> bool:
        return self._topics.cached(device.product_id) is not None and not self._sessions.is_unloaded(device.id)

    async def _later(self, hub: Hub, connection: Connection, credentials: Credentials, packet: Connect) -> None:
        """Read what is not in memory, then decide."""
        try:
            # Strangers must not make the platform read more than the device itself.
            device = await self._authenticator.identify(credentials, connection.peer)
            await self._warm(device.product_id)
            await self._sessions.find(device.id)
            # The device may have been disabled or deleted meanwhile, its token or certificate revoked.
            while True:
                revocations = self.revocations
                device = await self._authenticator.identify(credentials, connection.peer)
                if revocations == self.revocations:
                    break
            self._decide(hub, connection, credentials, packet, device)
        except RefusedError as error:
            self._refuse(hub, connection.link, error)
        except Exception:  # noqa: BLE001 - whatever failed, the device must not wait for its answer for ever
            _log.exception("connection could not be decided", device=repr(credentials))
            self._refuse(hub, connection.link, RefusedError(ConnackCode.SERVER_UNAVAILABLE, "failure"))

    async def _register(self, hub: Hub, connection: Connection, credentials: Credentials) -> None:
        """Tell a device its identity, over a connection that does nothing else (device-protocol, 2.3)."""
        try:
            topic, payload = await self._authenticator.register(credentials)
        except RefusedError as error:
            self._refuse(hub, connection.link, error)
            return
        except Exception:  # noqa: BLE001 - as above
            _log.exception("registration failed", device=repr(credentials))
            self._refuse(hub, connection.link, RefusedError(ConnackCode.SERVER_UNAVAILABLE, "failure"))
            return
        if connection.lost:
            return
        _log.info(
            "device registered",
            product_key=credentials.product_key,
            device_name=credentials.device_name,
            way=credentials.way.name.lower(),
        )
        hub.known(connection)
        hub.visited(connection)
        # Neither the device's presence nor its session has anything to do with it.
        connection.link.accept(f"guest {next(self._guests)}", session_expiry=0)
        connection.link.publish(topic, payload)

    async def _warm(self, product_id: int) -> None:
        """Bring a product's topic permissions into memory: once, however many of its devices connect meanwhile."""
        task = self._warming.get(product_id)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._read_permissions(product_id))
            self._warming[product_id] = task
        await asyncio.shield(task)

    async def _read_permissions(self, product_id: int) -> None:
        try:
            await self._topics.permissions(product_id)
        finally:
            del self._warming[product_id]

    def _decide(
        self, hub: Hub, connection: Connection, credentials: Credentials, packet: Connect, device: ConnectingDevice
    ) -> None:
        if not device.enabled:
            raise RefusedError(ConnackCode.BAD_USER_NAME_OR_PASSWORD, "disabled")
        if self._registry.get(device.id) is not None and self._must_wait(hub, connection, packet, device):
            return
        if hub.connects.exceeded(device.id):
            raise RefusedError(ReasonCode.CONNECTION_RATE_EXCEEDED, "throttled")
        if connection.lost or connection.link.closing:
            return  # it has left meanwhile, or was closed because all this took too long
        connection.device = device
        connection.identity = f"/{device.product_key}/{device.name}"
        connection.prefix = f"/sys{connection.identity}/"
        connection.extensions = credentials.extensions
        if credentials.way is Way.CLIENT_TOKEN:
            connection.token_id = credentials.client_id.cid
        connection.certified = credentials.way is Way.CERTIFICATE
        hub.counters.connects += 1
        hub.known(connection)
        self._registry.enter(connection)
        # It may have been logged in through a gateway.
        self._subs.end(device.id, SessionCode.ELSEWHERE)
        connection.link.accept(
            str(device.id),
            client_id=None if credentials.client_id.cid else f"{device.product_key}.{device.name}",
            properties=_connack_properties(packet, hub.settings),
        )
        if credentials.way is Way.CERTIFICATE and not credentials.device_name:
            # It learns who it is (device-protocol, 1.10).
            answer = {"productKey": device.product_key, "deviceName": device.name}
            connection.link.publish("/ext/auth/identity/response", msgspec.json.encode(answer))
        session = connection.link.session
        if session is not None:
            connection.state = self._sessions.resumed(session)
        if connection.turn:
            # What the device has said without waiting for its CONNACK (MQTT 3.1.4).
            connection.handled()

    def _must_wait(self, hub: Hub, connection: Connection, packet: Connect, device: ConnectingDevice) -> bool:
        """Tell whether a device takes over from itself too often; then it is looked at again a little later."""
        count = hub.takeovers(device.id)
        if count <= TAKEOVERS:
            return False
        if count == TAKEOVERS + 1:
            _log.warning("device takes over from itself again and again", device=f"/{device.product_key}/{device.name}")

        def again() -> None:
            if not connection.lost:
                self.connect(hub, connection, packet)

        def give_up() -> None:
            if not connection.lost:
                self._refuse(hub, connection.link, RefusedError(ReasonCode.CONNECTION_RATE_EXCEEDED, "overtaken"))

        hub.counters.postponed += 1
        hub.postpone(device.id, again, give_up)
        return True

    def _refuse(self, hub: Hub, link: Link, error: RefusedError) -> None:
        hub.counters.refused[error.reason] += 1
        packet = link.packet
        username = packet.username if packet is not None else None
        _log.info("connection refused", code=int(error.code), reason=str(error), username=(username or "")[:128])
        link.refuse(error.code)

    async def close(self) -> None:
        """Return when nothing is undecided."""
        if self._tasks:
            await asyncio.wait(self._tasks)


def _read(hub: Hub, connection: Connection, packet: Connect) -> Credentials:
    """Read the connect parameters and check what needs no device.

    Raises:
        RefusedError: with the code of device-protocol 1.5.
    """
    if not connection.secure and not hub.settings.plain:
        raise RefusedError(ConnackCode.IDENTIFIER_REJECTED, "plain", "this server wants TLS")
    credentials = read_credentials(
        packet.client_id,
        packet.username,
        packet.password,
        secure=connection.secure,
        certified=connection.peer.certificate is not None,
        assigned=packet.version == MQTT_5,
    )
    if credentials.way in _REGISTRATIONS:
        return credentials
    low, high = hub.settings.min_keepalive, hub.settings.max_keepalive
    if not low <= packet.keepalive <= high:
        detail = f"keep alive must be {low} to {high} seconds"
        raise RefusedError(ConnackCode.IDENTIFIER_REJECTED, "keepalive", detail)
    return credentials


def _connack_properties(packet: Connect, settings: GatewaySettings) -> Properties | None:
    """Return what MQTT 5 clients are told of the platform (device-protocol, 1.12)."""
    if packet.version != MQTT_5:
        return None
    asked = packet.properties.session_expiry_interval if packet.properties is not None else None
    return Properties(
        retain_available=1,
        wildcard_subscription_available=1,
        subscription_identifier_available=0,
        shared_subscription_available=1,
        maximum_qos=1,
        server_keep_alive=packet.keepalive,
        session_expiry_interval=min(asked or 0, settings.offline_seconds),
        maximum_packet_size=MAX_PAYLOAD,
        topic_alias_maximum=20,
    )
