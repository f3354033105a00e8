"""Devices over CoAP in DTLS: by certificate of the platform, and by pre-shared key."""

import hmac
import json
import socket
import uuid

import pytest
from alibabacloud_iot20180120 import models
from alibabacloud_iot20180120.client import Client
from OpenSSL import SSL

from tests.common.node import NodeProcess
from tests.e2e.coap_device import TOKEN, signed
from tests.e2e.dtls_client import DtlsClient
from tests.e2e.fleet import create_product, register_device
from tests.e2e.registering import allow_registration
from thingplane.coap import Code

TIMESTAMP = "2524608000000"


@pytest.fixture
def identity(cloud: Client) -> dict[str, str]:
    return register_device(cloud, create_product(cloud), f"dtls_{uuid.uuid4().hex[:8]}")


def psk(identity: dict[str, str]) -> tuple[str, bytes]:
    names = f"{identity['ProductKey']}&{identity['DeviceName']}"
    key = hmac.digest(identity["DeviceSecret"].encode(), f"id{names}timestamp{TIMESTAMP}".encode(), "sha256")
    return f"devicename|hmacsha256|{names}|{TIMESTAMP}", key


def post(client: DtlsClient, identity: dict[str, str]) -> int:
    """Fetch a token and post a property with it; returns the code of the response."""
    answer = client.post("/auth", json.dumps(signed(identity, "hmacsha256")).encode())
    assert answer.code == Code.CONTENT, answer
    token = json.loads(answer.payload)
    assert list(token) == ["token"]
    topic = f"/topic/sys/{identity['ProductKey']}/{identity['DeviceName']}/thing/event/property/post"
    body = json.dumps({"id": "1", "version": "1.0", "params": {"Temp": 33.5}}).encode()
    return client.post(topic, body, (TOKEN, token["token"].encode())).code


def temperature(cloud: Client, identity: dict[str, str]) -> str:
    names = {"product_key": identity["ProductKey"], "device_name": identity["DeviceName"]}
    answer = cloud.query_device_property_status(models.QueryDevicePropertyStatusRequest(**names)).body
    return str(next(info.value for info in answer.data.list.property_status_info if info.identifier == "Temp"))


def test_by_the_certificate_of_the_platform(node: NodeProcess, cloud: Client, identity: dict[str, str]) -> None:
    with DtlsClient(node.address("coaps"), node.ready["ca_certificate"]) as client:
        assert client.handshake().startswith("ECDHE-ECDSA-")
        assert post(client, identity) == Code.CONTENT
    assert temperature(cloud, identity) == "33.5"


def test_by_the_certificate_for_devices_without_elliptic_curves(node: NodeProcess, identity: dict[str, str]) -> None:
    # The vendor's SDKs for C offer suites with pre-shared keys even when they have none.
    ciphers = b"PSK-AES128-CBC-SHA:AES128-SHA256:@SECLEVEL=0"
    with DtlsClient(node.address("coaps"), node.ready["ca_certificate"], ciphers=ciphers) as client:
        assert client.handshake() == "AES128-SHA256"
        assert post(client, identity) == Code.CONTENT


@pytest.mark.parametrize("suite", ["PSK-AES128-GCM-SHA256", "PSK-AES128-CBC-SHA256", "PSK-AES128-CCM8"])
def test_by_pre_shared_key(node: NodeProcess, cloud: Client, identity: dict[str, str], suite: str) -> None:
    with DtlsClient(node.address("coaps"), psk=psk(identity), ciphers=f"{suite}:@SECLEVEL=0".encode()) as client:
        assert client.handshake() == suite
        assert post(client, identity) == Code.CONTENT
    assert temperature(cloud, identity) == "33.5"


def test_the_key_is_text_with_the_suite_of_the_c_sdk(node: NodeProcess, identity: dict[str, str]) -> None:
    name, key = psk(identity)
    digits = key.hex().upper().encode()
    with DtlsClient(node.address("coaps"), psk=(name, digits), ciphers=b"PSK-AES128-CBC-SHA:@SECLEVEL=0") as client:
        assert client.handshake() == "PSK-AES128-CBC-SHA"
        assert post(client, identity) == Code.CONTENT


def test_a_wrong_key_is_refused(node: NodeProcess, identity: dict[str, str]) -> None:
    name, _ = psk(identity)
    with (
        DtlsClient(node.address("coaps"), psk=(name, bytes(32)), patience_s=1.0) as client,
        pytest.raises(TimeoutError),  # what does not decrypt is not answered (RFC 6347, 4.1.2.7)
    ):
        client.handshake()


def test_the_old_port_of_a_device_that_started_again_serves_its_new_session(
    node: NodeProcess, identity: dict[str, str]
) -> None:
    with DtlsClient(node.address("coaps"), node.ready["ca_certificate"]) as first:
        first.handshake()
        port = first._socket.getsockname()[1]
        first._socket.close()
        with DtlsClient(node.address("coaps"), node.ready["ca_certificate"]) as second:
            second._socket.close()
            second._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            second._socket.bind(("127.0.0.1", port))
            second._socket.connect(node.address("coaps"))
            second.handshake()
            assert post(second, identity) == Code.CONTENT


def test_who_has_not_proven_its_address_gets_a_cookie_only(node: NodeProcess) -> None:
    with DtlsClient(node.address("coaps"), node.ready["ca_certificate"]) as client:
        with pytest.raises(SSL.WantReadError):
            client._connection.do_handshake()
        hello = client._connection.bio_read(65536)
        for _ in range(3):
            client._socket.send(hello)
            answer = client._socket.recv(65536)
            assert answer[13] == 3  # HelloVerifyRequest
            assert len(answer) < len(hello)


def test_registration_tells_the_secret_over_dtls(node: NodeProcess, cloud: Client) -> None:
    product_key = create_product(cloud)
    device = register_device(cloud, product_key, "to_register")
    secret = cloud.query_product(models.QueryProductRequest(product_key=product_key)).body.data.product_secret
    names = {"productKey": product_key, "deviceName": "to_register"}
    content = {**names, "random": "8fe3c8d50e10"}
    text = "".join(key + content[key] for key in sorted(content))
    sign = hmac.new(secret.encode(), text.encode(), "sha256").hexdigest()
    body = json.dumps({**content, "signmethod": "hmacsha256", "sign": sign}).encode()
    with DtlsClient(node.address("coaps"), node.ready["ca_certificate"]) as client:
        client.handshake()
        assert client.post("/auth/register/device", body).code == Code.FORBIDDEN  # the product does not allow it
        allow_registration(node, product_key, secret)
        answer = client.post("/auth/register/device", body)
    assert json.loads(answer.payload) == {**names, "deviceSecret": device["DeviceSecret"]}
