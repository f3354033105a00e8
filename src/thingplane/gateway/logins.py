"""Logins and logouts that gateways ask for on ``/ext/session/…`` (device-protocol reference, 4.4)."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import structlog

from thingplane.alink import HandlerTable, SignedItem, Uplink, raw
from thingplane.clock import Clock
from thingplane.gateway.connection import Connection
from thingplane.gateway.login_requests import MalformedError, read_batch_login, read_login, read_logout
from thingplane.gateway.ports import ConnectingDevice, Devices, Topics, Topology
from thingplane.gateway.registry import Registry
from thingplane.gateway.session_codes import SessionCode, named, session_message
from thingplane.gateway.sessions import Sessions
from thingplane.gateway.settings import GatewaySettings
from thingplane.gateway.sub_device import SubDevice
from thingplane.gateway.sub_devices import SubDevices
from thingplane.throttle import Throttle

_log = structlog.get_logger(__name__)

_COMBINE: Final = "/ext/session/combine/"
Name = tuple[str, str]
"""(ProductKey, DeviceName)."""


class _RefusedError(Exception):
    """A request that fails as a whole."""

    def __init__(self, code: SessionCode, names: Iterable[Name] = ()) -> None:
        super().__init__(code.name)
        self.code = code
        self.names = list(names)
        """The devices it fails for."""


class _Login:
    """A login that is being decided."""

    __slots__ = ("detached", "gateway_id")

    def __init__(self, gateway_id: int) -> None:
        self.gateway_id = gateway_id
        self.detached: set[int] = set()
        """Sub-devices that were taken from the gateway meanwhile."""


class Logins:
    """Handlers of what gateways ask for; batches succeed or fail as a whole."""

    def __init__(  # noqa: PLR0917 - each is of a type of its own
        self,
        devices: Devices,
        topics: Topics,
        topology: Topology,
        sessions: Sessions,
        registry: Registry,
        subs: SubDevices,
        settings: GatewaySettings,
        clock: Clock,
    ) -> None:
        """Wire.

        Args:
            devices: finds sub-devices.
            topics: permissions on custom topics, read before they are needed.
            topology: knows whose sub-devices they are.
            sessions: of devices.
            registry: knows the connections of gateways.
            subs: begins and ends logins.
            settings: limits.
            clock: for limits by time.
        """
        self._devices = devices
        self._topics = topics
        self._topology = topology
        self._sessions = sessions
        self._registry = registry
        self._subs = subs
        self._settings = settings
        self._under_way: set[_Login] = set()
        self._gateway_pace = Throttle(settings.sub_device_logins_per_second, 1, clock.monotonic)
        self._sub_pace = Throttle(settings.sub_device_logins_per_minute, 60, clock.monotonic)

    def register(self, table: HandlerTable) -> None:
        """Add the handlers to the table."""
        table.add(_COMBINE + "login", self.login)
        table.add(_COMBINE + "batch_login", self.batch_login)
        table.add(_COMBINE + "logout", self.logout)
        table.add(_COMBINE + "batch_logout", self.batch_logout)

    def detached(self, gateway_id: int, device_ids: Iterable[int], *, deleted: bool, by_gateway: bool) -> None:
        """Log sub-devices out that are no longer a gateway's; also those whose login is under way.

        Args:
            gateway_id: whose they were.
            device_ids: keys of the sub-devices.
            deleted: whether the sub-devices themselves are gone.
            by_gateway: whether the gateway asked for it: then it need not be told.
        """
        gone = set(device_ids)
        code = None if by_gateway else SessionCode.DELETED if deleted else SessionCode.NO_RELATION
        for login in self._under_way:
            if login.gateway_id == gateway_id:
                login.detached |= gone
        for device_id in gone:
            self._subs.end(device_id, code, gateway_id=gateway_id)

    @raw
    async def login(self, uplink: Uplink) -> None:
        """Handle ``combine/login``."""
        await self._login(uplink, is_batch=False)

    @raw
    async def batch_login(self, uplink: Uplink) -> None:
        """Handle ``combine/batch_login``."""
        await self._login(uplink, is_batch=True)

    @raw
    def logout(self, uplink: Uplink) -> None:
        """Handle ``combine/logout``."""
        self._logout(uplink, is_batch=False)

    @raw
    def batch_logout(self, uplink: Uplink) -> None:
        """Handle ``combine/batch_logout``."""
        self._logout(uplink, is_batch=True)

    # Logins

    async def _login(self, uplink: Uplink, *, is_batch: bool) -> None:
        try:
            items = read_batch_login(uplink) if is_batch else read_login(uplink)
            connection = self._connection(uplink)
            self._check_pace(uplink.device.id, items)
            found = await self._admit(connection, uplink.device.id, items)
        except MalformedError:
            _answer(uplink, SessionCode.PARAMETER_ERROR, {})
            return
        except _RefusedError as error:
            _log.info("login of sub-devices refused", gateway=uplink.device.name, code=int(error.code))
            _answer(uplink, error.code, _data(error.names, is_batch=is_batch))
            return
        names = [(device.product_key, device.name) for device in found]
        if uplink.wants_reply:
            # At once: it has to be there before what waits for the sub-devices.
            answer = session_message(SessionCode.SUCCESS, _data(names, is_batch=is_batch), uplink.request_id)
            connection.tell(uplink.topic + "_reply", answer)
        for device in found:
            sub = self._registry.sub(device.id)
            if sub is not None:
                self._sessions.broker.pump(sub.session)

    def _check_pace(self, gateway_id: int, items: Mapping[Name, SignedItem]) -> None:
        if len(items) > self._settings.sub_devices_per_login:
            raise _RefusedError(SessionCode.PARAMETER_ERROR)
        if self._gateway_pace.exceeded(gateway_id, len(items)):
            raise _RefusedError(SessionCode.TOO_OFTEN, items)

    async def _admit(
        self, connection: Connection, gateway_id: int, items: Mapping[Name, SignedItem]
    ) -> list[ConnectingDevice]:
        """Read what is not in memory, then decide and log in.

        Raises:
            _RefusedError: for any of the devices; none is logged in then.
        """
        found: Sequence[ConnectingDevice | None]
        found = await asyncio.gather(*(self._devices.find(*name) for name in items))
        devices = [device for device in found if device is not None]
        login = _Login(gateway_id)
        self._under_way.add(login)
        try:
            attached = await self._topology.attached(gateway_id, [device.id for device in devices])
            self._check(items, devices, attached)
            for device in devices:
                await self._sessions.find(device.id)
                if self._topics.cached(device.product_id) is None:
                    await self._topics.permissions(device.product_id)
            # They may have been disabled, deleted or taken away meanwhile.
            found = [self._devices.cached(*name) or await self._devices.find(*name) for name in items]
            devices = [device for device in found if device is not None]
            self._check(items, devices, attached - login.detached)
            return self._begin(connection, items, devices)
        finally:
            self._under_way.discard(login)

    def _check(self, items: Mapping[Name, SignedItem], devices: Sequence[ConnectingDevice], attached: set[int]) -> None:
        """Check everything about the devices that does not depend on the connection."""
        by_name = {(device.product_key, device.name): device for device in devices}
        failed: dict[SessionCode, list[Name]] = {}
        for name, item in items.items():
            code = _refusal(item, by_name.get(name), attached)
            if code is not None:
                failed.setdefault(code, []).append(name)
        for code, names in failed.items():
            raise _RefusedError(code, names)

    def _begin(
        self, connection: Connection, items: Mapping[Name, SignedItem], devices: Sequence[ConnectingDevice]
    ) -> list[ConnectingDevice]:
        carrier = connection.link.session
        if carrier is None or carrier.link is not connection.link:
            raise _RefusedError(SessionCode.NO_SESSION, items)
        too_often = [(device.product_key, device.name) for device in devices if self._sub_pace.exceeded(device.id)]
        if too_often:
            raise _RefusedError(SessionCode.TOO_OFTEN, too_often)
        present = connection.subs or {}
        new = [name for name in items if f"/{name[0]}/{name[1]}" not in present]
        if len(present) + len(new) > self._settings.sub_devices_online:
            raise _RefusedError(SessionCode.TOO_MANY, new)
        for device in devices:
            item = items[device.product_key, device.name]
            self._subs.begin(connection, carrier, device, item.fields.get("clientId", ""), clean=item.clean)
        return list(devices)

    # Logouts

    def _logout(self, uplink: Uplink, *, is_batch: bool) -> None:
        try:
            names = read_logout(uplink)
            subs = self._logged_in(self._connection(uplink), names)
        except MalformedError:
            _answer(uplink, SessionCode.PARAMETER_ERROR, {})
            return
        except _RefusedError as error:
            _answer(uplink, error.code, _data(error.names, is_batch=is_batch))
            return
        for sub in subs:
            self._subs.end(sub.device.id)
        _answer(uplink, SessionCode.SUCCESS, _data(names, is_batch=is_batch))

    @staticmethod
    def _logged_in(connection: Connection, names: Sequence[Name]) -> list[SubDevice]:
        subs = connection.subs or {}
        strangers = [name for name in names if f"/{name[0]}/{name[1]}" not in subs]
        if strangers:
            raise _RefusedError(SessionCode.NO_SESSION, strangers)
        return [subs[f"/{product_key}/{name}"] for product_key, name in names]

    def _connection(self, uplink: Uplink) -> Connection:
        """Return the connection of the gateway that asks."""
        connection = self._registry.get(uplink.device.id)
        if connection is None:
            # It came by another transport, which can carry nobody, or the connection has just ended.
            raise _RefusedError(SessionCode.NO_SESSION)
        return connection


def _refusal(item: SignedItem, device: ConnectingDevice | None, attached: set[int]) -> SessionCode | None:
    if device is None:
        return SessionCode.NOT_FOUND
    if device.id not in attached:
        return SessionCode.NO_RELATION
    if not device.enabled:
        return SessionCode.DISABLED
    if not item.is_known_method:
        return SessionCode.PARAMETER_ERROR
    return None if item.is_signed(device.secret) else SessionCode.INVALID_SIGN


def _data(names: Sequence[Name], *, is_batch: bool) -> Any:
    if is_batch:
        return [named(*name) for name in names]
    return named(*names[0]) if names else {}


def _answer(uplink: Uplink, code: SessionCode, data: Any) -> None:
    if uplink.wants_reply:
        uplink.replies.append((uplink.topic + "_reply", session_message(code, data, uplink.request_id)))
