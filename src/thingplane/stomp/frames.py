"""Frames of STOMP 1.0 to 1.2: bytes to commands with headers, and back."""

import re
from collections.abc import Iterable
from typing import Final, NamedTuple

from thingplane.stomp.errors import StompError

V1_0: Final = "1.0"
V1_1: Final = "1.1"
V1_2: Final = "1.2"

_HEAD_END: Final = re.compile(rb"\n\r?\n")
_ESCAPE: Final = re.compile(r"\\(.?)", re.DOTALL)
_UNESCAPED: Final = {"n": "\n", "c": ":", "\\": "\\", "r": "\r"}
_UNESCAPED_COMMANDS: Final = frozenset({"CONNECT", "STOMP"})
_CONTENT_LENGTH: Final = re.compile(r"[0-9]{1,9}")


class Frame(NamedTuple):
    """What a client sent; of a header that is there more than once, the first counts (1.2, Repeated Header Entries)."""

    command: str
    headers: dict[str, str]
    body: bytes


class FrameReader:
    """Cuts a stream into frames."""

    __slots__ = ("_buffer", "_max_body", "_max_head", "_searched", "version")

    def __init__(self, max_head: int, max_body: int) -> None:
        """Limits in bytes."""
        self.version = V1_0
        self._buffer = bytearray()
        self._max_head = max_head
        self._max_body = max_body
        self._searched = 0  # bytes of the buffer that hold no end of a head

    def receive(self, data: bytes) -> None:
        """Take what arrived."""
        self._buffer += data

    @property
    def waiting(self) -> int:
        """Bytes that are kept."""
        return len(self._buffer)

    def next_frame(self) -> Frame | None:
        """Return the next frame, None while it is not complete.

        Raises:
            StompError: it is malformed or too large.
        """
        buffer = self._buffer
        self._skip_ends_of_lines()
        match = _HEAD_END.search(buffer, self._searched)
        if match is None:
            if len(buffer) > self._max_head:
                raise StompError("the headers of a frame are too long")
            self._searched = max(len(buffer) - 2, 0)
            return None
        if match.start() > self._max_head:
            raise StompError("the headers of a frame are too long")
        command, headers = self._head(bytes(buffer[: match.start()]))
        end = self._body_end(headers, match.end())
        if end is None:
            self._searched = match.start()
            return None
        body = bytes(buffer[match.end() : end])
        del buffer[: end + 1]
        self._searched = 0
        return Frame(command, headers, body)

    def _skip_ends_of_lines(self) -> None:
        """Forget heart-beats, and what may follow a frame."""
        buffer = self._buffer
        count = 0
        while count < len(buffer) and buffer[count] in b"\r\n":
            count += 1
        if count:
            del buffer[:count]
            self._searched = 0

    def _head(self, raw: bytes) -> tuple[str, dict[str, str]]:
        try:
            lines = raw.decode().split("\n")
        except UnicodeDecodeError:
            raise StompError("headers are not well-formed UTF-8") from None
        lines = [line.removesuffix("\r") for line in lines]
        command = lines[0]
        escaped = self.version != V1_0 and command not in _UNESCAPED_COMMANDS
        headers: dict[str, str] = {}
        for line in lines[1:]:
            name, colon, value = line.partition(":")
            if not colon:
                raise StompError("a header has no value")
            if escaped:
                name, value = _unescape(name), _unescape(value)
            headers.setdefault(name, value)
        if self.version == V1_0 and "accept-version" not in headers:
            # Clients of the first version may put spaces around names and values, as its own samples do.
            headers = {name.strip(): value.strip() for name, value in headers.items()}
        return command, headers

    def _body_end(self, headers: dict[str, str], start: int) -> int | None:
        """Return where the NUL is that ends the frame, None while it is not there."""
        length = headers.get("content-length")
        if length is None:
            end = self._buffer.find(b"\0", start)
            if (len(self._buffer) if end < 0 else end) - start > self._max_body:
                raise StompError("the body of a frame is too long")
            return None if end < 0 else end
        if not _CONTENT_LENGTH.fullmatch(length):
            raise StompError("content-length is no number")
        if int(length) > self._max_body:
            raise StompError("the body of a frame is too long")
        end = start + int(length)
        if end >= len(self._buffer):
            return None
        if self._buffer[end]:
            raise StompError("a body is longer than its content-length")
        return end


def encode_frame(command: str, headers: Iterable[tuple[str, str]], body: bytes = b"", version: str = V1_0) -> bytes:
    """Encode a frame; values are escaped as the version demands."""
    lines = "".join(f"{name}:{escape(value, version)}\n" for name, value in headers)
    return f"{command}\n{lines}\n".encode() + body + b"\0"


def escape(value: str, version: str) -> str:
    """Return a header's value as it is sent.

    Version 1.0 can't escape: ends of lines become spaces.
    """
    if version == V1_0:
        return value.replace("\n", " ").replace("\r", " ")
    value = value.replace("\\", "\\\\").replace("\n", "\\n").replace(":", "\\c")
    return value.replace("\r", "\\r" if version == V1_2 else " ")


def _unescape(text: str) -> str:
    if "\\" not in text:
        return text

    def one(match: re.Match[str]) -> str:
        try:
            return _UNESCAPED[match[1]]
        except KeyError:
            raise StompError("a header has an undefined escape") from None

    return _ESCAPE.sub(one, text)
