"""Devices that register themselves, beside a running node."""

import hmac
import http.client
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from tests.common.cli import run_on
from tests.common.node import NodeProcess

SCRIPT = Path(__file__).with_name("linkkit_registration.py")
HOST_NAME = "cn-test"
AUTH_HOST = f"iot-auth.{HOST_NAME}.aliyuncs.com"
PATIENCE_S = 20


def linkkit(node: NodeProcess, do: str, **config: Any) -> list[dict[str, Any]]:
    """Run a device made of the official SDK, and return what it tells."""
    host, port = node.address("mqtt_tls")
    full = {
        "do": do,
        "host": host,
        "port": port,
        "host_name": HOST_NAME,
        "https_port": node.address("api_tls")[1],
        "ca": Path(node.ready["ca_certificate"]).read_text(),
        **config,
    }
    # The SDK writes SyntaxWarnings of its own on newer Pythons; they are not ours to mend.
    command = [sys.executable, "-W", "ignore", str(SCRIPT), json.dumps(full)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return [json.loads(line) for line in result.stdout.splitlines()]


def register_over_http(node: NodeProcess, product_key: str, product_secret: str, name: str) -> dict[str, Any]:
    """Register as the guide says, and return the answer."""
    content = f"deviceName{name}productKey{product_key}random567345"
    sign = hmac.digest(product_secret.encode(), content.encode(), "sha256").hex()
    form = {"productKey": product_key, "deviceName": name, "random": "567345", "sign": sign, "signMethod": "hmacSha256"}
    connection = http.client.HTTPConnection(*node.address("api"))
    connection.request("POST", "/auth/register/device", urlencode(form))
    answer: dict[str, Any] = json.loads(connection.getresponse().read())
    connection.close()
    return answer


def allow_registration(node: NodeProcess, product_key: str, product_secret: str) -> None:
    """Turn the switch of a product on, and wait until the node has noticed."""
    assert register_over_http(node, product_key, product_secret, "nobody")["code"] == 6288
    run_on(node, "product", "dynamic-register", product_key, "on")
    deadline = time.monotonic() + PATIENCE_S
    while register_over_http(node, product_key, product_secret, "nobody")["code"] == 6288:
        assert time.monotonic() < deadline
        time.sleep(0.05)
