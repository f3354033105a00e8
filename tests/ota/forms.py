"""Multipart forms as HTTP clients make them."""

import uuid
from collections.abc import Mapping


def form(fields: Mapping[str, str], content: bytes, *, file_name: str | None = "firmware.bin") -> tuple[str, bytes]:
    """Return content type and body of an upload form, its file last."""
    boundary = uuid.uuid4().hex
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    named = "" if file_name is None else f'; filename="{file_name}"'
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"{named}\r\n'
    parts.append(f"{head}Content-Type: application/octet-stream\r\n\r\n".encode() + content + b"\r\n")
    parts.append(f"--{boundary}--\r\n".encode())
    return f"multipart/form-data; boundary={boundary}", b"".join(parts)
