"""The RPC API as an ASGI application, with room for other HTTP handlers beside it.

Order of a call: parameters → signature, timestamp, nonce → version and operation → instance → access policy → quota →
constraints of the parameters → operation → answer. What fails before the operation's own part is a gateway failure
(HTTP 4xx with Code and Message); documented failures of the operation are HTTP 200 with ``Success=false``.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import structlog

from thingplane import ids
from thingplane.clock import Clock
from thingplane.cloud import rendering
from thingplane.cloud.context import Context, Services
from thingplane.cloud.contract import CONTRACT
from thingplane.cloud.credentials import AccessKey, Instances, KeyRing
from thingplane.cloud.errors import (
    API_NOT_SUPPORTED_IN_INSTANCE,
    RAM_ACTION_PERMISSION_DENY,
    SYSTEM_EXCEPTION,
    BusinessError,
    GatewayError,
)
from thingplane.cloud.form import Form
from thingplane.cloud.http import (
    BODY_TIMEOUT_S,
    MAX_BODY_BYTES,
    AsgiApp,
    ClientGoneError,
    Receive,
    Scope,
    Send,
    read_body,
    respond,
)
from thingplane.cloud.parameters import decode, missing
from thingplane.cloud.quota import Quota
from thingplane.cloud.registry import DEEP, OPERATIONS, Operation
from thingplane.cloud.schema import Response
from thingplane.cloud.signature import Authenticator, SignedCall

VERSION: Final = "2018-01-20"
MAX_QUERY_BYTES: Final = 1024 * 1024
MAX_PARAMETERS: Final = 50_000
"""Enough for lists of 10000 entries; bounds the work that an unsigned request can cause."""

_FORMAT_JSON: Final = re.compile(rb"(?:^|&)Format=json(?:&|$)", re.IGNORECASE)

OnAnswer = Callable[[str, dict[str, str], dict[str, Any]], None]
"""Called with operation, parameters and the JSON answer (as dict) of every call that reached its operation."""

log = structlog.get_logger(__name__)


class CloudApp:
    """ASGI application of a node's API port."""

    def __init__(
        self,
        services: Services,
        keys: KeyRing,
        instances: Instances,
        clock: Clock,
        *,
        quota: Quota | None = None,
        authenticator: Authenticator | None = None,
        region: str = "cn-shanghai",
        operations: Mapping[str, Operation] = OPERATIONS,
        routes: Mapping[str, AsgiApp] | None = None,
        on_answer: OnAnswer | None = None,
        max_body_bytes: int = MAX_BODY_BYTES,
        body_timeout_s: float = BODY_TIMEOUT_S,
    ) -> None:
        """Wire the application.

        Args:
            services: what operations find with ``ctx.service``.
            keys: finds access keys.
            instances: finds instances.
            clock: wall clock of timestamps, monotonic clock of quotas.
            quota: calls per second; by default as documented.
            authenticator: checks signatures; by default with a nonce cache of its own.
            region: appears in the resource names of access policies.
            operations: by name.
            routes: other ASGI applications by path. A path that ends with ``/`` takes everything below it, the longest
                one first; every other path takes only itself.
            on_answer: observes answers.
            max_body_bytes: longest body of a call.
            body_timeout_s: seconds a client may take to send the body of a call.
        """
        self._services = services
        self._instances = instances
        self._quota = quota or Quota(clock)
        self._authenticator = authenticator or Authenticator(keys, clock)
        self._region = region
        self._operations = operations
        self._routes: dict[str, AsgiApp] = {}
        self._prefixes: list[tuple[str, AsgiApp]] = []
        self._on_answer = on_answer
        self._max_body_bytes = max_body_bytes
        self._body_timeout_s = body_timeout_s
        for path, app in (routes or {}).items():
            self.mount(path, app)

    def mount(self, path: str, app: AsgiApp) -> None:
        """Serve another application at a path (see ``routes`` of the constructor)."""
        if path.endswith("/"):
            self._prefixes.append((path, app))
            self._prefixes.sort(key=lambda item: -len(item[0]))
        else:
            self._routes[path] = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        app = self._routes.get(path)
        if app is None and self._prefixes:
            app = next((app for prefix, app in self._prefixes if path.startswith(prefix)), None)
        if app is not None:
            await app(scope, receive, send)
        else:
            await self._serve(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        request_id = ids.request_id()
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        form: rendering.Format | None = None
        status = 200
        try:
            call = await self._receive(scope, headers, receive)
            form = _format(call.parameters.values, headers)
            body = await self._call(call, form, request_id, scope)
        except GatewayError as error:
            status = error.status
            form = form or _format_unread(scope["query_string"], headers)
            host_id = headers.get("host", f"iot.{self._region}")
            body = rendering.gateway_error_body(form, request_id, host_id, error)
        except ClientGoneError:
            return
        await respond(
            send, status, rendering.CONTENT_TYPES[form], body, (b"x-acs-request-id", request_id.encode("ascii"))
        )

    async def _receive(self, scope: Scope, headers: dict[str, str], receive: Receive) -> SignedCall:
        method = scope["method"]
        if method not in ("GET", "POST"):
            raise GatewayError(405, "UnsupportedHTTPMethod", "This http method is not supported.")
        query_string = scope["query_string"]
        if len(query_string) > MAX_QUERY_BYTES:
            raise GatewayError(414, "RequestUriTooLarge", f"The query is longer than {MAX_QUERY_BYTES} bytes.")
        body = await read_body(receive, self._max_body_bytes, self._body_timeout_s)
        if query_string.count(b"&") + body.count(b"&") > MAX_PARAMETERS:
            raise GatewayError(413, "RequestEntityTooLarge", f"There are more than {MAX_PARAMETERS} parameters.")
        try:
            query = parameters = Form.parse(query_string)
            content_type = headers.get("content-type", "application/x-www-form-urlencoded")
            if body and content_type.lower().startswith("application/x-www-form-urlencoded"):
                parameters = query.merged(Form.parse(body))
        except UnicodeDecodeError as error:
            raise GatewayError(400, "InvalidParameter", "Parameters must be UTF-8.") from error
        raw_path = scope.get("raw_path") or scope["path"].encode()
        return SignedCall(method, raw_path.decode("latin-1"), query, parameters, body, headers)

    async def _call(self, call: SignedCall, form: rendering.Format, request_id: str, scope: Scope) -> bytes:
        key = self._authenticator.authenticate(call)
        values = call.parameters.values
        name = self._operation_name(call)
        try:
            client = scope.get("client")
            answer = await self._run(name, key, values, request_id, client[0] if client else "")
        except BusinessError as error:
            if self._on_answer is not None:
                self._on_answer(name, values, rendering.business_error_builtins(request_id, error))
            return rendering.business_error_body(form, name, request_id, error)
        if self._on_answer is not None:
            self._on_answer(name, values, rendering.answer_builtins(request_id, answer))
        return rendering.answer_body(form, name, request_id, answer)

    def _operation_name(self, call: SignedCall) -> str:
        """Return the operation: from the signed headers of header signing, else from the signed parameters."""
        values, headers = call.parameters.values, call.headers
        signed_headers = headers if "authorization" in headers else {}
        version = signed_headers.get("x-acs-version") or values.get("Version")
        if not version:
            raise missing("Version")
        if version != VERSION:
            raise GatewayError(400, "InvalidVersion", "Specified parameter Version is not valid.")
        name = signed_headers.get("x-acs-action") or values.get("Action")
        if not name:
            raise missing("Action")
        if name not in self._operations and name not in CONTRACT:
            raise GatewayError(
                404, "InvalidAction.NotFound", "Specified api is not found, please check your url and method."
            )
        return name

    async def _run(
        self, name: str, key: AccessKey, values: dict[str, str], request_id: str, client_ip: str
    ) -> Response:
        operation = self._operations.get(name)
        if operation is None:
            raise API_NOT_SUPPORTED_IN_INSTANCE(f"{name} is not offered by this platform.")
        instance = self._instances.resolve(values.get("IotInstanceId") or None)
        if key.policy is not None:
            product_key = values.get("ProductKey")
            resource = f"product/{product_key}" if product_key else f"instance/{instance.instance_id}"
            resource = f"acs:iot:{self._region}:{key.caller.account_id}:{resource}"
            if not key.policy.allows(f"iot:{name}", resource):
                raise RAM_ACTION_PERMISSION_DENY(f"The access policy does not allow iot:{name} on {resource}.")
        self._quota.spend(key.caller.account_id, name, operation.qps)
        request = decode(operation.request, values)
        if operation.deep_qps is not None and request.CurrentPage * request.PageSize >= DEEP:  # type: ignore[attr-defined]
            self._quota.spend(key.caller.account_id, f"{name} from {DEEP} on", operation.deep_qps)
        context = Context(request_id, key.caller, instance, self._services, client_ip)
        try:
            return await operation.handler(context, request)
        except (BusinessError, GatewayError):
            raise
        except Exception as error:
            log.exception("operation failed", operation=name, request_id=request_id)
            raise SYSTEM_EXCEPTION(f"{SYSTEM_EXCEPTION.message} (RequestId {request_id})") from error


def _format_unread(query: bytes, headers: Mapping[str, str]) -> rendering.Format:
    """Choose the format of a refusal that came before the parameters could be read."""
    return "JSON" if _FORMAT_JSON.search(query) else _format({}, headers)


def _format(values: Mapping[str, str], headers: Mapping[str, str]) -> rendering.Format:
    """Choose the answer's format: the parameter in any case, else JSON where the client can only mean JSON, else XML.

    The official SDK sends no Format with header signing, or names JSON as what it accepts; the guide's default is XML.
    """
    wanted = values.get("Format", "").upper()
    if wanted in ("JSON", "XML"):
        return "JSON" if wanted == "JSON" else "XML"
    if wanted:
        raise GatewayError(400, "InvalidParameter", "Specified parameter Format is not valid.")
    return "JSON" if "authorization" in headers or "application/json" in headers.get("accept", "") else "XML"
