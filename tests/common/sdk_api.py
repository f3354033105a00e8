"""Calls operations with the official cloud SDK, over a socket, on services in the test's own process."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from alibabacloud_iot20180120 import models
from alibabacloud_iot20180120.client import Client
from alibabacloud_tea_openapi.models import Config
from alibabacloud_tea_util.models import RuntimeOptions
from Tea.exceptions import TeaException

from tests.common.api import Api
from tests.common.clock import FakeClock
from thingplane.clock import SystemClock
from thingplane.cloud import Services
from thingplane.cloud.client import CallError
from thingplane.cloud.contract import check
from thingplane.cloud.server import ApiServer

HOST = "127.0.0.1"
_CALLS = [name for name in dir(Client) if name.endswith("with_options_async")]
METHODS = {name.replace("_", "").removesuffix("withoptionsasync"): name for name in _CALLS}
"""The SDK's methods by the operation in lower case: where it puts underscores follows no rule."""


class SdkApi(Api):
    """An ``Api`` whose calls the unmodified SDK encodes, signs, sends and parses.

    What the SDK's request models have no member for cannot leave it: such calls are signed here, as by an older client
    (``foreign`` names them).
    """

    def __init__(self, services: Services, *, clock: FakeClock, **options: Any) -> None:
        # The SDK signs with the time of this machine, whatever the test's clock says.
        super().__init__(services, clock=clock, wire_clock=SystemClock(), **options)
        self.foreign: set[str] = set()
        self.address = ""
        """Host and port that it listens on."""
        self._client: Client | None = None
        self._server = ApiServer(self.app)
        self._answer: Any = None

    async def start(self) -> None:
        """Listen, and aim the SDK at it."""
        port = await self._server.start(HOST, 0)
        self.address = f"{HOST}:{port}"
        config = Config(access_key_id="testid", access_key_secret="testsecret", endpoint=self.address, protocol="http")
        self._client = Client(config)
        call_api = self._client.call_api_async

        async def observed(params: Any, request: Any, runtime: Any) -> Any:
            answer = await call_api(params, request, runtime)
            self._answer = answer["body"]
            return answer

        self._client.call_api_async = observed

    async def stop(self) -> None:
        """Stop listening."""
        await self._server.stop()

    async def call(self, action: str, /, **parameters: Any) -> dict[str, Any]:
        """Call an operation by the SDK and return its JSON answer, also one with ``Success=False``.

        Raises ``CallError`` for what the gateway refuses, which the SDK raises as its own exception.
        """
        nested = unflattened(parameters)
        request = getattr(models, f"{action}Request")().from_map(nested)
        if not is_within(nested, request.to_map()):
            self.foreign.add(action)
            return await super().call(action, **parameters)
        method = getattr(self._client, METHODS[action.lower()])
        try:
            response = await method(request, RuntimeOptions(read_timeout=30_000))
        except TeaException as error:
            raise CallError(error.data["statusCode"], error.code, error.message) from None
        answer: dict[str, Any] = self._answer
        assert response.body.success is answer["Success"]
        assert check(action, answer) == []
        return answer


@asynccontextmanager
async def sdk_api(services: Services, clock: FakeClock, **options: Any) -> AsyncIterator[SdkApi]:
    """Serve the operations as long as the context is open."""
    api = SdkApi(services, clock=clock, **options)
    await api.start()
    try:
        yield api
    finally:
        await api.stop()


def unflattened(parameters: dict[str, Any]) -> dict[str, Any]:
    """Return parameters with ``Tag.1.Key`` put into lists of dictionaries, as the SDK's models take them."""
    nested: dict[str, Any] = {}
    for name, value in parameters.items():
        head, *path = name.split(".")
        if not path:
            nested[name] = value
            continue
        items = nested.setdefault(head, [])
        index = int(path[0]) - 1
        items.extend({} if len(path) > 1 else None for _ in range(index + 1 - len(items)))
        if len(path) > 1:
            items[index][path[1]] = value
        else:
            items[index] = value
    return nested


def is_within(given: Any, sent: Any) -> bool:
    """Tell whether the SDK's model kept all that it was given."""
    if isinstance(given, dict):
        return isinstance(sent, dict) and all(
            value is None or (name in sent and is_within(value, sent[name])) for name, value in given.items()
        )
    if isinstance(given, list | tuple):
        return isinstance(sent, list) and len(sent) == len(given) and all(map(is_within, given, sent))
    return bool(given == sent)
