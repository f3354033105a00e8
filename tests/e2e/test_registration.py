"""Ways in other than the secret of a device, with the official device SDK, OpenSSL and paho, on uvloop."""

import asyncio
import hmac
import http.client
import json
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alibabacloud_iot20180120 import models
from alibabacloud_iot20180120.client import Client

from tests.common.cli import run_on
from tests.common.node import NodeProcess, running_node
from tests.e2e.conftest import sdk_client
from tests.e2e.operations.calls import new_product, ok, register
from tests.e2e.raw import RawDevice
from tests.e2e.registering import AUTH_HOST, allow_registration, linkkit, register_over_http
from tests.mqtt.wire import write_packets
from thingplane.mqtt.packets import Connack, Connect, Publish


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeProcess]:
    data_dir = tmp_path_factory.mktemp("node") / "data"
    with running_node(data_dir, tls_names=AUTH_HOST, mqtt_psk="on") as node:
        yield node


@pytest.fixture(scope="module")
def cloud(node: NodeProcess) -> Client:
    return sdk_client(node)


@pytest.fixture(scope="module")
def product(node: NodeProcess, cloud: Client) -> dict[str, str]:
    """A product whose devices may register themselves."""
    key = new_product(cloud)
    request = models.QueryProductRequest(product_key=key)
    secret = ok(cloud.query_product(request)).data.product_secret
    allow_registration(node, key, secret)
    return {"product_key": key, "product_secret": secret}


def status(cloud: Client, product_key: str, name: str) -> str:
    request = models.GetDeviceStatusRequest(product_key=product_key, device_name=name)
    return str(ok(cloud.get_device_status(request)).data.status)


def test_the_sdk_registers_over_https_and_connects(node: NodeProcess, cloud: Client, product: dict[str, str]) -> None:
    secret = register(cloud, product["product_key"], "by-https").device_secret
    events = linkkit(node, "https", device_name="by-https", **product)
    assert events == [{"event": "registered", "code": 0, "value": secret}, {"event": "connected", "code": 0}]
    assert status(cloud, product["product_key"], "by-https") != "UNACTIVE"
    [refused] = linkkit(node, "https", device_name="by-https", **product)
    assert (refused["code"], refused["value"]) == (1, "device is already active")
    assert register_over_http(node, product["product_key"], product["product_secret"], "by-https")["code"] == 6289


def test_the_sdk_registers_over_mqtt(node: NodeProcess, cloud: Client, product: dict[str, str]) -> None:
    secret = register(cloud, product["product_key"], "by-mqtt").device_secret
    for _ in range(2):
        [told] = linkkit(node, "register", device_name="by-mqtt", **product)
        assert (told["code"], told["value"]) == (0, secret)
    assert status(cloud, product["product_key"], "by-mqtt") == "UNACTIVE"
    [refused] = linkkit(node, "register", device_name="unknown-1", **product)
    assert refused["code"] != 0


@pytest.mark.parametrize("listener", ["mqtt_tls", "api_tls", "amqp", "stomp"])
def test_every_listener_serves_clients_without_elliptic_curves(node: NodeProcess, listener: str) -> None:
    context = ssl.create_default_context(cafile=node.ready["ca_certificate"])
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("AES128-SHA256")
    address = node.address(listener)
    with socket.create_connection(address) as plain, context.wrap_socket(plain, server_hostname="localhost") as secure:
        assert secure.cipher() == ("AES128-SHA256", "TLSv1.2", 128)


async def test_a_device_certificate_is_issued_and_connects(node: NodeProcess, cloud: Client, tmp_path: Path) -> None:
    key = new_product(cloud, auth_type="x509")
    assert ok(cloud.query_product(models.QueryProductRequest(product_key=key))).data.auth_type == "x509"
    register(cloud, key, "certified-1")
    [issued] = await asyncio.to_thread(
        run_on, node, "device", "certificate", key, "certified-1", "--out", str(tmp_path)
    )
    [listed] = await asyncio.to_thread(run_on, node, "device", "certificates", key, "certified-1")
    assert listed["Serial"] == issued["Serial"]
    context = ssl.create_default_context(cafile=node.ready["ca_certificate"])
    context.check_hostname = False
    context.load_cert_chain(tmp_path / f"{key}.certified-1.pem", tmp_path / f"{key}.certified-1.key")
    assert (tmp_path / f"{key}.certified-1.key").stat().st_mode & 0o077 == 0

    async def connect() -> tuple[int, Any]:
        device = RawDevice(*await asyncio.open_connection(*node.address("mqtt_tls"), ssl=context), 4)
        device.send(Connect(client_id=".|securemode=2,signmethod=hmacsha256|", username="&", keepalive=60))
        code = (await device.expect(Connack)).code
        identity = json.loads((await device.expect(Publish)).payload) if not code else None
        await device.leave()
        return code, identity

    async def until(wanted: int) -> Any:
        async with asyncio.timeout(20):
            while True:
                code, identity = await connect()
                if code == wanted:
                    return identity
                await asyncio.sleep(0.05)

    # The node notices a new authority, and a revoked certificate, within seconds.
    assert await until(0) == {"productKey": key, "deviceName": "certified-1"}
    assert await asyncio.to_thread(run_on, node, "device", "revoke", key, "certified-1") == [{"Revoked": 1}]
    await until(4)


def test_openssl_connects_with_a_pre_shared_key(node: NodeProcess, cloud: Client, product: dict[str, str]) -> None:
    device = register(cloud, product["product_key"], "by-psk")
    content = f"id{device.product_key}&by-psktimestamp2524608000000"
    key = hmac.digest(device.device_secret.encode(), content.encode(), "sha256")
    signed = f"clientIdsn1deviceNameby-pskproductKey{device.product_key}"
    password = hmac.digest(device.device_secret.encode(), signed.encode(), "sha256").hex().encode()
    connect = Connect(
        client_id="sn1|securemode=2,signmethod=hmacsha256|",
        username=f"by-psk&{device.product_key}",
        password=password,
        keepalive=60,
    )
    host, port = node.address("mqtt_tls")
    process = subprocess.Popen(
        [
            *("openssl", "s_client", "-connect", f"{host}:{port}", "-quiet", "-no_ign_eof", "-tls1_2"),
            *("-psk_identity", f"devicename|hmacsha256|{device.product_key}&by-psk|2524608000000"),
            *("-psk", key.hex().upper().encode().hex(), "-cipher", "PSK-AES128-CBC-SHA"),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(write_packets([connect], 4))
    process.stdin.flush()
    assert process.stdout.read(4) == b"\x20\x02\x00\x00"
    process.stdin.close()
    process.stdout.close()
    process.wait(10)


def test_a_plain_https_client_publishes(node: NodeProcess, cloud: Client, product: dict[str, str]) -> None:
    device = register(cloud, product["product_key"], "over-https")
    content = f"clientIdc1deviceNameover-httpsproductKey{device.product_key}"
    body = json.dumps(
        {
            "clientId": "c1",
            "signmethod": "hmacsha256",
            "deviceName": "over-https",
            "productKey": device.product_key,
            "sign": hmac.digest(device.device_secret.encode(), content.encode(), "sha256").hex(),
        }
    )
    context = ssl.create_default_context(cafile=node.ready["ca_certificate"])
    context.check_hostname = False
    connection = http.client.HTTPSConnection(*node.address("api_tls"), context=context)
    connection.request("POST", "/auth?_v=sdk-c-4.2.0", body, {"Content-Type": "application/json"})
    response = connection.getresponse()
    token = json.loads(response.read())["info"]["token"]
    # The SDK for C finds the length by this spelling only, and takes no chunks.
    assert [name for name, _ in response.getheaders()].count("Content-Length") == 1
    assert response.getheader("transfer-encoding") is None
    topic = f"/topic/{device.product_key}/over-https/user/update"
    connection.request("POST", topic, b"hello", {"Content-Type": "application/octet-stream", "password": token})
    answer = json.loads(connection.getresponse().read())
    assert answer["code"] == 0
    assert status(cloud, product["product_key"], "over-https") == "OFFLINE"
    connection.close()
