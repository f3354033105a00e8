"""Sending to queues and topics of an MNS-compatible endpoint (version 2015-06-06)."""

import base64
import hashlib
import hmac
from email.utils import formatdate
from typing import Annotated, Final
from urllib.parse import quote, urlsplit
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

import msgspec

from thingplane.clock import Clock
from thingplane.outbound.client import Outbound, OutboundError

MAX_MESSAGE: Final = 65_536
"""Bytes that the body of a message may have."""
VERSION: Final = "2015-06-06"
_CONTENT_TYPE: Final = "text/xml;charset=utf-8"
_NAMESPACE: Final = "http://mns.aliyuncs.com/doc/v1/"


class MnsEndpoint(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the queues and topics of a region are, or one queue or topic of it."""

    url: Annotated[str, msgspec.Meta(pattern=r"^https?://[^/?#]+(/[^?#]*)?$")]
    access_key_id: Annotated[str, msgspec.Meta(min_length=1)]
    access_key_secret: Annotated[str, msgspec.Meta(min_length=1)]

    def __repr__(self) -> str:
        return f"MnsEndpoint(url={self.url!r}, access_key_id={self.access_key_id!r})"


class MnsError(OutboundError):
    """The endpoint did not take a message."""

    def __init__(self, status: int, code: str) -> None:
        """Describe an answer.

        Args:
            status: HTTP status.
            code: as the endpoint names the error; empty when it does not.
        """
        super().__init__(f"the MNS endpoint answered {status} {code}".rstrip())
        self.status = status
        self.code = code


class MnsClient:
    """Sends messages to one endpoint."""

    def __init__(self, outbound: Outbound, endpoint: MnsEndpoint, clock: Clock) -> None:
        """Connect nothing yet.

        Args:
            outbound: the HTTP client.
            endpoint: address and key.
            clock: time of the Date header.
        """
        self._outbound = outbound
        self._endpoint = endpoint
        self._clock = clock
        self._path = urlsplit(endpoint.url).path.rstrip("/")

    async def send(self, queue: str, body: str) -> None:
        """Put a message into a queue, as raw text.

        Raises:
            MnsError: the endpoint refused it.
            OutboundError: the endpoint could not be reached, or must not.
        """
        await self._post(f"queues/{quote(queue, safe='')}/messages", f"<MessageBody>{escape(body)}</MessageBody>")

    async def publish(self, topic: str, body: str, tag: str = "") -> None:
        """Publish a message to a topic, as raw text.

        Raises:
            MnsError: the endpoint refused it.
            OutboundError: the endpoint could not be reached, or must not.
        """
        content = f"<MessageBody>{escape(body)}</MessageBody>"
        if tag:
            content += f"<MessageTag>{escape(tag)}</MessageTag>"
        await self._post(f"topics/{quote(topic, safe='')}/messages", content)

    async def _post(self, path: str, content: str) -> None:
        resource = f"{self._path}/{path}"
        url = f"{self._endpoint.url.removesuffix('/')}/{path}"
        date = formatdate(self._clock.now_ms() // 1000, usegmt=True)
        headers = {"Content-Type": _CONTENT_TYPE, "Date": date, "x-mns-version": VERSION}
        headers["Authorization"] = authorization(self._endpoint, "POST", headers, resource)
        document = f'<?xml version="1.0" encoding="utf-8"?><Message xmlns="{_NAMESPACE}">{content}</Message>'
        answer = await self._outbound.request("POST", url, headers=headers, body=document.encode())
        if not 200 <= answer.status < 300:
            raise MnsError(answer.status, _code(answer.body))


def authorization(endpoint: MnsEndpoint, method: str, headers: dict[str, str], resource: str) -> str:
    """Return the Authorization header of a request.

    Args:
        endpoint: whose key signs.
        method: in upper case.
        headers: of the request, without it.
        resource: path and query.
    """
    by_name = {name.lower(): value for name, value in headers.items()}
    lines = [method, *(by_name.get(name, "") for name in ("content-md5", "content-type", "date"))]
    lines += [f"{name}:{by_name[name]}" for name in sorted(by_name) if name.startswith("x-mns-")]
    text = "\n".join([*lines, resource])
    digest = hmac.digest(endpoint.access_key_secret.encode(), text.encode(), hashlib.sha1)
    return f"MNS {endpoint.access_key_id}:{base64.b64encode(digest).decode()}"


def _code(body: bytes) -> str:
    try:
        return ET.fromstring(body).findtext(f"{{{_NAMESPACE}}}Code") or ""  # noqa: S314 - expat limits expansion, 64 KB
    except ET.ParseError:
        return ""
