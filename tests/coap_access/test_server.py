"""Requests that are handled at the same time, and by whom they are sent."""

import asyncio
from collections.abc import AsyncIterator, Hashable
from typing import Any, cast

import pytest

from tests.coap.test_endpoint import post
from thingplane.coap import Code, Message, Number
from thingplane.coap.message import decode
from thingplane.coap_access import server as server_module
from thingplane.coap_access.answers import Answer
from thingplane.coap_access.encryption import Key
from thingplane.coap_access.metrics import Counters
from thingplane.coap_access.resources import TOKEN, Resources
from thingplane.coap_access.server import CoapServer
from thingplane.coap_access.sessions import Session, Sessions


class SlowResources:
    """Answers when it is let; knows one token."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.asked = 0
        self.sessions = Sessions(10)
        self.sessions.begin("known", Session(1, Key("secret", "random"), 1, is_separate=False))

    def has_session(self, message: Message) -> bool:
        return Resources.has_session(cast("Resources", self), message)

    async def answer(self, _request: object, _ip: str, *, secure: bool) -> Answer:  # noqa: ARG002
        self.asked += 1
        await self.gate.wait()
        return Answer(Code.CONTENT)

    def tick(self) -> None:
        """Do nothing."""


@pytest.fixture
async def resources() -> SlowResources:
    return SlowResources()


@pytest.fixture
async def server(resources: SlowResources) -> AsyncIterator[CoapServer]:
    made = CoapServer(cast("Resources", resources), Counters(), lambda data, _: sent.append(data), str, secure=False)
    sent: list[bytes] = []
    made.sent = sent  # type: ignore[attr-defined]
    yield made
    resources.gate.set()
    await made.stop(1)


def codes(server: CoapServer) -> list[int]:
    sent = cast("Any", server).sent
    found = [decode(data).code for data in sent]
    sent.clear()
    return found


@pytest.mark.parametrize(("limit", "value"), [("MAX_AT_WORK", 5), ("MAX_BYTES_AT_WORK", 4_500)])
async def test_requests_beyond_what_is_handled_at_a_time_are_told_to_come_later(
    server: CoapServer, resources: SlowResources, monkeypatch: pytest.MonkeyPatch, limit: str, value: int
) -> None:
    monkeypatch.setattr(server_module, limit, value)
    for number in range(20):
        server.receive(post(number, payload=b"x" * 1000).encode(), ("192.0.2.1", number))
        await asyncio.sleep(0)
    assert resources.asked == 5
    assert codes(server) == [Code.SERVICE_UNAVAILABLE] * 15
    assert server._counters.turned_away == 15
    resources.gate.set()
    await asyncio.gather(*server._tasks)
    assert codes(server) == [Code.CONTENT] * 5
    server.receive(post(99).encode(), ("192.0.2.1", 99))
    await asyncio.gather(*server._tasks)
    assert codes(server) == [Code.CONTENT]


@pytest.mark.parametrize("option", [(TOKEN, b"known"), (61, b"known"), (int(Number.URI_QUERY), b"token=known")])
async def test_only_devices_with_a_session_send_long_bodies(server: CoapServer, option: tuple[int, bytes]) -> None:
    peer: Hashable = ("192.0.2.1", 1)
    for known in (True, False):
        for number in range(4):
            message = post(number + 10 * known, payload=b"x" * 1024, BLOCK1=bytes([number << 4 | 8 | 6]))
            found = option if known else (option[0], option[1] + b"?")
            options = sorted([*message.options, found], key=lambda item: item[0])
            server.receive(message._replace(options=options).encode(), peer)
    continued, too_large = [Code.CONTINUE], [Code.REQUEST_ENTITY_TOO_LARGE, Code.REQUEST_ENTITY_INCOMPLETE]
    assert codes(server) == continued * 4 + continued * 2 + too_large
