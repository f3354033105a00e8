"""Calls operations the way a client does, signed and through the whole application, but without sockets."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from tests.common.clock import FakeClock
from thingplane.clock import Clock
from thingplane.cloud import Caller, Instance, Services
from thingplane.cloud.app import CloudApp
from thingplane.cloud.client import Scheme, SignedRequest, Signer, parse_answer
from thingplane.cloud.contract import check
from thingplane.cloud.credentials import AccessKey
from thingplane.cloud.errors import INSTANCE_NOT_FOUND
from thingplane.cloud.http import Message
from thingplane.cloud.policy import Policy
from thingplane.cloud.quota import Quota
from thingplane.cloud.registry import OPERATIONS, Operation

ACCOUNT_ID = "1000000000000001"
DEFAULT_INSTANCE = Instance(1, "iot-default")
OTHER_INSTANCE = Instance(2, "iot-other")


class Keys:
    """Access keys by id."""

    def __init__(self, *keys: AccessKey) -> None:
        self.by_id = {key.caller.access_key_id: key for key in keys}

    def find_key(self, access_key_id: str) -> AccessKey | None:
        return self.by_id.get(access_key_id)


class FixedInstances:
    """The default instance, and a second one named ``iot-other``."""

    def resolve(self, instance_id: str | None) -> Instance:
        for instance in (DEFAULT_INSTANCE, OTHER_INSTANCE):
            if instance_id in (None, instance.instance_id):
                return instance
        raise INSTANCE_NOT_FOUND(f"no instance {instance_id}")


class Api:
    """A client of a CloudApp in the same process.

    Every answer is checked against the contract; there are no quotas unless a ``Quota`` is given.
    """

    def __init__(
        self,
        services: Services | None = None,
        *,
        clock: FakeClock | None = None,
        wire_clock: Clock | None = None,
        quota: Quota | None = None,
        policy: Policy | None = None,
        scheme: Scheme = "rpc",
        operations: Mapping[str, Operation] = OPERATIONS,
        checks_contract: bool = True,
        **options: Any,
    ) -> None:
        self.clock = clock or FakeClock()
        self.wire_clock: Clock = wire_clock or self.clock
        """What signatures are dated and judged by."""
        self.answers: list[tuple[str, dict[str, Any]]] = []
        key = AccessKey(Caller(ACCOUNT_ID, "testid"), "testsecret", policy=policy)
        self.app = CloudApp(
            services or Services(),
            Keys(key),
            FixedInstances(),
            self.wire_clock,
            quota=quota or Quota(self.clock, "unlimited"),
            operations=operations,
            on_answer=lambda name, _, answer: self.answers.append((name, answer)),
            **options,
        )
        self.signer = Signer("testid", "testsecret", scheme=scheme, host="api.test", clock=self.wire_clock)
        self._checks_contract = checks_contract

    async def call(self, action: str, /, **parameters: Any) -> dict[str, Any]:
        """Call an operation and return its JSON answer, also one with ``Success=False``.

        Names are wire names (``**{"Tag.1.Key": "x"}``) or nested (``Tag=[{"Key": "x"}]``). Raises ``CallError`` for
        what the gateway refuses.
        """
        status, _, body = await self.send(self.signer.sign(action, parameters))
        answer = parse_answer(status, body)
        if self._checks_contract:
            assert check(action, answer) == []
        return answer

    async def send(self, request: SignedRequest) -> tuple[int, dict[str, str], bytes]:
        """Send any request; returns status, headers and body."""
        path, _, query = request.target.partition("?")
        scope = {
            "type": "http",
            "method": request.method,
            "path": unquote(path),
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "headers": [(name.encode(), value.encode()) for name, value in request.headers.items()],
            "client": ("127.0.0.1", 50000),
        }
        messages: list[Message] = []

        async def receive() -> Message:
            return {"type": "http.request", "body": request.body, "more_body": False}

        async def send(message: Message) -> None:
            messages.append(message)

        await self.app(scope, receive, send)
        start, *rest = messages
        headers = {name.decode(): value.decode() for name, value in start["headers"]}
        return start["status"], headers, b"".join(message.get("body", b"") for message in rest)
