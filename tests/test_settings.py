import json
from pathlib import Path

import pytest

from thingplane.settings import Settings, SettingsError, describe, load_settings


def test_defaults_are_the_documented_ports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = load_settings(environment={})
    assert (settings.api_port, settings.api_tls_port, settings.mqtt_port, settings.mqtt_ws_port) == (
        8080,
        8443,
        1883,
        8083,
    )
    assert settings.data_dir == Path("data")
    assert settings.host == "127.0.0.1"
    assert settings.region == "cn-shanghai"


def test_flags_win_over_environment_and_environment_over_file(tmp_path: Path) -> None:
    file = tmp_path / "node.toml"
    file.write_text("api_port = 1\nmqtt_port = 2\nmqtt_ws_port = 3\n")
    environment = {"THINGPLANE_MQTT_PORT": "22", "THINGPLANE_MQTT_WS_PORT": "33"}
    settings = load_settings({"mqtt_ws_port": "333"}, environment, file)
    assert (settings.api_port, settings.mqtt_port, settings.mqtt_ws_port) == (1, 22, 333)


def test_file_is_found_by_environment_or_in_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "thingplane.toml").write_text("api_port = 11\n")
    (tmp_path / "other.toml").write_text("api_port = 12\n")
    assert load_settings(environment={}).api_port == 11
    assert load_settings(environment={"THINGPLANE_CONFIG": "other.toml"}).api_port == 12


@pytest.mark.parametrize(
    ("flags", "environment", "message"),
    [
        ({"api_port": "x"}, {}, "--api-port: "),
        ({"api_port": 70000}, {}, "--api-port: "),
        ({"quota": "none"}, {}, "--quota: "),
        ({}, {"THINGPLANE_HISTORY_DAYS": "0"}, "THINGPLANE_HISTORY_DAYS: "),
        ({"access_key_id": "a"}, {}, "access_key_id and access_key_secret go together"),
        ({"tls_key": "a"}, {}, "tls_certificate and tls_key go together"),
        ({"database_url": "mysql://x"}, {}, "database_url must start with postgresql://"),
        ({"bus_url": "nats://x"}, {}, "bus_url: "),
        ({"object_store_access_key_id": "a"}, {}, "object_store_access_key_id and object_store_access_key_secret go"),
        ({"object_store_url": "s3://key:secret@bucket"}, {}, "object_store_url: credentials don't belong"),
    ],
)
def test_wrong_setting_is_named_with_its_source_in_one_line(
    flags: dict[str, object], environment: dict[str, str], message: str
) -> None:
    with pytest.raises(SettingsError) as error:
        load_settings(flags, environment)
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


def test_unknown_name_in_the_file_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "node.toml"
    file.write_text("api_prt = 1\n")
    with pytest.raises(SettingsError, match=r"api_prt in .*node.toml: there is no such setting"):
        load_settings(environment={}, file=file)


@pytest.mark.parametrize("content", ["api_port =", "\x00", None])
def test_file_that_cannot_be_read_is_named(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "node.toml"
    if content is not None:
        file.write_text(content)
    with pytest.raises(SettingsError, match=r"node\.toml"):
        load_settings(environment={}, file=file)


def test_lists_are_separated_by_commas_in_the_environment() -> None:
    environment = {"THINGPLANE_TLS_NAMES": "iot.example.com, 10.0.0.1"}
    assert load_settings(environment=environment).tls_names == ["iot.example.com", "10.0.0.1"]


def test_data_directory_is_a_path_from_every_source(tmp_path: Path) -> None:
    file = tmp_path / "node.toml"
    file.write_text('data_dir = "from-file"\n')
    assert load_settings(environment={}, file=file).data_dir == Path("from-file")
    assert load_settings(environment={"THINGPLANE_DATA_DIR": "a"}).data_dir == Path("a")
    assert load_settings({"data_dir": Path("b")}, {}).data_dir == Path("b")
    with pytest.raises(SettingsError, match="--data-dir"):
        load_settings({"data_dir": 5}, {})


def test_secrets_are_not_shown() -> None:
    settings = Settings(access_key_id="k", access_key_secret="hush", database_url="postgresql://u:hush@h/d")
    assert "hush" not in repr(settings)


def test_every_setting_has_a_description() -> None:
    assert all(describe(name) for name in Settings.__struct_fields__)


ENDPOINT = {"url": "https://mns.example.com", "access_key_id": "id", "access_key_secret": "hush"}


def test_tables_are_json_outside_the_file(tmp_path: Path) -> None:
    file = tmp_path / "node.toml"
    lines = "\n".join(f'{name} = "{value}"' for name, value in ENDPOINT.items())
    file.write_text(f'[mns_endpoints."cn-shanghai/orders"]\n{lines}\n')
    from_file = load_settings(environment={}, file=file)
    text = json.dumps({"cn-shanghai/orders": ENDPOINT})
    assert load_settings(environment={"THINGPLANE_MNS_ENDPOINTS": text}) == from_file
    assert from_file.mns_endpoints["cn-shanghai/orders"].access_key_secret == "hush"
    assert "hush" not in repr(from_file)
    assert "hush" not in repr(from_file.mns_endpoints)


@pytest.mark.parametrize("text", ["[", '{"a": {"url": "ftp://x", "access_key_id": "i", "access_key_secret": "s"}}'])
def test_malformed_table_is_an_error_that_names_it(text: str) -> None:
    with pytest.raises(SettingsError, match="THINGPLANE_MNS_ENDPOINTS"):
        load_settings(environment={"THINGPLANE_MNS_ENDPOINTS": text})
