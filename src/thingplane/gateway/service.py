"""The gateway as the node sees it."""

import asyncio
import ssl
from typing import NamedTuple

import structlog

from thingplane.alink import HandlerTable
from thingplane.bus import Bus
from thingplane.clock import Clock
from thingplane.devices.service import ClientIdsBarred, DeviceDeleted, DeviceDisabled, DeviceReset, DeviceService
from thingplane.gateway.admission import Admission
from thingplane.gateway.audience import GatewayAudience
from thingplane.gateway.authenticator import Authenticator
from thingplane.gateway.downlink import GatewayDownlink
from thingplane.gateway.entrance import Entrance
from thingplane.gateway.hub import Hub
from thingplane.gateway.journal import Journal
from thingplane.gateway.listener import listen
from thingplane.gateway.logins import Logins
from thingplane.gateway.metrics import Counters
from thingplane.gateway.policy import PlatformPolicy
from thingplane.gateway.ports import Devices, Products, Topics, Topology
from thingplane.gateway.psk import PskKeys
from thingplane.gateway.registry import Registry
from thingplane.gateway.session_codes import SessionCode
from thingplane.gateway.sessions import Sessions
from thingplane.gateway.settings import GatewaySettings
from thingplane.gateway.store import SessionStore
from thingplane.gateway.sub_devices import SubDevices
from thingplane.gateway.uplinks import CustomHandler, Uplinks
from thingplane.mqtt import Broker, ReasonCode
from thingplane.products.service import ProductDeleted
from thingplane.storage.database import Database
from thingplane.storage.timeseries import GroupCommit

_log = structlog.get_logger(__name__)

_PURGE_EVERY = 3600.0
"""Seconds between two purges of expired sessions."""
_FINISH = 3.0
"""Seconds that messages under way get at a shutdown."""
_GOODBYE = 2.0
"""Seconds that connections get at a shutdown to take what is left for them."""


class Ports(NamedTuple):
    """Where the gateway listens."""

    mqtt: int
    websocket: int


class Gateway:
    """Listens for devices and serves them.

    Wiring: make it, fill the handler table, hand ``downlink`` to whoever sends to devices, add ``store.remove_device``
    to what happens when a device is deleted, then start it.
    """

    def __init__(
        self,
        *,
        devices: Devices,
        topics: Topics,
        topology: Topology,
        products: Products,
        table: HandlerTable,
        commit: GroupCommit,
        database: Database,
        bus: Bus,
        clock: Clock,
        settings: GatewaySettings | None = None,
        identities: DeviceService | None = None,
    ) -> None:
        """Wire.

        Args:
            devices: finds devices, takes note of their presence.
            topics: permissions on custom topics.
            topology: knows the sub-devices of gateways.
            products: knows how devices of a product authenticate.
            table: the slices' message handlers; may be filled afterwards.
            commit: makes durable what handlers append to the history.
            database: keeps sessions.
            bus: brings deletions and disabling of devices.
            clock: the time.
            settings: limits.
            identities: tokens, certificates and registration; None: devices have nothing but their secrets.
        """
        settings = settings or GatewaySettings()
        self._settings = settings
        self._counters = Counters()
        self._registry = Registry(devices)
        self._journal = Journal(database)
        self.store = SessionStore(database, self._journal, clock)
        """The kept sessions; ``store.remove_device`` deletes a device's in the caller's transaction."""
        self._sessions = Sessions(self.store)
        self.downlink = GatewayDownlink(self._sessions, self._registry, self._counters, settings)
        """Sends to devices."""
        self.audience = GatewayAudience(self._sessions, self._registry, topics)
        """Who is there to be sent to."""
        self._uplinks = Uplinks(table, topics, commit, clock, self._counters, settings, self.downlink.resolve)
        self.entrance = Entrance(self._uplinks, commit, settings)
        """Takes messages that come by other transports."""
        self._subs = SubDevices(self._sessions, self._registry, settings)
        self._subs.on_lost = self.downlink.connection_lost
        self.logins = Logins(devices, topics, topology, self._sessions, self._registry, self._subs, settings, clock)
        """Sub-devices; ``logins.detached`` has to be told of those that were taken from their gateways."""
        self.logins.register(table)
        authenticator = Authenticator(devices, products, identities)
        self._identities = identities
        self._admission = Admission(authenticator, topics, self._sessions, self._registry, self._subs)
        policy = PlatformPolicy(
            settings, self._admission, self._sessions, self._registry, topics, self._uplinks.publish, self._subs
        )
        policy.on_lost = self.downlink.connection_lost
        self._broker = self._sessions.broker = Broker(policy, clock.monotonic())
        self._hub = policy.hub = Hub(self._broker, commit, clock, self._counters, settings)
        self._commit = commit
        self._servers: list[asyncio.Server] = []
        self._is_open = False
        self._timer: asyncio.TimerHandle | None = None
        self._purging: asyncio.Task[None] | None = None
        self._next_purge = 0.0
        bus.subscribe(DeviceDeleted, self._device_deleted)
        bus.subscribe(DeviceDisabled, self._device_disabled)
        bus.subscribe(DeviceReset, self._device_reset)
        bus.subscribe(ProductDeleted, self._product_deleted)
        bus.subscribe(ClientIdsBarred, self._client_ids_barred)

    def on_custom_message(self, handler: CustomHandler) -> None:
        """Set who gets the messages on custom topics; without one they are only counted."""
        self._uplinks.on_custom_message = handler

    async def check_certificates(self) -> None:
        """Close the connections of devices whose certificates count no more."""
        self._admission.revocations += 1
        if self._identities is None:
            return
        for connection in self._registry.certified():
            certificate, device = connection.peer.certificate, connection.device
            if certificate is None or device is None:
                continue
            owner = await self._identities.certificates.owner(certificate)
            if owner is None or owner.id != device.id:
                connection.link.close(ReasonCode.NOT_AUTHORIZED, "certificate revoked")

    def use_tls(
        self, context: ssl.SSLContext, psk: PskKeys | None = None, unasked: ssl.SSLContext | None = None
    ) -> None:
        """Use another TLS context for connections from now on.

        Args:
            context: server side.
            psk: finds the keys for which the context asks, if it does.
            unasked: for clients that break off when they are asked for a certificate, if the context asks for one.
        """
        self._hub.tls = context
        self._hub.tls_unasked = unasked
        self._hub.psk = psk

    async def open(self) -> None:
        """Find the kept sessions: what is sent to devices from now on is kept for them, before anybody can connect."""
        self._is_open = True
        await self.store.open()

    async def start(
        self, host: str, mqtt_port: int, ws_port: int | None = None, ssl_context: ssl.SSLContext | None = None
    ) -> Ports:
        """Listen. Both ports take MQTT, TLS and WebSocket, told apart by their first byte.

        Args:
            host: name or address.
            mqtt_port: 0 = any free one.
            ws_port: a second port, meant for WebSocket; 0 = any free one, None = none (the result says 0).
            ssl_context: server side; None = no TLS.

        Raises:
            OSError: an address can't be used; nothing is listening then.
        """
        self._hub.tls = ssl_context
        if not self._is_open:
            await self.open()
        ports: list[int] = []
        try:
            for port in (mqtt_port, ws_port):
                if port is None:
                    ports.append(0)
                    continue
                server, bound = await listen(self._hub, host, port)
                self._servers.append(server)
                ports.append(bound)
        except OSError:
            self._stop_listening()
            raise
        self._next_purge = self._hub.clock.monotonic() + _PURGE_EVERY
        self._tick()
        return Ports(*ports)

    async def stop(self) -> None:
        """Stop accepting, finish what was received, close all connections; sessions stay for the next start."""
        self._stop_listening()
        await self._admission.close()
        await self._uplinks.close(_FINISH)
        try:
            await self._commit.durable()
        except Exception as error:  # noqa: BLE001 - whatever it was, those who wait for it have got no answer
            _log.error("messages could not be stored at shutdown", error=repr(error))
        self._broker.close(ReasonCode.SERVER_SHUTTING_DOWN)
        await self._say_goodbye()
        if self._timer is not None:
            self._timer.cancel()
        if self._purging is not None:
            await asyncio.wait([self._purging])
        await self._journal.close()

    def _stop_listening(self) -> None:
        for server in self._servers:
            server.close()
        self._servers.clear()
        self._hub.reject_all()

    async def _say_goodbye(self) -> None:
        try:
            async with asyncio.timeout(_GOODBYE):
                await self._hub.emptied()
        except TimeoutError:
            for connection in list(self._hub.open):
                connection.abort()
            await self._hub.emptied()

    def reading(self) -> dict[str, float]:
        """Return counters and gauges by name, for metrics; ``gateway.metrics.HELP`` says what they mean."""
        return {
            **self._counters.reading(),
            "mqtt_connections": len(self._registry),
            "mqtt_kept_sessions": len(self.store.known),
            "mqtt_sub_devices": self._registry.sub_devices,
            "mqtt_waiting_bytes": self._broker.waiting,
        }

    # Time

    def _tick(self) -> None:
        self._hub.tick()
        now = self._hub.clock.monotonic()
        loop = asyncio.get_running_loop()
        if now >= self._next_purge and (self._purging is None or self._purging.done()):
            self._next_purge = now + _PURGE_EVERY
            self._purging = loop.create_task(self.store.purge())
        self._timer = loop.call_later(self._settings.tick, self._tick)

    # Events

    def _device_deleted(self, event: DeviceDeleted) -> None:
        self._end(event.device_id)

    def _device_disabled(self, event: DeviceDisabled) -> None:
        self._subs.end(event.device_id, SessionCode.DISABLED)
        connection = self._registry.get(event.device_id)
        if connection is not None:
            connection.end_code = SessionCode.DISABLED
            connection.link.close(ReasonCode.NOT_AUTHORIZED, "device disabled")

    def _device_reset(self, event: DeviceReset) -> None:
        connection = self._registry.get(event.device_id)
        if connection is not None:
            connection.link.close(ReasonCode.ADMINISTRATIVE_ACTION, "device reset")

    def _client_ids_barred(self, event: ClientIdsBarred) -> None:
        self._admission.revocations += 1
        connection = self._registry.get(event.device_id)
        if connection is not None and connection.token_id in event.client_ids:
            connection.link.close(ReasonCode.NOT_AUTHORIZED, "client id barred")

    def _product_deleted(self, event: ProductDeleted) -> None:
        self._subs.end_product(event.product_id)
        for connection in self._registry.of_product(event.product_id):
            if connection.device is not None:
                self._end(connection.device.id)

    def _end(self, device_id: int) -> None:
        """End connection and session of a device that is gone."""
        self._subs.end(device_id, SessionCode.DELETED)
        connection = self._registry.get(device_id)
        if connection is not None:
            connection.end_code = SessionCode.DELETED
        session = self._sessions.live(device_id)
        if session is not None:
            self._broker.drop(session, ReasonCode.NOT_AUTHORIZED)
        self.store.remove(device_id)
