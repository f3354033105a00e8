"""Requests of devices to the ASGI application."""

import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from tests.gateway.real_world import RealWorld
from thingplane.devices.service import Device
from thingplane.http.application import DeviceHttp
from thingplane.products.service import Product

SDK_TIMESTAMP = "2524608000000"


@dataclass
class Answer:
    status: int
    headers: dict[bytes, bytes]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads(self.body)
        return content


@dataclass
class HttpWorld:
    """Real products and devices, and the routes that serve them."""

    real: RealWorld
    http: DeviceHttp

    async def request(
        self, path: str, body: bytes, headers: Mapping[str, str] | None = None, *, method: str = "POST", query: str = ""
    ) -> Answer:
        routes = self.http.routes()
        app = routes.get(path) or next(
            app for route, app in routes.items() if route[-1] == "/" and path.startswith(route)
        )
        sent: list[dict[str, Any]] = []
        inbox = [
            {"type": "http.request", "body": body[i : i + 65_536], "more_body": True}
            for i in range(0, len(body), 65_536)
        ]
        inbox.append({"type": "http.request", "body": b"", "more_body": False})

        async def receive() -> Any:
            return inbox.pop(0)

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "headers": [(name.lower().encode(), value.encode()) for name, value in (headers or {}).items()],
            "client": ("192.0.2.7", 40_000),
        }
        await app(scope, receive, send)
        return Answer(sent[0]["status"], dict(sent[0]["headers"]), sent[1]["body"])

    async def auth(self, fields: Mapping[str, Any], *, content_type: str = "application/json") -> Answer:
        return await self.request("/auth", json.dumps(fields).encode(), {"Content-Type": content_type})

    async def token(self, device: Device) -> str:
        token: str = (await self.auth(sdk_fields(device))).json["info"]["token"]
        return token

    async def publish(
        self, topic: str, payload: bytes, token: str, *, content_type: str = "application/octet-stream", query: str = ""
    ) -> Answer:
        headers = {"Content-Type": content_type, **({"Password": token} if token else {})}
        return await self.request("/topic" + topic, payload, headers, query=query)

    async def form(self, path: str, fields: Mapping[str, str]) -> Answer:
        body = urlencode(fields).encode()
        return await self.request(path, body, {"Content-Type": "application/x-www-form-urlencoded"})


def sign(secret: str, fields: Mapping[str, str], digest: str) -> str:
    content = "".join(name + fields[name] for name in sorted(fields))
    return hmac.digest(secret.encode(), content.encode(), digest).hex()


def sdk_fields(device: Device) -> dict[str, str]:
    """Return what the SDK 4.x for C posts to /auth, member for member."""
    signed = {
        "clientId": f"{device.product_key}.{device.name}",
        "deviceName": device.name,
        "productKey": device.product_key,
    }
    return {
        "clientId": signed["clientId"],
        "signmethod": "hmacsha256",
        "deviceName": device.name,
        "productKey": device.product_key,
        "sign": sign(device.secret, signed, "sha256").upper(),
    }


def guide_fields(device: Device, timestamp: str, method: str = "hmacsha1") -> dict[str, str]:
    """Return what the guide posts to /auth."""
    signed = {
        "clientId": "sn0001",
        "deviceName": device.name,
        "productKey": device.product_key,
        "timestamp": timestamp,
    }
    return {
        "version": "default",
        **signed,
        "signmethod": method,
        "sign": sign(device.secret, signed, method.removeprefix("hmac")),
    }


def registration(product: Product, name: str, method: str = "HmacMD5", **changes: str) -> dict[str, str]:
    """Return the form of a registration."""
    signed = {"productKey": product.product_key, "deviceName": name, "random": "567345"}
    signature = sign(product.product_secret, signed, method.lower().removeprefix("hmac"))
    return {**signed, "sign": signature, "signMethod": method, **changes}
