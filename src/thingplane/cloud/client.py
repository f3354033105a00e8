"""A small client of the cloud API: signs calls and raises what the gateway refuses.

Stdlib only and synchronous; the command line uses it, and the tests do.
"""

import hashlib
import http.client
import json
import ssl
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, Literal, NamedTuple
from urllib.parse import urlsplit

from thingplane.clock import Clock, SystemClock
from thingplane.cloud.form import Form, percent_encode
from thingplane.cloud.signature import acs3, rpc

VERSION: Final = "2018-01-20"
Scheme = Literal["rpc", "acs3"]


class CallError(Exception):
    """A call that the gateway refused, or whose answer is not one of this API."""

    def __init__(self, status: int, code: str, message: str, request_id: str = "") -> None:
        super().__init__(f"{code}: {message}" + (f" (RequestId {request_id})" if request_id else ""))
        self.status = status
        """HTTP status."""
        self.code = code
        self.message = message
        self.request_id = request_id


class SignedRequest(NamedTuple):
    """An HTTP request that is ready to be sent."""

    method: str
    target: str
    """Path and query."""
    headers: dict[str, str]
    body: bytes


def flatten(parameters: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Return parameters as text by wire name: lists are numbered from 1, None is left out."""
    flat: dict[str, str] = {}
    for name, value in parameters.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{name}.")
        elif isinstance(value, list | tuple):
            flat |= flatten({str(number): item for number, item in enumerate(value, 1)}, f"{prefix}{name}.")
        elif isinstance(value, bool):
            flat[prefix + name] = "true" if value else "false"
        elif value is not None:
            flat[prefix + name] = str(value)
    return flat


class Signer:
    """Makes signed requests from an AccessKey pair."""

    def __init__(
        self, access_key_id: str, secret: str, *, scheme: Scheme = "rpc", host: str = "localhost", clock: Clock
    ) -> None:
        self._access_key_id = access_key_id
        self._secret = secret
        self._scheme: Scheme = scheme
        self._host = host
        self._clock = clock

    def sign(self, action: str, parameters: Mapping[str, Any], *, method: str = "POST") -> SignedRequest:
        """Return the request of a call; its answer will be JSON."""
        flat = flatten(parameters)
        nonce = uuid.uuid4().hex
        date = datetime.fromtimestamp(self._clock.now_ms() // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        if self._scheme == "acs3":
            return self._sign_acs3(action, flat, method, nonce, date)
        flat |= {
            "Action": action,
            "Version": VERSION,
            "Format": "JSON",
            "AccessKeyId": self._access_key_id,
            "SignatureMethod": "HMAC-SHA1",
            "SignatureVersion": "1.0",
            "SignatureNonce": nonce,
            "Timestamp": date,
        }
        encoded = _encode(flat)
        signature = rpc.sign(rpc.string_to_sign(method, Form.parse(encoded.encode())), self._secret)
        encoded += f"&Signature={percent_encode(signature)}"
        headers = {"host": self._host, "accept": "application/json"}
        if method == "GET":
            return SignedRequest(method, f"/?{encoded}", headers, b"")
        # In the body, because lists of thousands of names do not fit everybody's limit of a URL.
        headers["content-type"] = "application/x-www-form-urlencoded"
        return SignedRequest(method, "/", headers, encoded.encode())

    def _sign_acs3(self, action: str, flat: dict[str, str], method: str, nonce: str, date: str) -> SignedRequest:
        encoded = _encode(flat)
        query, body = (encoded, b"") if method == "GET" else ("", encoded.encode())
        payload_hash = hashlib.sha256(body).hexdigest()
        headers = {
            "accept": "application/json",
            "host": self._host,
            "x-acs-action": action,
            "x-acs-content-sha256": payload_hash,
            "x-acs-date": date,
            "x-acs-signature-nonce": nonce,
            "x-acs-version": VERSION,
        }
        if body:
            headers["content-type"] = "application/x-www-form-urlencoded"
        signed = ";".join(sorted(headers))
        canonical = Form.parse(query.encode()).canonical()
        text = acs3.string_to_sign(
            acs3.canonical_request(method, "/", canonical, headers, signed_headers=signed, payload_hash=payload_hash)
        )
        headers["authorization"] = (
            f"{acs3.ALGORITHM} Credential={self._access_key_id},SignedHeaders={signed},"
            f"Signature={acs3.sign(text, self._secret)}"
        )
        return SignedRequest(method, f"/?{query}" if query else "/", headers, body)


class CloudClient:
    """Calls operations of a node."""

    def __init__(
        self,
        endpoint: str,
        access_key_id: str,
        secret: str,
        *,
        scheme: Scheme = "rpc",
        timeout_s: float = 30.0,
        context: ssl.SSLContext | None = None,
        clock: Clock | None = None,
    ) -> None:
        """Remember where and as whom to call; connects with every call.

        Args:
            endpoint: ``http://host:port`` or ``https://host:port``.
            access_key_id: of the AccessKey pair.
            secret: of the AccessKey pair.
            scheme: the signature.
            timeout_s: seconds to wait for the network.
            context: for https; by default with the system's certificate authorities.
            clock: what the time is.

        Raises:
            ValueError: the endpoint is not such a URL.
        """
        parts = urlsplit(endpoint)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"not an http or https endpoint: {endpoint}")
        self._address = (parts.hostname, parts.port or (443 if parts.scheme == "https" else 80))
        self._tls = parts.scheme == "https"
        self._timeout_s = timeout_s
        self._context = context
        self._signer = Signer(access_key_id, secret, scheme=scheme, host=parts.netloc, clock=clock or SystemClock())

    def call(
        self, action: str, parameters: Mapping[str, Any] | None = None, *, method: str = "POST", path: str = "/"
    ) -> dict[str, Any]:
        """Call an operation and return its JSON answer, also one with ``Success=false``.

        Args:
            action: name of the operation.
            parameters: wire names, or nested: ``{"Tag": [{"Key": "a", "Value": "b"}]}``.
            method: GET or POST.
            path: of something else on the API port that takes signed calls.

        Raises:
            CallError: the gateway refused the call.
            OSError: the node cannot be reached.
        """
        request = self._signer.sign(action, parameters or {}, method=method)
        host, port = self._address
        if self._tls:
            context = self._context or ssl.create_default_context()
            connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                host, port, timeout=self._timeout_s, context=context
            )
        else:
            connection = http.client.HTTPConnection(host, port, timeout=self._timeout_s)
        try:
            connection.request(request.method, path + request.target[1:], request.body or None, request.headers)
            response = connection.getresponse()
            return parse_answer(response.status, response.read())
        except http.client.HTTPException as error:
            # The node went away in the middle of its answer, or it is not a node.
            raise ConnectionError(f"no complete answer: {error!r}") from error
        finally:
            connection.close()


def parse_answer(status: int, body: bytes) -> dict[str, Any]:
    """Return the JSON answer of a call.

    Raises:
        CallError: it is a failure of the gateway, or no JSON object.
    """
    try:
        answer = json.loads(body)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise CallError(status, "InvalidAnswer", "The answer is not a JSON object.")
    if status >= 400:
        raise CallError(status, str(answer.get("Code")), str(answer.get("Message")), str(answer.get("RequestId", "")))
    return answer


def _encode(flat: Mapping[str, str]) -> str:
    return "&".join([f"{percent_encode(name)}={percent_encode(value)}" for name, value in flat.items()])
