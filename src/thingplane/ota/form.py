"""The node's own object endpoint: multipart forms with a signed policy, streamed to the blob store.

The form is the one of the vendor's object store (PostObject): ``file`` comes last, names of fields count whatever their
case, and ``success_action_status`` says what success looks like.
"""

import asyncio
import base64
from typing import Any, Final
from xml.sax.saxutils import escape

import structlog
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from thingplane import ids
from thingplane.cloud.http import ClientGoneError, Receive, Scope, Send, respond
from thingplane.ota.policy import Policy, PolicyError
from thingplane.ota.uploads import UploadService, UploadWriter

PATH: Final = "/objects"
"""Where the endpoint is; also the path in the URLs of uploaded files."""
PAUSE_S: Final = 60.0
"""Seconds that a client may be silent, and that it may take to a signed policy."""

_XML: Final = b"application/xml"
_PART: Final = 256 * 1024
"""Bytes that are written at once."""
_FIELD_BYTES: Final = 64 * 1024
_HEADER_BYTES: Final = 8 * 1024
_FORM_BYTES: Final = 256 * 1024
"""Bytes that may come before a signed policy was seen: what strangers send."""

_log = structlog.get_logger(__name__)


class RefusedError(Exception):
    """An upload is not taken."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class ObjectEndpoint:
    """Takes uploads (ASGI)."""

    def __init__(self, uploads: UploadService) -> None:
        """Take the service behind it."""
        self._uploads = uploads

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        try:
            status, body, etag = await self._take(scope, receive)
        except RefusedError as error:
            await respond(send, error.status, _XML, _error(error.code, str(error)))
        except ClientGoneError:
            return
        except OSError as error:
            _log.warning("an upload could not be stored", error=str(error))
            await respond(send, 500, _XML, _error("InternalError", "the file could not be stored"))
        else:
            await respond(send, status, _XML, body, (b"etag", etag))

    async def _take(self, scope: Scope, receive: Receive) -> tuple[int, bytes, bytes]:
        """Take a form; return status, body and ETag of the answer."""
        if scope["method"] != "POST":
            raise RefusedError(403, "AccessDenied", "only uploads by form are allowed here")
        headers = {name.lower(): value for name, value in scope["headers"]}
        content_type, options = parse_options_header(headers.get(b"content-type", b""))
        if content_type != b"multipart/form-data" or not options.get(b"boundary"):
            raise RefusedError(400, "MalformedPOSTRequest", "the body is no multipart form")
        form = _Form(self._uploads, options[b"boundary"])
        try:
            await form.take(receive)
            return await form.finish()
        except BaseException:
            await form.discard()
            raise


class _Form:
    """One form on its way."""

    def __init__(self, uploads: UploadService, boundary: bytes) -> None:
        self._uploads = uploads
        self._fields: dict[str, str] = {}
        self._policy: Policy | None = None
        self._writer: UploadWriter | None = None
        self._unwritten = bytearray()
        self._taken = 0  # bytes of the form before the policy
        self._complete = False
        self._file_over = False
        # What the parser has seen since it was last asked.
        self._events: list[tuple[str, bytes]] = []
        self._header = [b"", b""]
        self._name = ""
        self._value = bytearray()
        self._in_file = False
        self._parser = MultipartParser(boundary, self._callbacks())

    def _callbacks(self) -> Any:
        def data(kind: str) -> Any:
            return lambda content, start, end: self._events.append((kind, content[start:end]))

        def mark(kind: str) -> Any:
            return lambda: self._events.append((kind, b""))

        return {
            "on_part_begin": mark("begin"),
            "on_header_field": data("field"),
            "on_header_value": data("value"),
            "on_header_end": mark("header"),
            "on_headers_finished": mark("headers"),
            "on_part_data": data("data"),
            "on_part_end": mark("over"),
            "on_end": mark("end"),
        }

    async def take(self, receive: Receive) -> None:
        """Read the whole body."""
        more = True
        loop = asyncio.get_running_loop()
        until = loop.time() + PAUSE_S
        while more:
            if self._policy is not None:
                until = loop.time() + PAUSE_S
            try:
                async with asyncio.timeout_at(until):
                    message = await receive()
            except TimeoutError:
                raise RefusedError(400, "RequestTimeout", "the client was silent for too long") from None
            if message["type"] == "http.disconnect":
                raise ClientGoneError
            try:
                self._parser.write(message.get("body", b""))
            except FormParserError as error:
                raise RefusedError(400, "MalformedPOSTRequest", f"the form cannot be read: {error}") from None
            events, self._events = self._events, []
            for kind, content in events:
                await self._event(kind, content)
            if self._policy is None:
                self._taken += len(message.get("body", b""))
                if self._taken > _FORM_BYTES:
                    raise RefusedError(400, "FieldItemTooLong", "the fields of the form are too long")
            more = message.get("more_body", False)
        if not self._complete:
            raise RefusedError(400, "MalformedPOSTRequest", "the form ends before its last boundary")

    async def _event(self, kind: str, content: bytes) -> None:
        if self._file_over and kind != "end":
            # What follows the file is not looked at.
            return
        if kind == "data":
            await self._data(content)
        elif kind in {"field", "value"} and sum(map(len, self._header)) > _HEADER_BYTES:
            raise RefusedError(400, "MalformedPOSTRequest", "a header of a part is too long")
        elif kind == "field":
            self._header[0] += content
        elif kind == "value":
            self._header[1] += content
        elif kind == "begin":
            self._name, self._value = "", bytearray()
        elif kind == "header":
            name, value = self._header
            self._header = [b"", b""]
            if name.lower() == b"content-disposition":
                _, options = parse_options_header(value)
                self._name = options.get(b"name", b"").decode("utf-8", "replace").lower()
        elif kind == "headers" and self._name == "file":
            await self._begin_file()
        elif kind == "over":
            if self._in_file:
                self._file_over = True
            elif self._name:
                self._fields.setdefault(self._name, self._value.decode("utf-8", "replace"))
        elif kind == "end":
            self._complete = True

    async def _begin_file(self) -> None:
        try:
            self._policy = self._uploads.allowed(self._fields)
        except PolicyError as error:
            raise RefusedError(403, error.code, str(error)) from None
        self._in_file = True
        self._writer = await self._uploads.begin()

    async def _data(self, content: bytes) -> None:
        if self._writer is None or self._policy is None:
            self._value += content
            if len(self._value) + sum(map(len, self._fields.values())) > _FIELD_BYTES:
                raise RefusedError(400, "FieldItemTooLong", "the fields of the form are too long")
            return
        self._unwritten += content
        if self._writer.size + len(self._unwritten) > self._policy.most:
            raise RefusedError(400, "EntityTooLarge", f"the file is larger than {self._policy.most} bytes")
        if len(self._unwritten) >= _PART:
            await self._flush(self._writer)

    async def _flush(self, writer: UploadWriter) -> None:
        data, self._unwritten = bytes(self._unwritten), bytearray()
        await writer.write(data)

    async def finish(self) -> tuple[int, bytes, bytes]:
        """Keep the file; return status, body and ETag of the answer."""
        writer, policy = self._writer, self._policy
        if writer is None or policy is None:
            raise RefusedError(400, "MalformedPOSTRequest", "the form has no field named file")
        await self._flush(writer)
        if not writer.size:
            raise RefusedError(400, "EntityTooSmall", "the file is empty")
        self._check_digest(writer)
        uploaded = await writer.commit(policy.key)
        self._writer = None
        if not await self._uploads.finish(uploaded):
            raise RefusedError(403, "AccessDenied", "the URL is not valid any more")
        etag = f'"{uploaded.md5.upper()}"'
        status = {"200": 200, "201": 201}.get(self._fields.get("success_action_status", ""), 204)
        body = b""
        if status == 201:
            text = f"<Key>{escape(policy.key)}</Key><ETag>{escape(etag)}</ETag>"
            body = f'<?xml version="1.0" encoding="UTF-8"?><PostResponse>{text}</PostResponse>'.encode()
        return status, body, etag.encode()

    def _check_digest(self, writer: UploadWriter) -> None:
        """Compare with the digest that the client may give (Content-MD5, RFC 1864)."""
        given = self._fields.get("content-md5")
        if given is None:
            return
        try:
            wanted = base64.b64decode(given, validate=True)
        except ValueError:
            wanted = b""
        if wanted != writer.md5.digest():
            raise RefusedError(400, "InvalidDigest", "the file is not the one that Content-MD5 names")

    async def discard(self) -> None:
        """Throw away what was taken, if anything."""
        if self._writer is not None:
            await self._uploads.discard(self._writer)
            self._writer = None


def _error(code: str, message: str) -> bytes:
    text = f"<Code>{code}</Code><Message>{escape(message)}</Message><RequestId>{ids.request_id()}</RequestId>"
    return f'<?xml version="1.0" encoding="UTF-8"?><Error>{text}</Error>'.encode()
