"""The setting ``destinations``, in the file and outside of it."""

from pathlib import Path

import pytest

from thingplane.rules.destinations.settings import DestinationSettings
from thingplane.settings import SettingsError, load_settings

FILE = """
[[destinations.fc]]
service = "weather"
url = "https://hooks.example.com/weather"
secret = "s3cret"

[[destinations.rds]]
url = "postgresql://iot:pa55@db.example.com/iot"

[[destinations.ons]]
instance = "MQ_INST_1"
url = "kafka://one:9092,two:9092"
target = "alerts"

[[destinations.datahub]]
url = "nats://example.com:4222"
jetstream = true

[[destinations.tsdb]]
url = "https://influx.example.com/api/v2/write?org=o&bucket=b&precision=ms"
token = "t0ken"

[[destinations.ots]]
url = "postgresql://db.example.com/tables"
"""


def load(tmp_path: Path, text: str) -> DestinationSettings:
    file = tmp_path / "thingplane.toml"
    file.write_text(text)
    return load_settings({}, {}, file).destinations


def test_tables_of_the_file(tmp_path: Path) -> None:
    found = load(tmp_path, FILE)
    assert (found.fc[0].service, found.fc[0].secret, found.fc[0].timeout_s) == ("weather", "s3cret", 10)
    assert (found.ons[0].target, found.datahub[0].jetstream) == ("alerts", True)
    assert all((found.rds, found.tsdb, found.ots))


def test_secrets_are_not_shown(tmp_path: Path) -> None:
    file = tmp_path / "thingplane.toml"
    file.write_text(FILE)
    settings = load_settings({}, {}, file)
    shown = repr(settings) + repr(settings.destinations) + repr(settings.destinations.fc[0])
    assert not any(secret in shown for secret in ("s3cret", "pa55", "t0ken"))


def test_json_of_the_environment() -> None:
    text = '{"fc":[{"url":"http://127.0.0.1:1/hook"}]}'
    assert load_settings({}, {"THINGPLANE_DESTINATIONS": text}).destinations.fc[0].url == "http://127.0.0.1:1/hook"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[destinations.fc]]\n", "missing required field `url`"),
        ('[[destinations.fc]]\nurl = "ftp://x"', "matching regex"),
        ('[[destinations.fc]]\nurl = "http://x"\nlambda = 1', "unknown field `lambda`"),
        ('[[destinations.sqs]]\nurl = "http://x"', "unknown field `sqs`"),
        ('[[destinations.rds]]\nurl = "oracle://x"', "matching regex"),
        ('[[destinations.tsdb]]\nurl = "postgresql://x"\ntable = "a b"', "matching regex"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message) as error:
        load(tmp_path, text)
    assert "destinations in" in str(error.value)


def test_users_of_kafka_are_refused_without_being_shown(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as refusal:
        load(tmp_path, '[[destinations.ons]]\nurl = "kafka://iot:pa55@one:9092"')
    assert "pa55" not in str(refusal.value)
