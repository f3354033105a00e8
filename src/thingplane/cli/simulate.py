"""``thingplane simulate``: devices that post, with a live status line."""

import asyncio
import ssl
from typing import Annotated
from urllib.parse import urlsplit

import msgspec
import uvloop
from cyclopts import Parameter
from rich.live import Live
from rich.text import Text

from thingplane.cli import CommandError
from thingplane.cli.fleet import DEMO_NAME, ensure_devices, find_product, published_tsl
from thingplane.cli.output import console, is_terminal, print_json
from thingplane.cli.target import DataDir, ready, target
from thingplane.cloud.client import CloudClient
from thingplane.simulator.client import RefusedError
from thingplane.simulator.fleet import Counts, Fleet


def simulate(
    *,
    product_key: Annotated[str | None, Parameter(help=f"ProductKey [default: that of {DEMO_NAME}]")] = None,
    devices: Annotated[int, Parameter(help="number of devices; missing ones are registered")] = 1,
    prefix: Annotated[str, Parameter(help="devices are called PREFIX-1, PREFIX-2, …")] = "thermostat",
    rate: Annotated[float, Parameter(help="property posts a second of the whole fleet")] = 1.0,
    duration: Annotated[float | None, Parameter(help="seconds to run [default: until Ctrl-C]")] = None,
    tls: Annotated[bool, Parameter(help="connect over TLS")] = False,
    seed: Annotated[int | None, Parameter(help="repeats the same random walk")] = None,
    data_dir: DataDir = None,
) -> None:
    """Run devices whose properties walk randomly inside the limits of their product's thing model.

    They apply property settings and answer services and RRPC, so that back ends have something to talk to.
    """
    if devices < 1 or rate <= 0:
        raise CommandError("--devices and --rate must be positive")
    node = ready(data_dir)
    client = CloudClient(*target(data_dir, None, None, None))
    product_key = product_key or find_product(client, DEMO_NAME)
    if product_key is None:
        raise CommandError("there is no demo product: run `thingplane demo` first, or name --product-key")
    identities = ensure_devices(client, product_key, [f"{prefix}-{number}" for number in range(1, devices + 1)])
    fleet = Fleet(identities, published_tsl(client, product_key), rate, seed)
    address = urlsplit(node.endpoints["mqtt_tls" if tls else "mqtt"])
    context = ssl.create_default_context(cafile=node.ca_certificate) if tls else None
    try:
        uvloop.run(_run(fleet, address.hostname or "127.0.0.1", address.port or 1883, context, duration))
    except KeyboardInterrupt:
        pass
    except (RefusedError, OSError) as error:
        raise CommandError(f"the devices can't go on: {error}") from None
    if not is_terminal():
        print_json(fleet.counts()._asdict())


async def _run(fleet: Fleet, host: str, port: int, context: ssl.SSLContext | None, duration: float | None) -> None:
    await fleet.connect(host, port, context)
    try:
        if is_terminal():
            with Live(console=console, auto_refresh=False) as live:
                await fleet.run(duration, lambda counts: live.update(_line(counts), refresh=True))
        else:
            await fleet.run(duration, lambda _counts: None)
        await asyncio.sleep(0.2)  # the last answers are under way
    finally:
        fleet.close()


def _line(counts: Counts) -> Text:
    last = msgspec.json.encode(counts.last).decode()
    return Text.assemble(
        (f"{counts.connected}", "bold"), " connected  ",
        (f"{counts.posted}", "bold"), " posted  ",
        (f"{counts.acknowledged}", "bold green"), " acknowledged  ",
        (f"{counts.rejected}", "bold red" if counts.rejected else "bold"), " rejected  ",
        (f"{counts.settings}", "bold"), " settings  ",
        (last, "dim"),
    )  # fmt: skip
