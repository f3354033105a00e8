"""A device made of the official device SDK, unmodified: commands as JSON lines on stdin, what happens on stdout.

Not a test: tests run it as a process of its own (see ``device.py``).
"""

import json
import sys
import threading
from typing import Any

from linkkit import linkkit

_lock = threading.Lock()


def tell(event: str, **details: Any) -> None:
    with _lock:
        sys.stdout.write(json.dumps({"event": event, **details}) + "\n")
        sys.stdout.flush()


def main() -> None:
    config = json.loads(sys.stdin.readline())
    device = linkkit.LinkKit(
        host_name="127.0.0.1",
        product_key=config["product_key"],
        device_name=config["device_name"],
        device_secret=config["device_secret"],
    )
    device.config_mqtt(
        port=config["port"],
        protocol=config["protocol"],
        endpoint=config["host"],
        secure="TLS" if config["ca"] else "",
        cadata=config["ca"],
        check_hostname=False,
        clean_session=config["clean_session"],
    )
    answers: dict[str, Any] = config["answers"]

    def call_service(identifier: str, request_id: str, params: Any, _user: Any) -> None:
        tell("service", identifier=identifier, id=request_id, params=params)
        if identifier in answers:
            answer = answers[identifier]
            device.thing_answer_service(identifier, request_id, 200, params if answer is None else answer)

    def rrpc(request_id: str, topic: str, payload: bytes, qos: int, _user: Any) -> None:
        tell("rrpc", topic=topic, payload=payload.decode(), qos=qos)
        device.thing_answer_rrpc(request_id, payload[::-1].decode())

    device.on_connect = lambda flag, rc, _user: tell("connected", session_present=flag, code=rc)
    device.on_disconnect = lambda rc, _user: tell("disconnected", code=rc)
    device.on_thing_enable = lambda _user: tell("enabled")
    device.on_thing_prop_post = lambda request_id, code, data, message, _user: tell(
        "post_reply", id=request_id, code=code, data=data, message=message
    )
    device.on_thing_event_post = lambda event, request_id, code, data, message, _user: tell(
        "event_reply", identifier=event, id=request_id, code=code, data=data, message=message
    )
    device.on_thing_device_info_update = lambda request_id, code, data, message, _user: tell(
        "tags_reply", id=request_id, code=code, data=data, message=message
    )
    device.on_thing_device_info_delete = lambda request_id, code, data, message, _user: tell(
        "tags_deleted", id=request_id, code=code, data=data, message=message
    )
    device.on_thing_prop_changed = lambda params, _user: tell("set", params=params)
    device.on_thing_call_service = call_service
    device.on_topic_message = lambda topic, payload, qos, _user: tell(
        "message", topic=topic, payload=payload.decode(), qos=qos
    )
    device.on_topic_rrpc_message = rrpc
    device.on_thing_shadow_get = lambda message, _user: tell("shadow", message=message)
    device.on_subscribe_topic = lambda _mid, granted, _user: tell("subscribed", granted=granted)
    device.on_ota_message_arrived = lambda notice, version, size, url, method, sign, module, extra: tell(
        "ota",
        notice=notice,
        version=version,
        size=size,
        url=url,
        method=method,
        sign=sign,
        module=module,
        extra=extra,
    )
    device.thing_setup(config["tsl_file"])
    device.connect_async()
    for line in sys.stdin:
        command = json.loads(line)
        match command["do"]:
            case "post":
                tell("posted", result=device.thing_post_property(command["values"]))
            case "event":
                tell("event_posted", result=device.thing_trigger_event((command["identifier"], command["output"])))
            case "subscribe":
                device.subscribe_topic(command["topic"], command.get("qos", 1))
            case "subscribe_rrpc":
                device.subscribe_rrpc_topic(command["topic"])
            case "publish":
                device.publish_topic(command["topic"], command["payload"], command.get("qos", 1))
            case "update_tags":
                device.thing_update_tags(command["tags"])
            case "remove_tags":
                device.thing_remove_tags(command["keys"])
            case "shadow_get":
                device.thing_get_shadow()
            case "shadow_update":
                device.thing_update_shadow(command["reported"], command["version"])
            case "shadow":
                shadow = device.local_get_latest_shadow()
                tell("local_shadow", version=shadow.get_version(), state=shadow.get_state())
            case "report_version":
                device.ota_report_version(command.get("module"), command["version"])
            case "query_firmware":
                device.query_ota_firmware(command.get("module"))
            case "download":
                arguments = (command[name] for name in ("url", "path", "method", "sign"))
                tell("downloaded", code=device.download_ota_firmware(*arguments).name)
            case "disconnect":
                device.disconnect()
                return


if __name__ == "__main__":
    main()
