"""thingplane device and thingplane product: authorities, certificates and the switch of registration."""

import json
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.common.node import NodeProcess
from tests.e2e.conftest import cloud_client
from thingplane.devices.x509 import Issued, issue, make_authority

HEAD = "ProductKey,DeviceName,Serial\n"


@pytest.fixture(scope="module")
def authority() -> Issued:
    return make_authority("An operator's CA")


@pytest.fixture
def make(node: NodeProcess) -> Callable[..., str]:
    """Create a product with a device lamp-1, and return its ProductKey."""
    client = cloud_client(node)

    def product(auth_type: str = "x509") -> str:
        created = client.call(
            "CreateProduct", {"NodeType": 0, "ProductName": f"p_{uuid.uuid4().hex[:20]}", "AuthType": auth_type}
        )
        key: str = created["Data"]["ProductKey"]
        assert created["Data"]["AuthType"] == auth_type
        client.call("RegisterDevice", {"ProductKey": key, "DeviceName": "lamp-1"})
        return key

    return product


def test_an_operator_s_own_authority(
    make: Callable[..., str],
    manage: Callable[..., Any],
    refusal: Callable[..., str],
    authority: Issued,
    tmp_path: Path,
) -> None:
    key = make()
    pem, pem_key, table = tmp_path / "ca.pem", tmp_path / "ca.key", tmp_path / "serials.csv"
    pem.write_text(authority.certificate)
    pem_key.write_bytes(authority.key)
    [added] = manage("device", "authority", "add", str(pem))
    fingerprint = added["Fingerprint"]
    assert manage("device", "authority", "add", str(pem)) == [added]  # may be repeated
    mine = issue(authority.certificate, authority.key, "elsewhere", 30)
    table.write_text(f"{HEAD}{key},lamp-1,{mine.serial.lower()}\n")
    assert manage("device", "bind", str(table), "--authority", fingerprint) == [{"Bound": 1}]
    out = tmp_path / "out"
    manage(
        *("device", "certificate", key, "lamp-1", "--out", str(out), "--days", "10", "--elliptic"),
        *("--ca", str(pem), "--ca-key", str(pem_key)),
    )
    listed = manage("device", "certificates", key, "lamp-1")
    assert mine.serial in {item["Serial"] for item in listed}
    assert {item["Authority"] for item in listed} == {fingerprint}
    assert [
        item["Devices"] for item in manage("device", "authority", "list") if item["Fingerprint"] == fingerprint
    ] == [2]
    assert manage("device", "revoke", key, "lamp-1", mine.serial) == [{"Revoked": 1}]
    other = make()
    table.write_text(
        f"{HEAD}{other},lamp-1,AB\n{other},lamp-1,{listed[0]['Serial']}\n{other},lamp-1,{listed[1]['Serial']}\n"
    )
    assert "belongs to another device" in refusal("device", "bind", str(table), "--authority", fingerprint)
    assert manage("device", "certificates", other, "lamp-1") == []  # all or none
    manage("device", "authority", "delete", fingerprint)
    assert manage("device", "certificates", key, "lamp-1") == []
    assert "there is no certificate authority" in refusal("device", "authority", "delete", fingerprint)


def test_what_is_refused(
    make: Callable[..., str],
    refusal: Callable[..., str],
    authority: Issued,
    tmp_path: Path,
) -> None:
    key, plain = make(), make("secret")
    leaf = issue(authority.certificate, authority.key, "x", 30)
    file = tmp_path / "x.pem"
    file.write_text(leaf.certificate)
    assert "not that of an authority" in refusal("device", "authority", "add", str(file))
    file.write_text("no certificate")
    assert "no certificate" in refusal("device", "authority", "add", str(file))
    assert "x.none" in refusal("device", "authority", "add", str(tmp_path / "x.none"))
    assert "no device lamp-2" in refusal("device", "certificate", key, "lamp-2", "--out", str(tmp_path))
    assert "with secret, not with certificates" in refusal("device", "certificate", plain, "lamp-1")
    assert "go together" in refusal("device", "certificate", key, "lamp-1", "--ca", str(file))
    table = tmp_path / "serials.csv"
    for content, complaint in (
        ("ProductKey,DeviceName\n", "has no column Serial"),
        (HEAD, "must list 1 to"),
    ):
        table.write_text(content)
        assert complaint in refusal("device", "bind", str(table), "--authority", "00")
    table.write_text(f"{HEAD}{key},lamp-1,AB\n")
    assert "there is no certificate authority 00" in refusal("device", "bind", str(table), "--authority", "00")
    assert "no serial number" in refusal("device", "revoke", key, "lamp-1", "xyz")
    assert "there is no product nobody" in refusal("product", "dynamic-register", "nobody", "on")
    assert "there is no product nobody" in refusal("product", "check", "nobody", "full")
    assert f"product {key} has no thing model" in refusal("product", "check", key, "full")


def test_the_key_of_a_device_is_nobody_else_s(
    node: NodeProcess, make: Callable[..., str], manage: Callable[..., Any], tmp_path: Path
) -> None:
    key = make()
    [issued] = manage("device", "certificate", key, "lamp-1", "--out", str(tmp_path))
    private = tmp_path / f"{key}.lamp-1.key"
    assert private.stat().st_mode & 0o777 == 0o600
    assert (node.data_dir / "tls" / "device-ca.key").stat().st_mode & 0o777 == 0o600
    assert json.dumps(issued).count("PRIVATE") == 0
