"""``ready.json``: where a node can be reached, written when it accepts traffic and removed when it stops."""

import os
from dataclasses import dataclass
from pathlib import Path

import msgspec

from thingplane import __version__
from thingplane.credentials import Credentials
from thingplane.storage.files import write_file


@dataclass
class Endpoints:
    """Ports of the listeners; None for those that are not there."""

    api: int | None = None
    api_tls: int | None = None
    mqtt: int | None = None
    mqtt_ws: int | None = None
    amqp: int | None = None
    stomp: int | None = None
    coap: int | None = None
    coaps: int | None = None
    amqp_plain: int | None = None
    stomp_plain: int | None = None

    def urls(self, host: str, *, plain: bool) -> dict[str, str]:
        """Return the URLs of what listens.

        Args:
            host: name or address that clients use.
            plain: whether MQTT without TLS is accepted.
        """
        # A wildcard address is no address to connect to.
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104
        schemes = (
            ("api", "http", self.api, ""),
            ("api_tls", "https", self.api_tls, ""),
            ("mqtt", "mqtt", self.mqtt if plain else None, ""),
            ("mqtt_tls", "mqtts", self.mqtt, ""),
            ("mqtt_ws", "ws", self.mqtt_ws, "/mqtt"),
            ("amqp", "amqps", self.amqp, ""),
            ("stomp", "stomp+ssl", self.stomp, ""),
            ("coap", "coap", self.coap, ""),
            ("coaps", "coaps", self.coaps, ""),
            ("amqp_plain", "amqp", self.amqp_plain, ""),
            ("stomp_plain", "stomp", self.stomp_plain, ""),
        )
        return {name: f"{scheme}://{host}:{port}{path}" for name, scheme, port, path in schemes if port is not None}


def write_ready(file: Path, urls: dict[str, str], ca: Path, credentials: Path) -> None:
    """Write ``ready.json`` atomically.

    Raises:
        OSError: it can't be written.
    """
    content = {
        "pid": os.getpid(),
        "version": __version__,
        "endpoints": urls,
        "ca_certificate": str(ca.absolute()),
        "credentials": str(credentials.absolute()),
    }
    write_file(file, msgspec.json.format(msgspec.json.encode(content), indent=2) + b"\n", 0o644)


def greeting(urls: dict[str, str], credentials: Credentials, data_dir: Path) -> str:
    """Return what a person who starts a node on a terminal wants to know, the secret included."""
    rows = {
        **urls,
        "AccessKeyId": credentials.access_key_id,
        "AccessKeySecret": credentials.access_key_secret,
        "data directory": str(data_dir.absolute()),
    }
    width = max(map(len, rows))
    lines = "\n".join(f"  {name:<{width}}  {value}" for name, value in rows.items())
    return f"\nThingplane {__version__} is ready.\n\n{lines}\n\nCtrl-C stops it.\n"
