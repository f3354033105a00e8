"""Reading what devices post."""

from typing import Final
from urllib.parse import parse_qsl

from thingplane.alink import read_fields
from thingplane.cloud.errors import GatewayError
from thingplane.cloud.http import Receive, Scope, read_body

MAX_BODY: Final = 131_072
"""Bytes of a message (device-protocol, 10.1)."""
MAX_FORM: Final = 8_192
"""Bytes of everything else."""
_TIMEOUT_S: Final = 30.0
_MAX_FIELDS: Final = 50


class MalformedError(Exception):
    """What came is not what it should be."""


def header(scope: Scope, name: bytes) -> str:
    """Return a header, empty when it is absent; its name in lower case."""
    return next((value.decode("latin-1").strip() for key, value in scope["headers"] if key == name), "")


def media_type(scope: Scope) -> str:
    """Return the content type without parameters, in lower case."""
    return header(scope, b"content-type").partition(";")[0].strip().lower()


def client_ip(scope: Scope) -> str:
    """Return the address of the peer."""
    client = scope.get("client")
    return client[0] if client else ""


async def body_of(receive: Receive, limit: int) -> bytes:
    """Return the body.

    Raises:
        MalformedError: it is too long or takes too long.
    """
    try:
        return await read_body(receive, limit, _TIMEOUT_S)
    except GatewayError as error:
        raise MalformedError from error


async def read_form(receive: Receive) -> dict[str, str]:
    """Return the fields of a form; of a repeated one the first counts.

    Raises:
        MalformedError: it is none.
    """
    body = await body_of(receive, MAX_FORM)
    try:
        pairs = parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=True,
            errors="strict",
            max_num_fields=_MAX_FIELDS,
        )
    except ValueError as error:  # encodings, too
        raise MalformedError from error
    return dict(reversed(pairs))


async def read_json(receive: Receive) -> dict[str, str]:
    """Return the members of a JSON object whose values are texts, or numbers, which are taken as they are written.

    Raises:
        MalformedError: it is none.
    """
    body = await body_of(receive, MAX_FORM)
    try:
        return read_fields(body)
    except ValueError as error:
        raise MalformedError from error
