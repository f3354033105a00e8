"""Logins of sub-devices: how they begin and end (device-protocol reference, 4.4 to 4.6).

A sub-device has a session like any device, with its own subscriptions and waiting messages; while it is logged in, its
gateway's session carries it.
"""

from collections.abc import Callable

import structlog

from thingplane.gateway.connection import CLOSED, Connection
from thingplane.gateway.ports import ConnectingDevice
from thingplane.gateway.registry import Registry
from thingplane.gateway.session_codes import SessionCode, error_topic, named, session_message
from thingplane.gateway.sessions import Sessions
from thingplane.gateway.settings import GatewaySettings
from thingplane.gateway.sub_device import SubDevice
from thingplane.mqtt import ReasonCode, Session

_log = structlog.get_logger(__name__)


class SubDevices:
    """Begins and ends logins. Everything here happens at once: whoever calls has read what is needed."""

    def __init__(self, sessions: Sessions, registry: Registry, settings: GatewaySettings) -> None:
        """Wire.

        Args:
            sessions: of devices.
            registry: knows who is connected.
            settings: how long sessions are kept.
        """
        self.on_lost: Callable[[int], None] = lambda _device_id: None
        """Called with the key of a sub-device that has lost its way to the platform."""
        self._sessions = sessions
        self._registry = registry
        self._keep_for = settings.offline_seconds

    def begin(
        self, connection: Connection, carrier: Session, device: ConnectingDevice, client_id: str, *, clean: bool
    ) -> SubDevice:
        """Log a sub-device in; elsewhere it is logged out or disconnected. What waits for it is not sent yet.

        Args:
            connection: of its gateway.
            carrier: session of its gateway.
            device: the sub-device; its session, if it has one, is in memory.
            client_id: as the gateway gave it.
            clean: without what was kept for it, and without keeping anything later.
        """
        former = self._registry.sub(device.id)
        if former is not None and former.connection is connection and not clean and former.session.expiry_interval:
            return former
        sub = SubDevice(connection, device)
        # Before the former login ends, so that the device does not go offline in between.
        self._registry.enter_sub(sub)
        if former is not None:
            self._end(former, None if former.connection is connection else SessionCode.ELSEWHERE)
        direct = self._registry.get(device.id)
        if direct is not None:
            direct.link.close(ReasonCode.SESSION_TAKEN_OVER, "the device logged in through a gateway")
        if connection.subs is None:
            connection.subs = {}
        connection.subs[sub.identity] = sub
        connection.heard = {}
        sub.session, _ = self._sessions.broker.carry(
            str(device.id), carrier, client_id=client_id, clean=clean, expiry=0 if clean else self._keep_for
        )
        sub.state = self._sessions.resumed(sub.session)
        _log.debug("sub-device logged in", device=sub.identity, gateway=connection.identity)
        return sub

    def end(self, device_id: int, code: SessionCode | None = None, *, gateway_id: int | None = None) -> None:
        """Log a sub-device out; nothing happens if it is not logged in.

        Args:
            device_id: its key.
            code: why, for its gateway; None: the gateway knows.
            gateway_id: only if it is logged in through this gateway.
        """
        sub = self._registry.sub(device_id)
        if sub is None:
            return
        gateway = sub.connection.device
        if gateway_id is None or (gateway is not None and gateway.id == gateway_id):
            self._end(sub, code)

    def end_all(self, connection: Connection) -> None:
        """Log all sub-devices of a connection out: it has ended."""
        for sub in list((connection.subs or {}).values()):
            self._end(sub, None)

    def end_product(self, product_id: int) -> None:
        """Log out and forget all sub-devices of a product: it is gone."""
        for sub in self._registry.subs_of_product(product_id):
            self._end(sub, SessionCode.DELETED)

    def _end(self, sub: SubDevice, code: SessionCode | None) -> None:
        connection = sub.connection
        if connection.subs is not None and connection.subs.get(sub.identity) is sub:
            del connection.subs[sub.identity]
            connection.heard = {}
        self._registry.leave_sub(sub, CLOSED if code is None else code)
        self.on_lost(sub.device.id)
        self._sessions.broker.release(sub.session)
        self._sessions.disconnected(sub.session)
        if code is not None:
            data = named(sub.device.product_key, sub.device.name)
            connection.tell(error_topic(connection.identity), session_message(code, data))
        _log.debug("sub-device logged out", device=sub.identity, gateway=connection.identity, code=code)
