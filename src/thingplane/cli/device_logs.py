"""``thingplane device logs``, ``log-upload`` and ``sdk``: what devices tell of themselves."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Final, Literal, TypeVar

from cyclopts import Parameter

from thingplane.bus import LocalBus
from thingplane.cli import CommandError
from thingplane.cli.database import with_database
from thingplane.cli.output import print_rows
from thingplane.cli.target import DataDir
from thingplane.clock import SystemClock
from thingplane.cloud.times import utc
from thingplane.device_logs.service import DeviceLogs, Source
from thingplane.devices.service import Device, DeviceService
from thingplane.products.service import ProductService
from thingplane.storage.database import Database

COLUMNS: Final = ["UtcReceived", "Source", "Level", "Time", "Module", "Code", "Trace", "Content"]

ProductKey = Annotated[str, Parameter(help="ProductKey")]
DeviceName = Annotated[str, Parameter(help="DeviceName")]
T = TypeVar("T")


def logs(
    product_key: ProductKey,
    device_name: DeviceName,
    *,
    limit: Annotated[int, Parameter(help="entries, the newest ones")] = 100,
    level: Annotated[
        Literal["FATAL", "ERROR", "WARN", "INFO", "DEBUG", "OTHER"] | None, Parameter(help="only entries of this level")
    ] = None,
    source: Annotated[
        Literal["device", "network", "platform"] | None,
        Parameter(help="only what the device has posted, what it tells of its network, or what the platform notes"),
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Show the log of a device: what it has posted, and what went wrong with its messages."""

    async def read(device: Device, _devices: DeviceService, entries: DeviceLogs) -> list[dict[str, object]]:
        found = await entries.page(device.id, limit, level=level, source=None if source is None else Source(source))
        return [
            {
                "UtcReceived": utc(entry.received_at),
                "Source": entry.source.value,
                "Level": entry.level,
                "Time": entry.time,
                "Module": entry.module,
                "Code": entry.code,
                "Trace": entry.trace,
                "Content": entry.content,
            }
            for entry in found
        ]

    print_rows(_with_device(data_dir, product_key, device_name, read), COLUMNS)


def log_upload(
    product_key: ProductKey,
    device_name: DeviceName,
    switch: Annotated[Literal["on", "off"], Parameter(help="whether the device shall post its log")],
    *,
    data_dir: DataDir = None,
) -> None:
    """Ask a device to post its log, or to stop that. One that is offline asks when it connects."""

    async def change(device: Device, _devices: DeviceService, entries: DeviceLogs) -> None:
        await entries.switch(device.id, enabled=switch == "on")

    _with_device(data_dir, product_key, device_name, change)


def sdk(product_key: ProductKey, device_name: DeviceName, *, data_dir: DataDir = None) -> None:
    """Show what the SDK of a device has told of itself, such as its version."""

    async def read(device: Device, devices: DeviceService, _entries: DeviceLogs) -> dict[str, str]:
        return await devices.sdk_information.of(device.id)

    told = _with_device(data_dir, product_key, device_name, read)
    print_rows([{"Key": key, "Value": value} for key, value in told.items()], ["Key", "Value"])


def _with_device(
    data_dir: Path | None,
    product_key: str,
    device_name: str,
    action: Callable[[Device, DeviceService, DeviceLogs], Awaitable[T]],
) -> T:
    async def run(database: Database) -> T:
        clock, bus = SystemClock(), LocalBus()
        devices = DeviceService(database, clock, bus, ProductService(database, clock, bus))
        device = await devices.find(product_key, device_name)
        if device is None:
            raise CommandError(f"there is no device {device_name} of a product {product_key}")
        return await action(device, devices, DeviceLogs(database, clock))

    return with_database(data_dir, run)
