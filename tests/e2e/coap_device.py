"""A device that speaks CoAP, with aiocoap as its library."""

import hmac
import json
from typing import Any

import aiocoap
from aiocoap.numbers.contentformat import ContentFormat
from aiocoap.options import Options

from thingplane.coap_access.encryption import Key

TOKEN, SEQUENCE, MESSAGE_ID = 2088, 2089, 2090


def signed(identity: dict[str, str], method: str = "hmacmd5", **fields: str) -> dict[str, str]:
    """Return the fields of a request for a token."""
    product_key, name, secret = (identity[key] for key in ("ProductKey", "DeviceName", "DeviceSecret"))
    content = {"productKey": product_key, "deviceName": name, "clientId": f"{product_key}&{name}", **fields}
    text = "".join(key + content[key] for key in sorted(content))
    sign = hmac.new(secret.encode(), text.encode(), method.removeprefix("hmac")).hexdigest()
    return {**content, "signmethod": method, "sign": sign}


class CoapDevice:
    """Posts in the symmetric mode."""

    def __init__(self, context: aiocoap.Context, address: tuple[str, int], identity: dict[str, str]) -> None:
        self.identity = identity
        self._context = context
        self._base = f"coap://{address[0]}:{address[1]}"
        self.key: Key | None = None
        self.token = ""
        self.sequence = 0

    async def request(self, path: str, payload: bytes, options: dict[int, bytes] | None = None, **settings: Any) -> Any:
        """Post and return the response."""
        message = aiocoap.Message(code=aiocoap.POST, uri=self._base, payload=payload, content_format=ContentFormat.JSON)
        # Not as a part of the URI, which could not carry every character.
        message.opt.uri_path = tuple(path.split("/")[1:])
        for name, value in settings.items():
            setattr(message.opt if hasattr(Options, name) else message, name, value)
        for number, value in (options or {}).items():
            message.opt.add_option(aiocoap.optiontypes.OpaqueOption(aiocoap.OptionNumber(number), value))
        return await self._context.request(message).response

    async def authenticate(self, **fields: str) -> Any:
        """Fetch a token; returns the response."""
        response = await self.request("/auth", json.dumps(signed(self.identity, seq="10", **fields)).encode())
        if response.code.is_successful():
            body = json.loads(response.payload)
            self.key = Key(self.identity["DeviceSecret"], body["random"])
            self.token, self.sequence = body["token"], body["seqOffset"]
        return response

    async def publish(self, topic: str, payload: bytes, *, sequence: int | None = None, token: str = "") -> Any:
        """Publish; the payload of the response is decrypted."""
        assert self.key is not None
        self.sequence += 1
        number = str(self.sequence if sequence is None else sequence).encode()
        options = {TOKEN: (token or self.token).encode(), SEQUENCE: self.key.encrypt(number)}
        response = await self.request("/topic" + topic, self.key.encrypt(payload), options)
        if response.code.is_successful() and response.payload:
            response.payload = self.key.decrypt(response.payload)
        return response
