"""MNS subscriptions: the configuration of a queue, the envelope of messages, and sending them until they are taken."""

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Annotated, Any, Final

import msgspec
import structlog

from thingplane.clock import Clock
from thingplane.forwarding.message import Forwarded, Kind
from thingplane.outbound import Outbound, OutboundError
from thingplane.outbound.mns import MAX_MESSAGE, MnsClient, MnsEndpoint, MnsError
from thingplane.subscriptions.delivery.log import Log
from thingplane.subscriptions.errors import MNS_CHECK_FAILED

MESSAGE_TYPES: Final = {
    Kind.STATUS: "status",
    Kind.CUSTOM: "upload",
    Kind.PROPERTY: "upload",
    Kind.EVENT: "upload",
    Kind.PROPERTY_BATCH: "upload",
    Kind.EVENT_BATCH: "upload",
    Kind.REPLY: "upload",
    Kind.PROPERTY_HISTORY: "thing_history",
    Kind.EVENT_HISTORY: "thing_history",
    Kind.LIFECYCLE: "device_lifecycle",
    Kind.TOPOLOGY: "topo_lifecycle",
    Kind.FOUND: "topo_listfound",
    Kind.OTA_STATUS: "ota_event",
}
"""``messagetype`` of the kinds that MNS subscriptions get."""

AT_ONCE: Final = 16
"""Messages that are sent at the same time."""
REFUSALS: Final = 3
"""Refusals as malformed (HTTP 400) after which a message is dropped; whatever else goes wrong may get right again."""
BACK_OFF: Final = (1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
"""Seconds to wait after one, two, … failures in a row."""

_log = structlog.get_logger(__name__)

_Name = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,119}$")]


class _Role(msgspec.Struct):
    roleArn: str = ""
    roleName: str = ""


class _Configuration(msgspec.Struct):
    regionName: Annotated[str, msgspec.Meta(pattern="^[a-z0-9-]{1,40}$")]
    queueName: _Name | None = None
    themeName: _Name | None = None
    role: _Role | None = None


class Queue(msgspec.Struct, frozen=True):
    """A queue as a subscription names it."""

    region: str
    name: str

    @classmethod
    def parse(cls, configuration: str) -> "Queue":
        """Read an MnsConfiguration: ``queueName`` (or ``themeName``) and ``regionName``; the role is not needed here.

        Raises:
            BusinessError: iot.consumer.group.MnsCheckFailed.
        """
        try:
            parsed = msgspec.json.decode(configuration, type=_Configuration)
        except msgspec.DecodeError as error:
            raise MNS_CHECK_FAILED(f"MnsConfiguration is malformed: {error}.") from error
        name = parsed.queueName or parsed.themeName
        if name is None:
            raise MNS_CHECK_FAILED("MnsConfiguration has no queueName.")
        return cls(parsed.regionName, name)

    def endpoint(self, endpoints: Mapping[str, MnsEndpoint]) -> MnsEndpoint:
        """Return where it is.

        Raises:
            BusinessError: iot.consumer.group.MnsCheckFailed when the settings don't say.
        """
        found = endpoints.get(f"{self.region}/{self.name}") or endpoints.get(self.region)
        if found is None:
            raise MNS_CHECK_FAILED(
                f"No endpoint for the queue {self.name}: the setting mns_endpoints has to name one for {self.region} "
                f"or {self.region}/{self.name}."
            )
        return found


def envelope(message: Forwarded) -> str:
    """Return the text that goes into the queue: JSON in ASCII, with the body as Base64 and the time in seconds."""
    fields: dict[str, Any] = {
        "payload": base64.b64encode(message.body).decode(),
        "messagetype": MESSAGE_TYPES[message.kind],
        "topic": message.topic,
        "messageid": message.message_id,
        "timestamp": message.generated // 1000,
    }
    return json.dumps(fields, separators=(",", ":"))


class MnsCounters:
    """What became of messages, over all queues."""

    def __init__(self) -> None:
        self.sent = 0
        self.failed = 0
        self.dropped = 0


class MnsDelivery:
    """Sends what is due to one subscription to its queue: everything in the log, again until it is taken."""

    def __init__(
        self,
        subscriber: int,
        log: Log,
        queue: str,
        client: MnsClient,
        counters: MnsCounters,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Wire; ``start`` begins to send.

        Args:
            subscriber: the subscription in the log.
            log: where messages are.
            queue: name of the queue.
            client: sends to its endpoint.
            counters: shared by all deliveries.
            sleep: waits between attempts.
        """
        self.subscriber = subscriber
        self._log = log
        self._queue = queue
        self._client = client
        self._counters = counters
        self._sleep = sleep
        self._refusals: dict[int, int] = {}
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._unlisten: Callable[[], None] | None = None

    def start(self) -> None:
        """Send from now on, beginning with what waits."""
        self._unlisten = self._log.listen(self.subscriber, self._arrived)
        self._task = asyncio.get_running_loop().create_task(self._run(), name=f"MNS queue {self._queue}")

    async def stop(self) -> None:
        """Send nothing more; what was not taken stays in the log."""
        if self._unlisten is not None:
            self._unlisten()
            self._unlisten = None
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            self._task = None

    def _arrived(self, _messages: Sequence[Forwarded]) -> None:
        self._news.set()

    async def _run(self) -> None:
        failures = 0
        while True:
            self._news.clear()
            try:
                messages = await self._log.read(self.subscriber, -1, AT_ONCE)
                if not messages:
                    await self._news.wait()
                    continue
                good = all(await asyncio.gather(*map(self._send, messages)))
            except Exception:  # noqa: BLE001 - logged with its traceback; the database may be away for a while
                _log.exception("messages for an MNS queue cannot be read", queue=self._queue)
                good = False
            failures = 0 if good else failures + 1
            if failures:
                await self._sleep(BACK_OFF[min(failures, len(BACK_OFF)) - 1])

    async def _send(self, message: Forwarded) -> bool:
        """Send a message; tells whether it is done with."""
        text = envelope(message)
        if len(text) > MAX_MESSAGE:
            self._drop(message, f"its envelope has more than {MAX_MESSAGE} bytes")
            return True
        try:
            await self._client.send(self._queue, text)
        except OutboundError as error:
            if isinstance(error, MnsError) and error.status == 400:
                refusals = self._refusals[message.position] = self._refusals.pop(message.position, 0) + 1
                if refusals >= REFUSALS:
                    self._drop(message, str(error))
                    return True
            self._counters.failed += 1
            _log.warning("an MNS queue did not take a message, trying again", queue=self._queue, error=str(error))
            return False
        self._counters.sent += 1
        self._done(message)
        return True

    def _drop(self, message: Forwarded, reason: str) -> None:
        self._counters.dropped += 1
        _log.error("message not sent to its MNS queue", queue=self._queue, message_id=message.message_id, reason=reason)
        self._done(message)

    def _done(self, message: Forwarded) -> None:
        self._refusals.pop(message.position, None)
        self._log.acknowledge(self.subscriber, (message.position,))


class MnsQueues:
    """The queues of all MNS subscriptions."""

    def __init__(self, log: Log, outbound: Outbound, endpoints: Mapping[str, MnsEndpoint], clock: Clock) -> None:
        """Know where queues are.

        Args:
            log: where messages are.
            outbound: the HTTP client.
            endpoints: by region, or by region, a slash and the name of a queue.
            clock: time of signatures.
        """
        self.counters = MnsCounters()
        self._log = log
        self._outbound = outbound
        self._endpoints = endpoints
        self._clock = clock
        self._deliveries: dict[int, MnsDelivery] = {}

    def check(self, configuration: str) -> None:
        """Check that messages can be sent to the queue that an MnsConfiguration names.

        Raises:
            BusinessError: iot.consumer.group.MnsCheckFailed.
        """
        Queue.parse(configuration).endpoint(self._endpoints)

    async def open(self, subscriber: int, configuration: str) -> None:
        """Send what is due to a subscriber to this queue, and to no other one from now on.

        Raises:
            BusinessError: iot.consumer.group.MnsCheckFailed.
        """
        queue = Queue.parse(configuration)
        client = MnsClient(self._outbound, queue.endpoint(self._endpoints), self._clock)
        await self.close(subscriber)
        delivery = self._deliveries[subscriber] = MnsDelivery(subscriber, self._log, queue.name, client, self.counters)
        delivery.start()

    async def close(self, subscriber: int) -> None:
        """Send nothing more of what is due to a subscriber."""
        delivery = self._deliveries.pop(subscriber, None)
        if delivery is not None:
            await delivery.stop()

    async def stop(self) -> None:
        """Send nothing more."""
        for subscriber in list(self._deliveries):
            await self.close(subscriber)
