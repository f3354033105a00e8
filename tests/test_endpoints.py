import json
from pathlib import Path

import pytest

from thingplane.credentials import Credentials
from thingplane.endpoints import Endpoints, greeting, write_ready

ALL = Endpoints(api=1, api_tls=2, mqtt=3, mqtt_ws=4, amqp=5, stomp=6, amqp_plain=7, stomp_plain=8)


@pytest.mark.parametrize(
    ("host", "shown"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("0.0.0.0", "127.0.0.1"),
        ("::", "[::1]"),
        ("fd00::1", "[fd00::1]"),
        ("iot.lan", "iot.lan"),
    ],
)
def test_urls_name_an_address_to_connect_to(host: str, shown: str) -> None:
    assert ALL.urls(host, plain=True) == {
        "api": f"http://{shown}:1",
        "api_tls": f"https://{shown}:2",
        "mqtt": f"mqtt://{shown}:3",
        "mqtt_tls": f"mqtts://{shown}:3",
        "mqtt_ws": f"ws://{shown}:4/mqtt",
        "amqp": f"amqps://{shown}:5",
        "stomp": f"stomp+ssl://{shown}:6",
        "amqp_plain": f"amqp://{shown}:7",
        "stomp_plain": f"stomp://{shown}:8",
    }


def test_what_does_not_listen_is_left_out() -> None:
    assert Endpoints(api=1).urls("h", plain=True) == {"api": "http://h:1"}
    assert "mqtt" not in ALL.urls("h", plain=False)


def test_ready_file_is_complete_and_alone(tmp_path: Path) -> None:
    write_ready(tmp_path / "ready.json", {"api": "http://h:1"}, tmp_path / "ca.pem", tmp_path / "credentials.json")
    content = json.loads((tmp_path / "ready.json").read_text())
    assert set(content) == {"pid", "version", "endpoints", "ca_certificate", "credentials"}
    assert [file.name for file in tmp_path.iterdir()] == ["ready.json"]


def test_person_at_the_terminal_sees_endpoints_and_key(tmp_path: Path) -> None:
    text = greeting({"api": "http://h:1"}, Credentials("the-id", "the-secret"), tmp_path)
    for wanted in ("http://h:1", "the-id", "the-secret", str(tmp_path)):
        assert wanted in text
