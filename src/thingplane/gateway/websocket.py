"""Server side of the WebSocket protocol (RFC 6455), sans I/O: bytes in, bytes of the MQTT stream out.

MQTT over WebSocket wants the sub-protocol ``mqtt`` and binary frames; where a frame ends means nothing (MQTT 5.0, 6.0).
So payload is passed on as it arrives, and nothing but headers is ever kept.
"""

import base64
import hashlib
from typing import Final

_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_MAX_HANDSHAKE: Final = 8192
_SUBPROTOCOLS: Final = ("mqtt", "mqttv3.1")

_CONTINUATION, _BINARY, _CLOSE, _PING, _PONG = 0x0, 0x2, 0x8, 0x9, 0xA
_NORMAL, _PROTOCOL_ERROR, _UNSUPPORTED_DATA = 1000, 1002, 1003


class WebSocketServer:
    """One WebSocket connection: handshake, then frames.

    Attributes:
        closing: the transport has to be closed once the output is written.
    """

    __slots__ = ("_buffer", "_in_message", "_key", "_left", "_opcode", "_out", "_position", "closing", "is_open")

    def __init__(self) -> None:
        self.closing = False
        self.is_open = False
        """Whether the handshake is done."""
        self._buffer = b""
        self._out: list[bytes] = []
        self._left = 0  # payload bytes of the data frame under way
        self._key = b""  # its masking key
        self._position = 0  # payload bytes of it that were seen
        self._in_message = False  # the last data frame was not the end of its message
        self._opcode = 0

    def receive_data(self, data: bytes) -> bytes:
        """Take bytes from the client and return the payload in them."""
        if self.closing:
            return b""
        if not self.is_open:
            return self._handshake(data)
        return self._frames(data)

    def data_to_send(self) -> bytes:
        """Return and forget what has to be sent; b"" when there is nothing."""
        out, self._out = self._out, []
        return b"".join(out)

    def close(self, code: int = _NORMAL) -> None:
        """Say goodbye; the transport is to be closed."""
        if not self.closing:
            self.closing = True
            if self.is_open:
                self._out.append(_frame(_CLOSE, code.to_bytes(2, "big")))

    # Handshake

    def _handshake(self, data: bytes) -> bytes:
        self._buffer += data
        head, end, rest = self._buffer.partition(b"\r\n\r\n")
        if not end:
            if len(self._buffer) > _MAX_HANDSHAKE:
                self._reject(b"431 Request Header Fields Too Large")
            return b""
        self._buffer = b""
        if len(head) > _MAX_HANDSHAKE:
            self._reject(b"431 Request Header Fields Too Large")
            return b""
        lines = head.decode("latin-1").split("\r\n")
        headers: dict[str, str] = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            key = name.strip().lower()
            headers[key] = f"{headers[key]},{value.strip()}" if key in headers else value.strip()
        if not self._is_upgrade(lines[0], headers):
            return b""
        accept = base64.b64encode(
            hashlib.sha1(headers["sec-websocket-key"].encode("latin-1") + _GUID, usedforsecurity=False).digest()
        )
        answer = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        answer += b"Sec-WebSocket-Accept: " + accept + b"\r\n"
        offered = [item.strip() for item in headers.get("sec-websocket-protocol", "").split(",")]
        chosen = next((item for item in _SUBPROTOCOLS if item in offered), None)
        if chosen is not None:
            answer += f"Sec-WebSocket-Protocol: {chosen}\r\n".encode()
        self._out.append(answer + b"\r\n")
        self.is_open = True
        return self._frames(rest) if rest else b""

    def _is_upgrade(self, request: str, headers: dict[str, str]) -> bool:
        words = request.split(" ")
        tokens = [item.strip().lower() for item in headers.get("connection", "").split(",")]
        if (
            len(words) != 3
            or words[0] != "GET"
            or words[2] != "HTTP/1.1"
            or headers.get("upgrade", "").lower() != "websocket"
            or "upgrade" not in tokens
        ):
            self._reject(b"400 Bad Request")
            return False
        if headers.get("sec-websocket-version") != "13":
            self._reject(b"426 Upgrade Required", b"Sec-WebSocket-Version: 13\r\n")
            return False
        try:
            is_key = len(base64.b64decode(headers.get("sec-websocket-key", ""), validate=True)) == 16
        except ValueError:
            is_key = False
        if not is_key:
            self._reject(b"400 Bad Request")
        return is_key

    def _reject(self, status: bytes, header: bytes = b"") -> None:
        self._out.append(b"HTTP/1.1 " + status + b"\r\n" + header + b"Connection: close\r\nContent-Length: 0\r\n\r\n")
        self._buffer = b""
        self.closing = True

    # Frames

    def _frames(self, data: bytes) -> bytes:
        if self._buffer:
            data = self._buffer + data
            self._buffer = b""
        payload: list[bytes] = []
        position = 0
        while position < len(data) and not self.closing:
            if self._left:
                chunk = data[position : position + self._left]
                position += len(chunk)
                payload.append(_unmask(chunk, self._key, self._position))
                self._position += len(chunk)
                self._left -= len(chunk)
                continue
            header = self._header(data, position)
            if header == 0:
                self._buffer = data[position:]
                break
            position = header
        return payload[0] if len(payload) == 1 else b"".join(payload)

    def _header(self, data: bytes, start: int) -> int:
        """Read a frame header, and the rest of the frame if it is a control frame.

        Returns:
            The position behind it, 0 when bytes are missing.
        """
        size = len(data) - start
        if size < 2:
            return 0
        first, second = data[start], data[start + 1]
        opcode, length = first & 0x0F, second & 0x7F
        if first & 0x70 or not second & 0x80:  # reserved bits; clients must mask (5.1)
            return self._fail(data, _PROTOCOL_ERROR)
        extra = {126: 2, 127: 8}.get(length, 0)
        after = start + 6 + extra
        if size < 6 + extra:
            return 0
        if extra:
            length = int.from_bytes(data[start + 2 : start + 2 + extra], "big")
        key = data[after - 4 : after]
        if opcode >= 0x8:
            return self._control(first, data, after, length, key)
        if opcode not in (_CONTINUATION, _BINARY):
            return self._fail(data, _UNSUPPORTED_DATA)
        if (opcode == _CONTINUATION) != self._in_message or length >> 63:
            return self._fail(data, _PROTOCOL_ERROR)
        self._in_message = not first & 0x80
        self._left, self._key, self._position = length, key, 0
        return after

    def _control(self, first: int, data: bytes, after: int, length: int, key: bytes) -> int:
        opcode = first & 0x0F
        if not first & 0x80 or length > 125 or opcode not in (_CLOSE, _PING, _PONG):
            return self._fail(data, _PROTOCOL_ERROR)
        if len(data) < after + length:
            return 0
        content = _unmask(data[after : after + length], key, 0)
        if opcode == _CLOSE:
            self._out.append(_frame(_CLOSE, content[:2]))
            self.closing = True
        elif opcode == _PING:
            self._out.append(_frame(_PONG, content))
        return after + length

    def _fail(self, data: bytes, code: int) -> int:
        self.close(code)
        return len(data)


def binary_frame(payload: bytes) -> bytes:
    """Return a binary message of one frame."""
    return _frame(_BINARY, payload)


def _frame(opcode: int, payload: bytes) -> bytes:
    size = len(payload)
    first = (0x80 | opcode).to_bytes(1, "big")
    if size < 126:
        return first + size.to_bytes(1, "big") + payload
    if size < 65_536:
        return first + b"\x7e" + size.to_bytes(2, "big") + payload
    return first + b"\x7f" + size.to_bytes(8, "big") + payload


def _unmask(data: bytes, key: bytes, position: int) -> bytes:
    """Remove the masking of payload that begins at a position of its frame."""
    size = len(data)
    if not size:
        return b""
    turned = key[position % 4 :] + key[: position % 4]
    mask = (turned * (size // 4 + 1))[:size]
    return (int.from_bytes(data, "little") ^ int.from_bytes(mask, "little")).to_bytes(size, "little")
