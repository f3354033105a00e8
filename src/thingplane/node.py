"""A node: one process on one event loop, from the lock on its data directory to the last commit."""

import asyncio
import contextlib
import gc
import os
import signal
import ssl
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import structlog
import uvloop
from sqlalchemy.exc import SQLAlchemyError

from thingplane import __version__
from thingplane.clock import SystemClock
from thingplane.cloud.server import ApiServer
from thingplane.credentials import Credentials, ensure_credentials
from thingplane.descriptors import raise_limit
from thingplane.endpoints import Endpoints, greeting, write_ready
from thingplane.observability.logs import configure_logs
from thingplane.settings import Settings
from thingplane.storage.database import Database, metadata_url
from thingplane.storage.exclusive import DatabaseInUseError, ExclusiveUse
from thingplane.storage.lock import DataDirectory, DataDirectoryError
from thingplane.storage.migrate import MigrationError, migrate
from thingplane.storage.timeseries.errors import TimeSeriesError
from thingplane.tls import Certificates, ensure_certificates, server_context
from thingplane.wiring import Platform, open_time_series

log = structlog.get_logger(__name__)

STOP_TIMEOUT_S = 9
"""Seconds after SIGTERM until the process ends, whatever still runs; the start contract allows ten."""


class StartError(Exception):
    """A node that can't start; the text is one line that says why."""


class Node:
    """Starts the platform's parts in order and stops them in reverse."""

    def __init__(self, settings: Settings, give_up: Callable[[], None]) -> None:
        """Prepare.

        Args:
            settings: of the node.
            give_up: called when the node can't go on; whoever runs it has to stop it.
        """
        self._settings = settings
        self._give_up = give_up
        self._stops: list[tuple[str, Callable[[], Awaitable[None]]]] = []
        self.endpoints = Endpoints()
        self.platform: Platform | None = None

    async def start(self) -> None:
        """Start everything and write ``ready.json``.

        Raises:
            StartError: something that the operator can mend; what was started is stopped again.
        """
        try:
            await self._start()
        except (DataDirectoryError, DatabaseInUseError, MigrationError, TimeSeriesError, ValueError) as error:
            await self.stop()
            raise StartError(str(error)) from error
        except OSError as error:
            await self.stop()
            raise StartError(_reason(error)) from error
        except SQLAlchemyError as error:
            await self.stop()
            raise StartError(f"the metadata database can't be used: {_first_line(error)}") from error
        except BaseException:
            await self.stop()
            raise

    async def _start(self) -> None:
        settings = self._settings
        directory = DataDirectory(settings.data_dir)
        self._on_stop("data directory", _synchronous(directory.release))
        # A node that was killed has left its own.
        (settings.data_dir / "ready.json").unlink(missing_ok=True)
        credentials = ensure_credentials(
            settings.data_dir / "credentials.json", settings.access_key_id, settings.access_key_secret
        )
        certificates = self._certificates()
        context = self._context(certificates)
        database = Database(metadata_url(settings.data_dir, settings.database_url))
        self._on_stop("metadata database", database.close)
        exclusive = ExclusiveUse(database, on_taken=self._give_up)
        try:
            await exclusive.acquire()
        except OSError as error:
            # The first connection: the reason alone would not say what refused it.
            raise StartError(f"the metadata database can't be used: {_reason(error)}") from error
        self._on_stop("database lock", exclusive.release)
        await migrate(database)
        clock = SystemClock()
        series, log_of_forwarded = open_time_series(settings, clock)
        self._on_stop("log of forwarded messages", log_of_forwarded.close)
        await series.open()
        self._on_stop("history", series.close)
        platform = self.platform = Platform(settings, clock, database, series, log_of_forwarded)
        await self._start_platform(platform, credentials)
        await self._listen(platform, context, certificates)
        self._write_ready(certificates, credentials)

    async def _start_platform(self, platform: Platform, credentials: Credentials) -> None:
        self._on_stop("services", platform.stop)
        await platform.start(credentials)

    async def _listen(self, platform: Platform, context: ssl.SSLContext, certificates: Certificates) -> None:
        settings, endpoints = self._settings, self.endpoints
        server = ApiServer(platform.app, max_connections=settings.api_connections)
        self._on_stop("API", server.stop)
        endpoints.api = await server.start(settings.host, settings.api_port)
        platform.api_url = endpoints.urls(settings.public_host or settings.host, plain=False)["api"]
        endpoints.api_tls = await server.start(settings.host, settings.api_tls_port, context)
        # Stopped after the gateway, so that consumers get what devices said until then.
        self._on_stop("consumers", platform.consumers.stop)
        consumers = await platform.consumers.start(
            settings.host,
            context,
            amqp_port=settings.amqp_port,
            stomp_port=settings.stomp_port,
            amqp_plain_port=settings.amqp_plain_port,
            stomp_plain_port=settings.stomp_plain_port,
        )
        endpoints.amqp, endpoints.stomp, endpoints.amqp_plain, endpoints.stomp_plain = consumers
        self._on_stop("gateway", platform.gateway.stop)
        tls = platform.device_tls(lambda: self._context(certificates))
        ports = await platform.gateway.start(settings.host, settings.mqtt_port, settings.mqtt_ws_port, tls)
        endpoints.mqtt, endpoints.mqtt_ws = ports.mqtt, ports.websocket
        self._on_stop("CoAP", platform.coap.stop)
        endpoints.coap, endpoints.coaps = await platform.coap.start(
            settings.host,
            settings.coap_port,
            settings.coaps_port,
            certificates.pairs,
            rsa_key_exchange=settings.tls_rsa_key_exchange,
        )
        platform.device_http.mqtt_endpoint = settings.public_host or settings.host, ports.mqtt

    def _certificates(self) -> Certificates:
        settings = self._settings
        if settings.tls_certificate:
            certificate = Path(settings.tls_certificate)
            return Certificates(certificate, certificate, Path(settings.tls_key))
        names = [settings.host, settings.public_host, *settings.tls_names]
        return ensure_certificates(settings.data_dir / "tls", names)

    def _context(self, certificates: Certificates) -> ssl.SSLContext:
        key_exchange = self._settings.tls_rsa_key_exchange
        try:
            return server_context(*certificates[1:], rsa_key_exchange=key_exchange)
        except ssl.SSLError as error:
            files = f"{certificates.certificate} and {certificates.key}"
            raise StartError(f"{files} are no certificate with its key: {error.reason}") from error

    def _write_ready(self, certificates: Certificates, credentials: Credentials) -> None:
        settings = self._settings
        file = settings.data_dir / "ready.json"
        self._on_stop("ready.json", _synchronous(lambda: file.unlink(missing_ok=True)))
        host = settings.public_host or settings.host
        urls = self.endpoints.urls(host, plain=settings.mqtt_plain)
        write_ready(file, urls, certificates.ca, settings.data_dir / "credentials.json")
        if self.platform is not None:
            self.platform.health.ready = True
        log.info("ready", version=__version__, pid=os.getpid(), access_key_id=credentials.access_key_id, **urls)
        if sys.stdout.isatty():
            # For the person who started it; a log never gets the secret.
            print(greeting(urls, credentials, settings.data_dir), flush=True)  # noqa: T201

    def _on_stop(self, name: str, stop: Callable[[], Awaitable[None]]) -> None:
        self._stops.append((name, stop))

    async def stop(self) -> None:
        """Stop accepting, finish what was accepted, commit, release the data directory."""
        if self.platform is not None:
            self.platform.health.ready = False
        while self._stops:
            name, stop = self._stops.pop()
            try:
                await stop()
            except Exception:
                # The parts below still have to be closed, the history above all.
                log.exception("a part of the node did not stop cleanly", part=name)


def run(settings: Settings) -> int:
    """Run a node until SIGTERM or SIGINT and return the exit status.

    Raises:
        StartError: the node can't start.
    """
    configure_logs(settings.log_level, settings.log_format)
    raise_limit()
    return uvloop.run(_run(settings))


async def _run(settings: Settings) -> int:
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    gave_up = False

    def give_up() -> None:
        nonlocal gave_up
        gave_up = True
        stopping.set()

    node = Node(settings, give_up)
    starting = asyncio.create_task(node.start())
    waiting = asyncio.create_task(stopping.wait())
    await asyncio.wait({starting, waiting}, return_when=asyncio.FIRST_COMPLETED)
    if starting.done():
        starting.result()
        _spare_collector()
        await waiting
    else:
        starting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await starting
    log.info("stopping")
    try:
        async with asyncio.timeout(STOP_TIMEOUT_S):
            await node.stop()
    except TimeoutError:
        # What was acknowledged is durable; whatever hangs is not worth waiting for.
        log.error("stopping took too long", seconds=STOP_TIMEOUT_S)  # noqa: TRY400 - a traceback would say nothing
        return 1
    log.info("stopped")
    return int(gave_up)


def _spare_collector() -> None:
    """Keep the cyclic garbage collector from looking at the same objects again and again.

    Modules and services live as long as the node. The many objects of a loop turn's messages are freed by counting
    references; with Python's usual threshold of 700, looking for cycles among them takes a sixth of the CPU time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
    gc.enable()


def _synchronous(action: Callable[[], None]) -> Callable[[], Awaitable[None]]:
    async def run_it() -> None:
        action()

    return run_it


def _reason(error: OSError) -> str:
    text = error.strerror or str(error)
    return f"{error.filename}: {text}" if error.filename else text


def _first_line(error: SQLAlchemyError) -> str:
    # Without the statement and its parameters, which follow on further lines.
    return str(getattr(error, "orig", None) or error).splitlines()[0]
