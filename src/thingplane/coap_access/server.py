"""What both listeners share: from a datagram to its answer, and the passing of time."""

import asyncio
from collections.abc import Callable, Hashable
from typing import Final

import structlog

from thingplane.coap import Code, Endpoint, Limits, Request
from thingplane.coap_access.metrics import Counters
from thingplane.coap_access.resources import CRITICAL, Resources

_log = structlog.get_logger(__name__)

TICK_S: Final = 0.25
MAX_AT_WORK: Final = 10_000
"""Requests handled at the same time; those beyond are told to come later."""
MAX_BYTES_AT_WORK: Final = 64 * 1024 * 1024
"""Bytes of their bodies."""

Send = Callable[[bytes, Hashable], None]


class CoapServer:
    """Serves devices over whatever carries datagrams."""

    def __init__(
        self,
        resources: Resources,
        counters: Counters,
        send: Send,
        address: Callable[[Hashable], str],
        limits: Limits | None = None,
        *,
        secure: bool,
        served: Callable[[Hashable], None] = lambda _peer: None,
    ) -> None:
        """Prepare.

        Args:
            resources: answer requests.
            counters: where to count.
            send: sends a datagram to a peer.
            address: returns a peer's address.
            limits: of what is remembered.
            secure: whether datagrams are protected by DTLS.
            served: called with a peer whose request has succeeded, which takes a device's signature or token.
        """
        loop = asyncio.get_running_loop()
        self._resources = resources
        self._counters = counters
        self._send = send
        self._address = address
        self._secure = secure
        self._served = served
        self._now = loop.time
        self._create_task = loop.create_task
        self._endpoint = Endpoint(
            limits,
            first_message_id=int(loop.time() * 1000),
            known=CRITICAL,
            # With DTLS, whoever gets this far has proven its address.
            is_trusted=lambda message: secure or resources.has_session(message),
        )
        self._bytes_at_work = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._ticking = loop.create_task(self._tick())

    def receive(self, data: bytes, peer: Hashable) -> None:
        """Take a datagram."""
        request = self._endpoint.receive(data, peer, self._now())
        if request is not None:
            self._counters.requests += 1
            if len(self._tasks) >= MAX_AT_WORK or self._bytes_at_work > MAX_BYTES_AT_WORK:
                self._counters.turned_away += 1
                self._endpoint.respond(request, Code.SERVICE_UNAVAILABLE, self._now())
            else:
                task = self._create_task(self._serve(request))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
        if self._endpoint.outgoing:
            self._flush()

    async def _serve(self, request: Request) -> None:
        size = len(request.payload)
        self._bytes_at_work += size
        try:
            answer = await self._resources.answer(request, self._address(request.peer), secure=self._secure)
        finally:
            self._bytes_at_work -= size
        self._counters.answers[answer.code] += 1
        if answer.code == Code.CONTENT:
            self._served(request.peer)
        self._endpoint.respond(
            request, answer.code, self._now(), answer.payload, answer.options, separate=answer.separate
        )
        self._flush()

    def _flush(self) -> None:
        outgoing = self._endpoint.outgoing
        self._endpoint.outgoing = []
        for data, peer in outgoing:
            self._send(data, peer)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            self._endpoint.tick(self._now())
            self._resources.tick()
            self._flush()

    async def stop(self, seconds: float) -> None:
        """Give requests that are handled so long to be answered."""
        self._ticking.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=seconds)
