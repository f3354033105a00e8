"""A small S3-compatible store: objects in memory, parts, ranges, signatures (AWS Signature Version 4)."""

import hashlib
import hmac
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import quote

from aiohttp import web

BUCKET = "thingplane-test"
KEY_ID = "TESTKEY"
SECRET = "test-secret-of-the-object-store"
REGION = "eu-test-1"
_AUTHORIZATION = re.compile(r"AWS4-HMAC-SHA256 Credential=([^/]+)/(.*), SignedHeaders=([^,]+), Signature=([0-9a-f]+)")


class S3Server:
    """Answers what a client of one bucket needs."""

    def __init__(self) -> None:
        self.url = ""
        self.objects: dict[str, bytes] = {}
        self.unfinished: dict[str, dict[int, bytes]] = {}
        self.requests: list[str] = []
        self.failing = False

    @asynccontextmanager
    async def running(self) -> AsyncIterator["S3Server"]:
        application = web.Application(client_max_size=1 << 30)
        application.router.add_route("*", "/{path:.*}", self._answer)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0]
        self.url = f"http://{host}:{port}"
        try:
            yield self
        finally:
            await runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(f"{request.method} {request.path_qs}")
        body = await request.read()
        bucket, _, key = request.path.lstrip("/").partition("/")
        if self.failing:
            return _error(501, "NotImplemented")
        if not _is_signed(request):
            return _error(403, "SignatureDoesNotMatch")
        if bucket != BUCKET:
            return _error(404, "NoSuchBucket")
        if request.method == "POST":
            return self._multipart(request, key)
        if request.method == "PUT":
            if "uploadId" in request.query:
                self.unfinished[request.query["uploadId"]][int(request.query["partNumber"])] = body
            else:
                self.objects[key] = body
            return web.Response(headers={"ETag": f'"{hashlib.md5(body).hexdigest()}"'})
        if request.method == "DELETE":
            self.unfinished.pop(request.query.get("uploadId", ""), None)
            self.objects.pop(key, None)
            return web.Response(status=204)
        return self._get(request, key)

    def _multipart(self, request: web.Request, key: str) -> web.Response:
        if "uploads" in request.query:
            upload = str(len(self.requests))
            self.unfinished[upload] = {}
            text = f"<Bucket>{BUCKET}</Bucket><Key>{key}</Key><UploadId>{upload}</UploadId>"
            return _xml(f"<InitiateMultipartUploadResult>{text}</InitiateMultipartUploadResult>")
        parts = self.unfinished.pop(request.query["uploadId"])
        self.objects[key] = b"".join(parts[number] for number in sorted(parts))
        text = f'<Bucket>{BUCKET}</Bucket><Key>{key}</Key><Location>{key}</Location><ETag>"1"</ETag>'
        return _xml(f"<CompleteMultipartUploadResult>{text}</CompleteMultipartUploadResult>")

    def _get(self, request: web.Request, key: str) -> web.Response:
        content = self.objects.get(key)
        if content is None:
            return _error(404, "NoSuchKey")
        headers = {"ETag": '"1"', "Last-Modified": "Sun, 22 Nov 2026 00:00:00 GMT"}
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("Range", ""))
        if request.method == "HEAD":
            return web.Response(headers={**headers, "Content-Length": str(len(content))})
        if wanted is None:
            return web.Response(body=content, headers=headers)
        start = int(wanted[1])
        end = min(int(wanted[2]) + 1, len(content)) if wanted[2] else len(content)
        if start >= len(content):
            return _error(416, "InvalidRange")
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{len(content)}"
        return web.Response(status=206, body=content[start:end], headers=headers)


def _is_signed(request: web.Request) -> bool:
    match = _AUTHORIZATION.fullmatch(request.headers.get("Authorization", ""))
    if match is None or match[1] != KEY_ID:
        return False
    scope, names, signature = match[2], match[3], match[4]
    query = "&".join(sorted(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in request.query.items()))
    headers = "".join(f"{name}:{request.headers[name].strip()}\n" for name in names.split(";"))
    digest = request.headers["x-amz-content-sha256"]
    canonical = "\n".join([request.method, quote(request.path), query, headers, names, digest])
    text = "\n".join(
        ["AWS4-HMAC-SHA256", request.headers["x-amz-date"], scope, hashlib.sha256(canonical.encode()).hexdigest()]
    )
    key = f"AWS4{SECRET}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.compare_digest(hmac.new(key, text.encode(), "sha256").hexdigest(), signature)


def _xml(text: str, status: int = 200) -> web.Response:
    return web.Response(
        text=f'<?xml version="1.0" encoding="UTF-8"?>{text}', content_type="application/xml", status=status
    )


def _error(status: int, code: str) -> web.Response:
    return _xml(f"<Error><Code>{code}</Code><Message>{code}</Message></Error>", status)
