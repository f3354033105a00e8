"""Whether a connection is let in (device-protocol reference, 1.3 to 1.7)."""

import asyncio
from collections import Counter

import structlog

from thingplane.gateway.authentication import Credentials, RefusedError, check_signature, read_credentials
from thingplane.gateway.connection import Connection
from thingplane.gateway.hub import Hub
from thingplane.gateway.ports import ConnectingDevice, Devices, Topics
from thingplane.gateway.registry import Registry
from thingplane.gateway.session_codes import SessionCode
from thingplane.gateway.sessions import Sessions
from thingplane.gateway.settings import MAX_PAYLOAD, GatewaySettings
from thingplane.gateway.sub_devices import SubDevices
from thingplane.mqtt import ConnackCode, Link, Properties, ReasonCode
from thingplane.mqtt.numbers import MQTT_5
from thingplane.mqtt.packets import Connect

_log = structlog.get_logger(__name__)


class Admission:
    """Answers CONNECT packets: at once where everything needed is in memory, else when it has been read."""

    def __init__(
        self, devices: Devices, topics: Topics, sessions: Sessions, registry: Registry, subs: SubDevices
    ) -> None:
        self._devices = devices
        self._topics = topics
        self._sessions = sessions
        self._registry = registry
        self._subs = subs
        self._tasks: set[asyncio.Task[None]] = set()
        self._warming: dict[int, asyncio.Task[None]] = {}
        self._minute = 0
        self._connects: Counter[int] = Counter()

    def connect(self, hub: Hub, connection: Connection, packet: Connect) -> None:
        """Accept or refuse a connection."""
        try:
            credentials = _read(hub, connection, packet)
            device = self._devices.cached(credentials.product_key, credentials.device_name)
            if device is None or not self._is_at_hand(device):
                task = asyncio.get_running_loop().create_task(self._later(hub, connection, credentials, packet))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
                return
            self._decide(hub, connection, credentials, packet, device)
        except RefusedError as error:
            self._refuse(hub, connection.link, error)

    def _is_at_hand(self, device: ConnectingDevice) -> bool:
        return self._topics.cached(device.product_id) is not None and not self._sessions.is_unloaded(device.id)

    async def _later(self, hub: Hub, connection: Connection, credentials: Credentials, packet: Connect) -> None:
        """Read what is not in memory, then decide."""
        try:
            device = await self._find(credentials)
            # Strangers must not make the platform read more than the device itself.
            check_signature(credentials, device.secret)
            await self._warm(device.product_id)
            await self._sessions.find(device.id)
            # The device may have been disabled or deleted meanwhile.
            self._decide(hub, connection, credentials, packet, await self._find(credentials))
        except RefusedError as error:
            self._refuse(hub, connection.link, error)
        except Exception:  # noqa: BLE001 - whatever failed, the device must not wait for its answer for ever
            _log.exception("connection could not be decided", device=repr(credentials))
            self._refuse(hub, connection.link, RefusedError(ConnackCode.SERVER_UNAVAILABLE, "failure"))

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

    async def _find(self, credentials: Credentials) -> ConnectingDevice:
        device = await self._devices.find(credentials.product_key, credentials.device_name)
        if device is None:
            raise RefusedError(ConnackCode.BAD_USER_NAME_OR_PASSWORD, "unknown")
        return device

    def _decide(
        self, hub: Hub, connection: Connection, credentials: Credentials, packet: Connect, device: ConnectingDevice
    ) -> None:
        check_signature(credentials, device.secret)
        if not device.enabled:
            raise RefusedError(ConnackCode.BAD_USER_NAME_OR_PASSWORD, "disabled")
        self._throttle(hub, device)
        if connection.lost:
            return
        connection.device = device
        connection.identity = f"/{device.product_key}/{device.name}"
        connection.prefix = f"/sys{connection.identity}/"
        connection.extensions = credentials.extensions
        self._registry.enter(connection)
        # It may have been logged in through a gateway.
        self._subs.end(device.id, SessionCode.ELSEWHERE)
        connection.link.accept(str(device.id), properties=_connack_properties(packet, hub.settings))
        session = connection.link.session
        if session is not None:
            connection.state = self._sessions.resumed(session)

    def _throttle(self, hub: Hub, device: ConnectingDevice) -> None:
        limit = hub.settings.connects_per_minute
        if not limit:
            return
        minute = int(hub.clock.monotonic() / 60)
        if minute != self._minute:
            self._minute = minute
            self._connects.clear()
        self._connects[device.id] += 1
        if self._connects[device.id] > limit:
            raise RefusedError(ReasonCode.CONNECTION_RATE_EXCEEDED, "throttled")

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
    credentials = read_credentials(packet.client_id, packet.username, packet.password)
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
