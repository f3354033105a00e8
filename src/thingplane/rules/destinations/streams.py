"""ONS and DATAHUB: to topics of Kafka or subjects of NATS."""

import asyncio
import re
from collections.abc import Callable, Coroutine, Mapping
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import unquote, urlsplit

import msgspec

from thingplane.rules.actions.configurations import DataHub, RocketMq, SchemaColumn
from thingplane.rules.actions.templates import as_text
from thingplane.rules.destinations.protocol import DestinationError, Record, SetupError

if TYPE_CHECKING:
    import aiokafka
    import nats.aio.client

TIMEOUT_S: Final = 10.0
LOOK_EVERY_S: Final = 0.1
"""Seconds between looks at whether a connection is still there."""
_SUBJECT: Final = re.compile(r"[^\s*>]+")


class Stream(Protocol):
    """A server that takes messages."""

    async def publish(self, target: str, key: str, body: bytes, headers: Mapping[str, str]) -> None:
        """Publish a message and return when the server has it.

        Raises:
            DestinationError: it has not, or possibly not.
        """

    async def close(self) -> None:
        """Close the connection."""


class Kafka:
    """A producer, connected when it is first used; all replicas in sync confirm each message."""

    def __init__(self, servers: str) -> None:
        """Remember the servers: hosts with ports, separated by commas."""
        self._servers = servers
        self._producer: aiokafka.AIOKafkaProducer | None = None
        self._opening = asyncio.Lock()

    async def publish(self, target: str, key: str, body: bytes, headers: Mapping[str, str]) -> None:
        import aiokafka  # noqa: PLC0415 - an extra
        from aiokafka.errors import KafkaError, MessageSizeTooLargeError  # noqa: PLC0415 - an extra

        pairs = [(name, value.encode()) for name, value in headers.items()]
        try:
            async with self._opening:
                if self._producer is None:
                    producer = aiokafka.AIOKafkaProducer(
                        bootstrap_servers=self._servers, acks="all", request_timeout_ms=int(TIMEOUT_S * 1000)
                    )
                    try:
                        await producer.start()
                    except BaseException:
                        await producer.stop()
                        raise
                    self._producer = producer
            async with asyncio.timeout(TIMEOUT_S):
                await self._producer.send_and_wait(target, body, key=key.encode(), headers=pairs)
        except MessageSizeTooLargeError as error:
            raise DestinationError("the message is too large for Kafka", permanent=True) from error
        except (KafkaError, OSError, TimeoutError) as error:
            raise DestinationError(f"Kafka: {error or type(error).__name__}") from error

    async def close(self) -> None:
        if self._producer is not None:
            await self._producer.stop()


class Nats:
    """A connection, made when it is first used."""

    def __init__(self, url: str, *, jetstream: bool) -> None:
        """Remember the server.

        Args:
            url: nats:// or tls://.
            jetstream: whether a stream has to confirm every message; else that the server has it is enough.
        """
        self._url = url
        self._jetstream = jetstream
        self._client: nats.aio.client.Client | None = None
        self._opening = asyncio.Lock()

    async def publish(self, target: str, key: str, body: bytes, headers: Mapping[str, str]) -> None:
        import nats  # noqa: PLC0415 - an extra
        from nats.errors import Error, MaxPayloadError  # noqa: PLC0415 - an extra
        from nats.js.errors import Error as JetStreamError  # noqa: PLC0415 - an extra

        if not _SUBJECT.fullmatch(target):
            raise DestinationError(f"{target[:60]} is no subject of NATS", permanent=True)
        try:
            async with asyncio.timeout(TIMEOUT_S):
                async with self._opening:
                    if self._client is None or not self._client.is_connected:
                        # Its own way back would hold messages for as long as it takes; the runtime tries again.
                        self._client = await nats.connect(
                            self._url,
                            allow_reconnect=False,
                            connect_timeout=int(TIMEOUT_S),
                            error_cb=_ignore,
                        )
                client = self._client
                # The key makes a stream keep one of several tries.
                named = {**headers, "Nats-Msg-Id": key}
                if self._jetstream:
                    await self._confirmed(client, client.jetstream().publish(target, body, headers=named))
                else:
                    await client.publish(target, body, headers=named)
                    await self._confirmed(client, client.flush(int(TIMEOUT_S)))
        except MaxPayloadError as error:
            raise DestinationError("the message is too large for NATS", permanent=True) from error
        except (Error, JetStreamError, OSError, TimeoutError) as error:
            raise DestinationError(f"NATS: {error or type(error).__name__}") from error

    async def _confirmed(self, client: "nats.aio.client.Client", confirmation: Coroutine[Any, Any, object]) -> None:
        """Wait for a confirmation, which the client itself would also do on a connection that it has given up."""
        task = asyncio.create_task(confirmation)
        try:
            while not task.done():
                await asyncio.wait({task}, timeout=LOOK_EVERY_S)
                if not task.done() and not client.is_connected:
                    raise ConnectionError("the connection was lost")
            await task
        finally:
            task.cancel()

    async def close(self) -> None:
        if self._client is not None and not self._client.is_closed:
            await self._client.close()


async def _ignore(_error: Exception) -> None:
    """Whoever publishes learns of errors anyway."""


class Streams:
    """Servers by their addresses."""

    def __init__(self) -> None:
        """Start without connections."""
        self._streams: dict[tuple[str, bool], Stream] = {}

    def open(self, url: str, jetstream: bool) -> Stream:
        """Return the server at a URL.

        Raises:
            SetupError: its package is not installed.
        """
        found = self._streams.get((url, jetstream))
        if found is None:
            found = self._streams[url, jetstream] = _stream(url, jetstream)
        return found

    async def close(self) -> None:
        """Close all connections."""
        for stream in self._streams.values():
            await stream.close()


def _stream(url: str, jetstream: bool) -> Stream:
    parts = urlsplit(url)
    if parts.scheme == "kafka":
        try:
            import aiokafka  # noqa: F401, PLC0415 - an extra
        except ImportError:
            raise SetupError("Kafka needs a package: pip install thingplane[kafka]") from None
        return Kafka(unquote(parts.netloc))
    try:
        import nats  # noqa: F401, PLC0415 - an extra
    except ImportError:
        raise SetupError("NATS needs a package: pip install thingplane[nats]") from None
    return Nats(url, jetstream=jetstream)


class MessageQueueTopic:
    """ONS: payloads as they are, the message id as key, the tag as a header."""

    def __init__(self, configuration: RocketMq, target: str, stream: Stream) -> None:
        """Take a configuration.

        Args:
            configuration: of the action.
            target: Kafka topic or NATS subject.
            stream: the server.
        """
        self.region = configuration.region
        self.resource = "/".join(filter(None, [configuration.instance, configuration.topic]))
        self._tag = configuration.tag
        self._target = target
        self._stream = stream

    async def send(self, record: Record) -> None:
        headers = {"messageId": str(record.message.message_id), "topic": record.message.topic}
        tag = self._tag.render(record.columns)
        if tag:
            headers["tag"] = tag.replace("\r", " ").replace("\n", " ")
        await self._stream.publish(self._target, headers["messageId"], record.payload, headers)


class DataHubTopic:
    """DATAHUB: JSON objects with the columns of the schema, each of its type."""

    def __init__(self, configuration: DataHub, target: str, stream: Stream) -> None:
        """Take a configuration; see ``MessageQueueTopic``."""
        self.region = configuration.region
        self.resource = f"{configuration.project}/{configuration.topic}"
        self._columns = configuration.columns
        self._target = target
        self._stream = stream

    async def send(self, record: Record) -> None:
        row = {column.name: _typed(column, record) for column in self._columns}
        headers = {"messageId": str(record.message.message_id), "topic": record.message.topic}
        await self._stream.publish(self._target, headers["messageId"], msgspec.json.encode(row), headers)


def _boolean(value: Any) -> bool:
    return {"true": True, "1": True, "false": False, "0": False}[as_text(value).lower()]


def _integer(value: Any) -> int:
    number = value if isinstance(value, int) else Decimal(as_text(value))
    if number != int(number) or not -(2**63) <= number < 2**63:
        raise ValueError("not a 64-bit integer")
    return int(number)


_TYPES: Final[dict[str, Callable[[Any], Any]]] = {
    "BIGINT": _integer,
    "TIMESTAMP": _integer,
    "DOUBLE": float,
    "BOOLEAN": _boolean,
    "STRING": as_text,
    # Exact only as text.
    "DECIMAL": lambda value: str(Decimal(as_text(value))),
}


def _typed(column: SchemaColumn, record: Record) -> Any:
    value = column.value.value(record.columns)
    if value is None:
        return None
    try:
        return _TYPES[column.type](value)
    except (ValueError, TypeError, KeyError, OverflowError, InvalidOperation):
        raise DestinationError(f"the value of {column.name} is no {column.type}", permanent=True) from None
