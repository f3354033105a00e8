"""A gateway made of the official device SDK, unmodified: commands as JSON lines on stdin, what happens on stdout.

Not a test: tests run it as a process of its own (see ``device.py``).
"""

import json
import sys
import threading
from collections.abc import Callable
from typing import Any

from linkkit import linkkit

_lock = threading.Lock()


def tell(event: str, **details: Any) -> None:
    with _lock:
        sys.stdout.write(json.dumps({"event": event, **details}) + "\n")
        sys.stdout.flush()


def reply(event: str) -> Callable[[str, int, Any, str, Any], None]:
    return lambda request_id, code, data, message, _user: tell(
        event, id=request_id, code=code, data=data, message=message
    )


def main() -> None:
    config = json.loads(sys.stdin.readline())
    gateway = linkkit.LinkKit(
        host_name="127.0.0.1",
        product_key=config["product_key"],
        device_name=config["device_name"],
        device_secret=config["device_secret"],
    )
    gateway.config_mqtt(port=config["port"], endpoint=config["host"], secure="", clean_session=config["clean_session"])
    gateway.on_connect = lambda flag, rc, _user: tell("connected", session_present=flag, code=rc)
    gateway.on_disconnect = lambda rc, _user: tell("disconnected", code=rc)
    gateway.on_gateway_add_subdev_topo_reply = reply("added")
    gateway.on_gateway_delete_subdev_topo_reply = reply("deleted")
    gateway.on_gateway_login_subdev_reply = reply("logged_in")
    gateway.on_gateway_logout_subdev_reply = reply("logged_out")
    gateway.on_gateway_register_subdev_reply = reply("registered")
    gateway.on_gateway_product_register_subdev_reply = reply("product_registered")
    gateway.on_gateway_topo_change = lambda request_id, params, _user: tell("changed", id=request_id, params=params)
    gateway.on_topic_message = lambda topic, payload, qos, _user: tell(
        "message", topic=topic, payload=payload.decode(), qos=qos
    )
    gateway.on_subscribe_topic = lambda _mid, granted, _user: tell("subscribed", granted=granted)
    gateway.connect_async()
    calls = {
        "register": gateway.gateway_register_subdev,
        "product_register": gateway.gateway_product_register_subdev,
        "add": gateway.gateway_add_subdev_topo,
        "delete": gateway.gateway_delete_subdev_topo,
        "login": gateway.gateway_login_subdev,
        "logout": gateway.gateway_logout_subdev,
    }
    for line in sys.stdin:
        command = json.loads(line)
        match command["do"]:
            case "publish":
                gateway.publish_topic(command["topic"], command["payload"], command.get("qos", 1))
            case "subscribe":
                gateway.subscribe_topic(command["topic"], command.get("qos", 1))
            case "disconnect":
                gateway.disconnect()
                return
            case name:
                result = calls[name](command["devices"])
                if result[0] != 0:
                    tell("refused", command=name, result=result)


if __name__ == "__main__":
    main()
