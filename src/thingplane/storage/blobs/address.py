"""How settings name an S3-compatible object store."""

from typing import Final
from urllib.parse import parse_qsl, urlsplit

import msgspec

_OPTIONS: Final = {"endpoint", "region", "addressing"}


class ObjectStoreAddress(msgspec.Struct, frozen=True, kw_only=True):
    """A bucket, or a folder in one. Credentials are no part of it."""

    bucket: str
    prefix: str = ""
    endpoint: str = ""
    """URL of the service; empty: that of AWS, or of ``AWS_ENDPOINT_URL``."""
    region: str = ""
    """Empty: that of ``AWS_REGION``, or us-east-1."""
    virtual_hosts: bool = False
    """Whether the bucket is a part of the host name instead of the path."""


def read_address(url: str) -> ObjectStoreAddress:
    """Read ``s3://bucket/folder?endpoint=https://…&region=…&addressing=path``; all behind the bucket may be absent.

    Raises:
        ValueError: it is something else. The text does not repeat it: somebody may have put a secret there.
    """
    try:
        parts = urlsplit(url)
        options = dict(parse_qsl(parts.query, strict_parsing=True)) if parts.query else {}
        fits = parts.scheme == "s3" and parts.hostname and parts.port is None and not parts.fragment
    except ValueError:
        fits = None
    if not fits:
        raise ValueError("it must look like s3://bucket/folder?endpoint=https://s3.example.com")
    if parts.username is not None or parts.password is not None:
        raise ValueError("credentials don't belong into the URL, they have settings of their own")
    if options.keys() - _OPTIONS:
        raise ValueError(f"what follows the question mark can be {', '.join(sorted(_OPTIONS))}")
    endpoint, addressing = options.get("endpoint", ""), options.get("addressing", "path")
    if endpoint and not endpoint.startswith(("http://", "https://")):
        raise ValueError("endpoint must start with http:// or https://")
    if addressing not in {"path", "virtual"}:
        raise ValueError("addressing is path or virtual")
    return ObjectStoreAddress(
        # As it was written: the parts of urlsplit are in lower case.
        bucket=parts.netloc,
        prefix=parts.path.strip("/"),
        endpoint=endpoint.rstrip("/"),
        region=options.get("region", ""),
        virtual_hosts=addressing == "virtual",
    )
