"""Simulated devices that update themselves: they download, verify, install and report, as firmware does."""

import asyncio
import contextlib
import hashlib
from collections.abc import Callable, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from thingplane.simulator.client import RefusedError, SimulatedDevice
from thingplane.simulator.wire import Identity

RECONNECT_S: Final = 0.2
DOWNLOAD_FAILED: Final = -2
VERIFY_FAILED: Final = -3
_PART: Final = 64 * 1024


class DownloadError(Exception):
    """A file could not be downloaded."""


async def download(url: str, size: int, take: Callable[[bytes], None], *, have: int = 0) -> int:
    """Download a file over plain HTTP, from the byte on that is missing; return how many bytes there are then.

    Args:
        url: of the file.
        size: bytes that it should have.
        take: called with its parts.
        have: bytes that are there already.

    Raises:
        DownloadError: the server answers with an error.
        OSError: the connection fails; what was taken is a beginning of the file.
    """
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port or 80)
    try:
        target = f"{parts.path}?{parts.query}"
        head = f"GET {target} HTTP/1.1\r\nHost: {parts.netloc}\r\nRange: bytes={have}-\r\nConnection: close\r\n\r\n"
        writer.write(head.encode())
        answer = await reader.readuntil(b"\r\n\r\n")
        status = int(answer.split(b" ", 2)[1])
        if status != 206 and not (status == 200 and have == 0):
            raise DownloadError(f"HTTP {status}")
        while have < size and (part := await reader.read(_PART)):
            take(part)
            have += len(part)
    except asyncio.IncompleteReadError as error:
        raise OSError("connection closed") from error
    finally:
        writer.close()
    return have


class UpdatingDevice:
    """One device: its version survives its connections, as in flash."""

    def __init__(self, identity: Identity, version: str, *, install_s: float = 0.0) -> None:
        """Begin with a version.

        Args:
            identity: of the device.
            version: that it runs.
            install_s: seconds that an installation takes.
        """
        self.version = version
        self.reported = 0
        """Version reports so far."""
        self.digests: list[str] = []
        """MD5 of what it has installed."""
        self._identity = identity
        self._install_s = install_s
        self._device: SimulatedDevice | None = None
        self._update: asyncio.Task[None] | None = None
        self._lost = asyncio.Event()

    async def run(self, address: Callable[[], tuple[str, int]]) -> None:
        """Stay connected until cancelled.

        Args:
            address: returns host and port of the platform; asked for every connection.
        """
        try:
            while True:
                self._lost.clear()
                with contextlib.suppress(OSError, RefusedError):
                    self._device = await SimulatedDevice.connect(
                        self._identity, *address(), on_lost=self._lost.set, on_message=self._message
                    )
                    self._report()
                    await self._lost.wait()
                await asyncio.sleep(RECONNECT_S)
        finally:
            if self._update is not None:
                self._update.cancel()
            if self._device is not None:
                self._device.close()

    def _topic(self, name: str) -> str:
        return f"/ota/device/{name}/{self._identity.product_key}/{self._identity.device_name}"

    def _send(self, name: str, **params: Any) -> None:
        if self._device is not None:
            self._device.send(self._topic(name), {"id": "1", "params": params})

    def _report(self) -> None:
        self._send("inform", version=self.version)
        self.reported += 1

    def _message(self, topic: str, payload: bytes) -> None:
        if topic == self._topic("upgrade") and (self._update is None or self._update.done()):
            package = msgspec.json.decode(payload)["data"]
            self._update = asyncio.get_running_loop().create_task(self._install(package))

    async def _install(self, package: dict[str, Any]) -> None:
        if package["version"] == self.version:
            self._report()
            return
        content = bytearray()
        self._send("progress", step="1", desc="downloading")
        try:
            while len(content) < package["size"]:
                with contextlib.suppress(OSError):
                    await download(package["url"], package["size"], content.extend, have=len(content))
                if len(content) < package["size"]:
                    # The server has gone: what is there stays, the rest comes later.
                    await asyncio.sleep(RECONNECT_S)
        except DownloadError as error:
            self._send("progress", step=str(DOWNLOAD_FAILED), desc=str(error))
            return
        method = "md5" if package["signMethod"] == "Md5" else "sha256"
        if hashlib.new(method, content, usedforsecurity=False).hexdigest() != package["sign"]:
            self._send("progress", step=str(VERIFY_FAILED), desc="wrong digest")
            return
        self._send("progress", step="90", desc="installing")
        await asyncio.sleep(self._install_s)
        self.digests.append(hashlib.md5(content, usedforsecurity=False).hexdigest())
        self.version = package["version"]
        self._report()


class UpdatingFleet:
    """Many such devices."""

    def __init__(self, identities: Sequence[Identity], version: str, *, install_s: float = 0.0) -> None:
        """Begin with a version for all."""
        self._version = version
        self.devices = [UpdatingDevice(identity, version, install_s=install_s) for identity in identities]

    @property
    def reported(self) -> int:
        """Devices that have reported a version."""
        return sum(device.reported > 0 for device in self.devices)

    @property
    def updated(self) -> int:
        """Devices that run another version than at first."""
        return sum(device.version != self._version for device in self.devices)

    @property
    def contents(self) -> set[str]:
        """MD5 digests of what was installed."""
        return {digest for device in self.devices for digest in device.digests}

    async def run(self, address: Callable[[], tuple[str, int]]) -> None:
        """Keep all connected until cancelled."""
        async with asyncio.TaskGroup() as group:
            for device in self.devices:
                group.create_task(device.run(address))
