"""How a node starts and stops: section "start contract" of the architecture, seen from outside."""

import json
import os
import socket
import ssl
import stat
import subprocess
import sys
import urllib.request
from contextlib import closing
from pathlib import Path

import pytest

from tests.common.node import NodeProcess, running_node
from thingplane import __version__
from thingplane.cloud.client import CallError, CloudClient


def fetch(node: NodeProcess, path: str) -> tuple[int, str]:
    host, port = node.address("api")
    with urllib.request.urlopen(f"http://{host}:{port}{path}", timeout=10) as response:
        return response.status, response.read().decode()


def failed_start(data_dir: Path, **settings: object) -> str:
    """Start a node that can't start; return what it says."""
    node = NodeProcess(data_dir, **settings)
    result = subprocess.run(
        [sys.executable, "-m", "thingplane.cli", "serve"],
        env={**os.environ, **node.environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode != 0
    assert not (data_dir / "ready.json").exists()
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1, result.stderr
    return lines[0]


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> object:
    with running_node(tmp_path_factory.mktemp("node") / "data") as node:
        yield node


def test_ready_file_names_process_version_endpoints_and_files(node: NodeProcess) -> None:
    ready = node.ready
    assert (ready["pid"], ready["version"]) == (node.pid, __version__)
    schemes = {name: url.split(":")[0] for name, url in ready["endpoints"].items()}
    assert schemes == {
        "api": "http",
        "api_tls": "https",
        "mqtt": "mqtt",
        "mqtt_tls": "mqtts",
        "mqtt_ws": "ws",
        "amqp": "amqps",
        "stomp": "stomp+ssl",
        "coap": "coap",
        "coaps": "coaps",
    }
    assert Path(ready["ca_certificate"]) == node.data_dir / "tls" / "ca.pem"
    assert Path(ready["credentials"]) == node.data_dir / "credentials.json"
    assert stat.S_IMODE(Path(ready["credentials"]).stat().st_mode) == 0o600


def test_health_readiness_and_metrics_are_on_the_api_port(node: NodeProcess) -> None:
    assert fetch(node, "/healthz") == (200, "ok\n")
    assert fetch(node, "/readyz") == (200, "ready\n")
    status, text = fetch(node, "/metrics")
    assert status == 200
    assert "thingplane_mqtt_connections" in text
    assert "process_cpu_seconds_total" in text


def test_cloud_api_answers_over_tls_with_the_generated_certificate(node: NodeProcess) -> None:
    host, port = node.address("api_tls")
    trust = ssl.create_default_context(cafile=node.ready["ca_certificate"])
    client = CloudClient(f"https://{host}:{port}", *node.credentials, context=trust)
    assert client.call("QueryProductList", {"CurrentPage": 1, "PageSize": 10})["Success"] is True


def test_wrong_secret_is_refused(node: NodeProcess) -> None:
    host, port = node.address("api")
    client = CloudClient(f"http://{host}:{port}", node.credentials[0], "wrong")
    with pytest.raises(CallError) as error:
        client.call("QueryProductList", {"CurrentPage": 1, "PageSize": 10})
    assert error.value.code == "SignatureDoesNotMatch"


def test_sigterm_ends_with_status_0_and_removes_the_ready_file(tmp_path: Path) -> None:
    with running_node(tmp_path / "data") as node:
        assert node.stop() == 0
        assert not (node.data_dir / "ready.json").exists()
        assert (node.data_dir / "credentials.json").exists()


def test_given_access_key_is_the_accounts_key(tmp_path: Path) -> None:
    with running_node(tmp_path / "data", access_key_id="given", access_key_secret="s3cret") as node:
        assert node.credentials == ("given", "s3cret")
        assert "s3cret" not in node.log()


def test_second_node_on_a_data_directory_is_refused_and_the_first_goes_on(tmp_path: Path) -> None:
    with running_node(tmp_path / "data") as node:
        second = NodeProcess(node.data_dir)
        result = subprocess.run(
            [sys.executable, "-m", "thingplane.cli", "serve"],
            env={**os.environ, **second.environment},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert result.returncode != 0
        assert str(node.pid) in result.stderr
        assert len(result.stderr.strip().splitlines()) == 1
        assert json.loads((node.data_dir / "ready.json").read_text())["pid"] == node.pid
        assert fetch(node, "/readyz")[0] == 200


def test_port_in_use_is_named(tmp_path: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        for setting in ("api_port", "mqtt_port", "mqtt_ws_port"):
            assert f"127.0.0.1:{port}" in failed_start(tmp_path / setting, **{setting: port})


def test_wrong_setting_is_named(tmp_path: Path) -> None:
    assert "THINGPLANE_QUOTA" in failed_start(tmp_path / "data", quota="none")


def test_data_directory_that_cannot_be_made_is_named() -> None:
    # Nobody may make folders there, root included.
    assert "/proc/thingplane" in failed_start(Path("/proc/thingplane"))


def test_data_directory_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("precious")
    assert str(tmp_path / "data") in failed_start(tmp_path / "data")
    assert (tmp_path / "data").read_text() == "precious"


def test_data_directory_of_a_newer_version_is_refused_untouched(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with running_node(data) as node:
        node.stop()
    (data / "version").write_text("999\n")
    before = {file: file.stat().st_mtime_ns for file in data.rglob("*") if file.name != "node.lock"}
    assert "newer" in failed_start(data)
    assert {file: file.stat().st_mtime_ns for file in before} == before


def test_unreachable_database_is_named_without_its_password(tmp_path: Path) -> None:
    with closing(socket.socket()) as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"postgresql://thingplane:hush@127.0.0.1:{unused.getsockname()[1]}/nothing"
        line = failed_start(tmp_path / "data", database_url=url)
    assert "database" in line
    assert "hush" not in line


def test_wrong_database_is_named_without_its_password(tmp_path: Path, postgres_server_url: str) -> None:
    url = postgres_server_url.replace("thingplane@", "thingplane:hush@") + "/nothing"
    line = failed_start(tmp_path / "data", database_url=url)
    assert "metadata database" in line
    assert '"nothing"' in line
    assert "hush" not in line
