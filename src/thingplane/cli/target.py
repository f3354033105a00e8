"""Finding the node that a command talks to, and the key it signs with."""

import os
from pathlib import Path
from typing import Annotated, NamedTuple

import msgspec
from cyclopts import Parameter

from thingplane.cli import CommandError
from thingplane.settings import SettingsError, load_settings

DataDir = Annotated[Path | None, Parameter(help="data directory of the node [default: ./data or THINGPLANE_DATA_DIR]")]


class Ready(msgspec.Struct):
    """``ready.json`` of a running node."""

    pid: int
    version: str
    endpoints: dict[str, str]
    ca_certificate: str
    credentials: str


class Target(NamedTuple):
    """Where the cloud API is and how to sign."""

    endpoint: str
    access_key_id: str
    access_key_secret: str


def data_directory(given: Path | None) -> Path:
    """Return the data directory that settings or the flag name."""
    try:
        return given or load_settings().data_dir
    except SettingsError as error:
        raise CommandError(str(error)) from None


def ready(data_dir: Path | None) -> Ready:
    """Read ``ready.json`` of the node that runs on a data directory."""
    folder = data_directory(data_dir)
    try:
        return msgspec.json.decode((folder / "ready.json").read_bytes(), type=Ready)
    except FileNotFoundError:
        raise CommandError(f"no node runs on {folder}: start one with `thingplane serve`, or name --data-dir") from None
    except (OSError, msgspec.DecodeError) as error:
        raise CommandError(f"{folder / 'ready.json'}: {error}") from None


def target(
    data_dir: Path | None, endpoint: str | None, access_key_id: str | None, access_key_secret: str | None
) -> Target:
    """Find endpoint and key: from flags, then environment, then the data directory of a node on this machine."""
    access_key_id = access_key_id or os.environ.get("THINGPLANE_ACCESS_KEY_ID")
    access_key_secret = access_key_secret or os.environ.get("THINGPLANE_ACCESS_KEY_SECRET")
    if not access_key_id or not access_key_secret:
        file = data_directory(data_dir) / "credentials.json"
        try:
            credentials = msgspec.json.decode(file.read_bytes(), type=dict[str, str])
            access_key_id, access_key_secret = credentials["AccessKeyId"], credentials["AccessKeySecret"]
        except (OSError, KeyError, msgspec.DecodeError):
            message = (
                f"no access key: {file} can't be read; name --data-dir, or --access-key-id and --access-key-secret"
            )
            raise CommandError(message) from None
    return Target(endpoint or ready(data_dir).endpoints["api"], access_key_id, access_key_secret)
