"""A device made of the official device SDK that registers itself; configuration as JSON in its argument.

Not a test: tests run it as a process of its own. It writes events as JSON lines and ends when it is done.
"""

import json
import socket
import sys
import threading
from typing import Any

from linkkit import linkkit

PATIENCE_S = 30

_done = threading.Event()
_events: list[dict[str, Any]] = []


def tell(event: str, **details: Any) -> None:
    sys.stdout.write(json.dumps({"event": event, **details}) + "\n")
    sys.stdout.flush()


def aim(host: str, port: int) -> None:
    """Let the fixed address of the SDK's HTTPS registration mean the node, as an entry in a hosts file would."""
    resolve = socket.getaddrinfo

    def answer(name: Any, service: Any, *arguments: Any, **options: Any) -> Any:
        if str(name).startswith("iot-auth."):
            name, service = host, port
        return resolve(name, service, *arguments, **options)

    socket.getaddrinfo = answer  # type: ignore[assignment]


def device(config: dict[str, Any], **options: Any) -> linkkit.LinkKit:
    kit = linkkit.LinkKit(
        host_name=config["host_name"],
        product_key=config["product_key"],
        device_name=config["device_name"],
        **{"device_secret": "", **options},
    )
    kit.config_mqtt(
        port=config["port"], endpoint=config["host"], secure="TLS", cadata=config["ca"], check_hostname=False
    )
    return kit


def run(kit: linkkit.LinkKit) -> None:
    _done.clear()
    kit.connect_async()
    if not _done.wait(PATIENCE_S):
        tell("timeout")


def connected(kit: linkkit.LinkKit) -> None:
    def on_connect(_flag: Any, code: Any, _user: Any) -> None:
        tell("connected", code=code)
        _done.set()

    kit.on_connect = on_connect


def by_https(config: dict[str, Any]) -> None:
    aim(config["host"], config["https_port"])
    kit = device(config, product_secret=config["product_secret"])
    connected(kit)

    def registered(code: int, value: str, _user: Any) -> None:
        tell("registered", code=code, value=value)
        if code:
            _done.set()

    kit.on_device_dynamic_register = registered
    run(kit)


def by_mqtt(config: dict[str, Any]) -> None:
    kit = device(config, product_secret=config["product_secret"], auth_type="register")

    def registered(code: int, value: str, _user: Any) -> None:
        tell("registered", code=code, value=value)
        _done.set()

    kit.on_device_dynamic_register = registered
    run(kit)


def client_by_mqtt(config: dict[str, Any]) -> None:
    kit = device(config, product_secret=config["product_secret"], auth_type="regnwl")

    def registered(code: int, client_id: str, username: str, password: str) -> None:
        tell("registered", code=code, client_id=client_id, username=username, password=password)
        _done.set()

    kit.on_device_dynamic_register_nwl_reply = registered
    run(kit)


def with_token(config: dict[str, Any]) -> None:
    options = {name: config[name] for name in ("client_id", "username", "password")}
    kit = device(config, **options)
    connected(kit)
    run(kit)


if __name__ == "__main__":
    given = json.loads(sys.argv[1])
    {"https": by_https, "register": by_mqtt, "regnwl": client_by_mqtt, "token": with_token}[given["do"]](given)
