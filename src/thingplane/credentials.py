"""``credentials.json``: the account's AccessKey pair, made at first start unless given."""

import secrets
import string
from pathlib import Path
from typing import NamedTuple

import msgspec

from thingplane.storage.files import write_file

_ALPHANUMERIC = string.ascii_letters + string.digits


class Credentials(NamedTuple):
    """An AccessKey pair."""

    access_key_id: str
    access_key_secret: str

    def __repr__(self) -> str:
        return f"Credentials({self.access_key_id!r}, …)"


def ensure_credentials(file: Path, access_key_id: str = "", access_key_secret: str = "") -> Credentials:
    """Return the account's key: the given one, else that of the file, else a new one; the file has it afterwards.

    Raises:
        OSError: the file can't be read or written.
        ValueError: the file is not what this function writes.
    """
    if access_key_id:
        credentials = Credentials(access_key_id, access_key_secret)
    elif file.exists():
        content = msgspec.json.decode(file.read_bytes(), type=dict[str, str])
        if not content.get("AccessKeyId") or not content.get("AccessKeySecret"):
            raise ValueError(f"{file} lacks AccessKeyId or AccessKeySecret")
        return Credentials(content["AccessKeyId"], content["AccessKeySecret"])
    else:
        credentials = Credentials("TP" + _random(22), _random(30))
    body = {"AccessKeyId": credentials.access_key_id, "AccessKeySecret": credentials.access_key_secret}
    write_file(file, msgspec.json.format(msgspec.json.encode(body), indent=2) + b"\n", 0o600)
    return credentials


def _random(length: int) -> str:
    return "".join(secrets.choice(_ALPHANUMERIC) for _ in range(length))
