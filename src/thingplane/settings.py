"""All settings of a node, declared once: flags, environment, TOML file and the settings page come from this class."""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta

from thingplane.outbound.mns import MnsEndpoint
from thingplane.rules.destinations.settings import DestinationSettings
from thingplane.storage.blobs.address import read_address

ENVIRONMENT_PREFIX = "THINGPLANE_"
DEFAULT_FILE = Path("thingplane.toml")

Port = Annotated[int, Meta(ge=0, le=65535)]
OptionalPort = Annotated[int, Meta(ge=-1, le=65535)]


class SettingsError(Exception):
    """A setting that can't be used; the text is one line that names it and where it came from."""


class Settings(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Settings of a node. Flags win over ``THINGPLANE_*`` environment variables, those over the TOML file."""

    data_dir: Annotated[Path, Meta(description="folder for everything the node keeps; one node at a time")] = Path(
        "data"
    )
    host: Annotated[str, Meta(description="address to listen on; 0.0.0.0 for all")] = "127.0.0.1"
    public_host: Annotated[str, Meta(description="host name that endpoints and URLs name; empty: as host")] = ""
    download_url: Annotated[
        str,
        Meta(
            description="where files are downloaded from and uploaded to, such as https://iot.example.com, if a proxy "
            "or another name stands in front; empty: the plain API port"
        ),
    ] = ""
    object_store_url: Annotated[
        str,
        Meta(
            description="S3-compatible store for files of devices and updates: "
            "s3://bucket/folder?endpoint=https://s3.example.com&region=…; empty: data_dir"
        ),
    ] = ""
    object_store_access_key_id: Annotated[
        str, Meta(description="its access key; empty: AWS_* variables or the machine's role")
    ] = ""
    object_store_access_key_secret: Annotated[str, Meta(description="goes with object_store_access_key_id")] = ""
    api_port: Annotated[Port, Meta(description="cloud API, health and metrics over plain HTTP; 0: any free port")] = (
        8080
    )
    api_tls_port: Annotated[Port, Meta(description="cloud API over TLS")] = 8443
    api_connections: Annotated[
        int, Meta(description="HTTP connections at a time, of back ends and devices; further ones are closed", ge=10)
    ] = 10_000
    mqtt_port: Annotated[Port, Meta(description="MQTT, plain and TLS told apart by the first byte")] = 1883
    mqtt_ws_port: Annotated[Port, Meta(description="MQTT over WebSocket, path /mqtt")] = 8083
    amqp_port: Annotated[Port, Meta(description="AMQP 1.0 over TLS, for consumers of consumer groups")] = 5671
    stomp_port: Annotated[Port, Meta(description="STOMP over TLS, for consumers of consumer groups")] = 61614
    amqp_plain_port: Annotated[OptionalPort, Meta(description="AMQP 1.0 without TLS, for tests; -1: none")] = -1
    stomp_plain_port: Annotated[OptionalPort, Meta(description="STOMP without TLS, for tests; -1: none")] = -1
    coap_port: Annotated[Port, Meta(description="CoAP over UDP, symmetric encryption of the protocol")] = 5682
    coaps_port: Annotated[Port, Meta(description="CoAP over DTLS")] = 5684
    console_port: Annotated[Port, Meta(description="web console; reserved, not in this version")] = 8081
    access_key_id: Annotated[str, Meta(description="AccessKeyId of the account; empty: generated at first start")] = ""
    access_key_secret: Annotated[str, Meta(description="its secret; goes with access_key_id")] = ""
    account_id: Annotated[str, Meta(description="id of the account, as resources in policies name it")] = (
        "1000000000000001"
    )
    database_url: Annotated[
        str, Meta(description="postgresql://user:password@host:port/name; empty: SQLite files in data_dir")
    ] = ""
    bus_url: Annotated[str, Meta(description="message bus between nodes; this version runs one node: leave empty")] = ""
    region: Annotated[str, Meta(description="region that answers name", min_length=1)] = "cn-shanghai"
    tls_certificate: Annotated[str, Meta(description="PEM file of the server certificate; empty: generated")] = ""
    tls_key: Annotated[str, Meta(description="PEM file of its private key")] = ""
    tls_names: Annotated[
        list[str], Meta(description="more host names and addresses for the generated server certificate")
    ] = []
    tls_rsa_key_exchange: Annotated[
        bool,
        Meta(description="also key exchange by RSA, without forward secrecy: the only one of the vendor's SDKs for C"),
    ] = True
    quota: Annotated[
        Literal["documented", "unlimited"], Meta(description="calls a second for each operation and account")
    ] = "documented"
    history_days: Annotated[int, Meta(description="days that properties, events and services are kept", ge=1)] = 30
    history_seal_rows: Annotated[
        int, Meta(description="messages after which a history file is sealed (embedded default)", ge=1000)
    ] = 250_000
    forwarding_hours: Annotated[
        int, Meta(description="hours after which forwarded messages that nobody acknowledged are dropped", ge=1)
    ] = 24
    forwarding_bytes: Annotated[
        int, Meta(description="size of the log of forwarded messages beyond which the oldest are dropped", ge=8_388_608)
    ] = 4_294_967_296
    products_per_instance: Annotated[int, Meta(description="products in one instance", ge=1)] = 1000
    tags_per_product: Annotated[int, Meta(description="tags of one product", ge=1)] = 100
    topic_categories_per_product: Annotated[int, Meta(description="custom topic categories of one product", ge=3)] = 50
    tags_per_device: Annotated[int, Meta(description="tags of one device", ge=1)] = 100
    devices_per_batch: Annotated[int, Meta(description="devices of one batch registration", ge=1)] = 10_000
    client_ids_per_device: Annotated[
        int, Meta(description="physical devices that may register themselves under one DeviceName", ge=1)
    ] = 5
    device_authorities: Annotated[int, Meta(description="certificate authorities of devices in one instance", ge=1)] = (
        10
    )
    device_token_hours: Annotated[
        int, Meta(description="hours that tokens from HTTPS and CoAP authentication are valid", ge=1, le=8760)
    ] = 48
    groups_per_instance: Annotated[int, Meta(description="device groups in one instance", ge=1)] = 1000
    subgroups_per_group: Annotated[int, Meta(description="direct subgroups of one device group", ge=1)] = 100
    groups_per_device: Annotated[int, Meta(description="groups that one device may be in", ge=1)] = 10
    devices_per_group: Annotated[int, Meta(description="devices in one group", ge=1)] = 100_000
    tags_per_group: Annotated[int, Meta(description="tags of one group", ge=1)] = 100
    sub_devices_per_gateway: Annotated[int, Meta(description="sub-devices attached to one gateway", ge=1)] = 2000
    sub_devices_online_per_gateway: Annotated[
        int, Meta(description="sub-devices logged in over one gateway's connection", ge=1)
    ] = 2000
    sub_devices_per_registration: Annotated[
        int, Meta(description="sub-devices of one dynamic registration by a gateway", ge=1)
    ] = 30
    sub_devices_per_login: Annotated[int, Meta(description="sub-devices of one batch login", ge=1)] = 50
    routes_per_topic: Annotated[int, Meta(description="destinations of one topic in the route table", ge=1)] = 100
    files_per_device: Annotated[int, Meta(description="files that one device may have uploaded", ge=1)] = 1000
    file_bytes_per_instance: Annotated[
        int, Meta(description="bytes of all files of one instance together", ge=1_048_576)
    ] = 1_073_741_824
    ota_packages_per_instance: Annotated[int, Meta(description="OTA packages of one instance", ge=1)] = 500
    device_log_entries: Annotated[int, Meta(description="log entries that are kept of one device", ge=1)] = 1000
    device_log_days: Annotated[int, Meta(description="days that log entries of devices are kept", ge=1)] = 7
    config_pushes_per_hour: Annotated[
        int, Meta(description="pushes of one product's remote configuration; 0: unlimited, the vendor allows 1", ge=0)
    ] = 0
    subscribers_per_broadcast: Annotated[
        int, Meta(description="devices that may have subscribed the topic of one broadcast", ge=1)
    ] = 1000
    shadow_requests_per_second: Annotated[
        int, Meta(description="shadow requests for one device a second; 0: unlimited, the vendor allows 20", ge=0)
    ] = 0
    consumer_groups_per_instance: Annotated[int, Meta(description="consumer groups in one instance", ge=1)] = 1000
    consumer_groups_per_product: Annotated[
        int, Meta(description="consumer groups in the AMQP subscription of one product", ge=1)
    ] = 10
    products_per_consumer_group: Annotated[
        int, Meta(description="products that one consumer group may subscribe to", ge=1)
    ] = 1000
    clients_per_consumer_group: Annotated[
        int, Meta(description="connections of one consumer group at the same time; 0: unlimited", ge=0)
    ] = 128
    consumer_connections: Annotated[
        int, Meta(description="AMQP and STOMP connections at a time, signed in or not; further ones are closed", ge=10)
    ] = 10_000
    consumer_connects_per_minute: Annotated[
        int,
        Meta(
            description="connections that clients of one consumer group make a minute; 0: unlimited, "
            "the vendor allows 100",
            ge=0,
        ),
    ] = 0
    consumer_realtime_per_second: Annotated[
        int,
        Meta(
            description="new messages a second to one consumer connection; 0: unlimited, the vendor allows 1000", ge=0
        ),
    ] = 0
    consumer_backlog_per_second: Annotated[
        int,
        Meta(
            description="messages of its backlog a second to one consumer group; 0: unlimited, the vendor allows 200",
            ge=0,
        ),
    ] = 0
    consumer_window: Annotated[
        int, Meta(description="messages of one consumer group in memory; more wait on disk", ge=100)
    ] = 20_000
    mns_endpoints: Annotated[
        dict[str, MnsEndpoint],
        Meta(
            description="MNS-compatible endpoints (url, access_key_id, access_key_secret) by region, or by region, a "
            "slash and the name of a queue"
        ),
    ] = {}
    rules_per_instance: Annotated[int, Meta(description="rules in one instance", ge=1)] = 1000
    actions_per_rule: Annotated[int, Meta(description="actions of one rule", ge=1)] = 10
    destinations: Annotated[
        DestinationSettings,
        Meta(description="what stands in for the vendor's services that actions of rules name; see docs/rules.md"),
    ] = DestinationSettings()
    outbound_hosts: Annotated[
        list[str],
        Meta(description="hosts that the node may send HTTP requests to although their addresses are not public"),
    ] = []
    coap_sessions: Annotated[
        int, Meta(description="devices whose CoAP sessions are kept, each for UDP and for DTLS", ge=10)
    ] = 20_000
    device_cache: Annotated[int, Meta(description="devices kept in memory", ge=100)] = 100_000
    mqtt_plain: Annotated[bool, Meta(description="accept MQTT without TLS")] = True
    mqtt_psk: Annotated[
        Literal["auto", "on", "off"],
        Meta(description="TLS-PSK beside certificates; auto: if this Python can; on: refuse to start if it can't"),
    ] = "auto"
    mqtt_connects_per_minute: Annotated[
        int, Meta(description="connection attempts of one device a minute; 0: unlimited, the vendor allows 5", ge=0)
    ] = 0
    mqtt_publishes_per_second: Annotated[
        int, Meta(description="publishes of one device a second; 0: unlimited, the vendor allows 30 (QoS 1: 10)", ge=0)
    ] = 0
    mqtt_logins_per_second: Annotated[
        int,
        Meta(description="logins of sub-devices by one gateway a second; 0: unlimited, the vendor allows 200", ge=0),
    ] = 0
    mqtt_logins_per_minute: Annotated[
        int, Meta(description="logins of one sub-device a minute; 0: unlimited, the vendor allows 5", ge=0)
    ] = 0
    mqtt_connections: Annotated[
        int, Meta(description="MQTT connections at a time, authenticated or not; further ones are closed", ge=10)
    ] = 100_000
    mqtt_newcomers: Annotated[
        int,
        Meta(description="MQTT connections at a time that are not authenticated yet, 51 kB each with TLS", ge=10),
    ] = 10_000
    mqtt_write_buffer: Annotated[
        int, Meta(description="bytes waiting for one connection before it is closed", ge=65536)
    ] = 1_048_576
    offline_days: Annotated[int, Meta(description="days that QoS 1 messages wait for an offline device", ge=1)] = 7
    offline_messages_per_device: Annotated[int, Meta(description="QoS 1 messages that wait for one device", ge=1)] = (
        1000
    )
    offline_bytes_per_device: Annotated[
        int, Meta(description="bytes of QoS 1 messages that wait for one device or are on their way to it", ge=262_144)
    ] = 16_777_216
    offline_bytes: Annotated[
        int,
        Meta(description="bytes of QoS 1 messages that are in memory for all devices together", ge=16_777_216),
    ] = 1_073_741_824
    script_processes: Annotated[
        int, Meta(description="processes that run data-parsing scripts, at least 2; 0: one per CPU", ge=0, le=64)
    ] = 0
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], Meta(description="least severe log lines to write")
    ] = "info"
    log_format: Annotated[
        Literal["auto", "console", "json"], Meta(description="auto: console on a terminal, else JSON lines")
    ] = "auto"

    def __post_init__(self) -> None:
        for one, other in (
            ("access_key_id", "access_key_secret"),
            ("tls_certificate", "tls_key"),
            ("object_store_access_key_id", "object_store_access_key_secret"),
        ):
            if bool(getattr(self, one)) != bool(getattr(self, other)):
                raise ValueError(f"{one} and {other} go together: set both or neither")
        if self.database_url and not self.database_url.startswith(("postgresql://", "postgres://")):
            raise ValueError("database_url must start with postgresql://")
        if self.download_url and not self.download_url.startswith(("http://", "https://")):
            raise ValueError("download_url must start with http:// or https://")
        if self.object_store_url:
            try:
                read_address(self.object_store_url)
            except ValueError as error:
                raise ValueError(f"object_store_url: {error}") from None
        if self.bus_url:
            raise ValueError("bus_url: this version runs one node and has no message bus; leave it empty")

    def __repr__(self) -> str:
        shown = (f"{name}={getattr(self, name)!r}" for name in self.__struct_fields__ if name not in SECRETS)
        return f"Settings({', '.join(shown)})"


SECRETS = {"access_key_secret", "object_store_access_key_secret", "database_url", "mns_endpoints", "destinations"}
"""Settings that no log line and no message may show."""


def describe(name: str) -> str:
    """Return the one-line description of a setting."""
    return next(
        meta.description or ""
        for meta in get_args(get_type_hints(Settings, include_extras=True)[name])[1:]
        if meta.description
    )


def base_type(name: str) -> Any:
    """Return the plain type of a setting: int, str, bool, Path, list[str], a Literal, or a dict or struct (a table)."""
    hint = get_type_hints(Settings, include_extras=True)[name]
    while get_origin(hint) is Annotated:
        hint = get_args(hint)[0]
    return hint


def is_table(name: str) -> bool:
    """Tell whether a setting is a table in the file, and JSON elsewhere."""
    kind = base_type(name)
    return get_origin(kind) is dict or (isinstance(kind, type) and issubclass(kind, msgspec.Struct))


def load_settings(
    flags: Mapping[str, object] | None = None,
    environment: Mapping[str, str] | None = None,
    file: Path | None = None,
) -> Settings:
    """Merge the three sources of settings and check them.

    Args:
        flags: settings by name; None values count as not given.
        environment: variables; default: those of the process.
        file: TOML file, which must exist; None: ``THINGPLANE_CONFIG``, else ``thingplane.toml`` if there is one.

    Raises:
        SettingsError: a source can't be read, or a setting is unknown or wrong.
    """
    environment = os.environ if environment is None else environment
    merged: dict[str, object] = {}
    origin: dict[str, str] = {}
    for source, values in (
        _from_file(file, environment),
        _from_environment(environment),
        ("flag", {name: value for name, value in (flags or {}).items() if value is not None}),
    ):
        for name, value in values.items():
            merged[name] = value
            origin[name] = _label(source, name)
    for name, value in merged.items():
        if name not in Settings.__struct_fields__:
            raise SettingsError(f"{origin[name]}: there is no such setting")
        try:
            # One at a time, so that the message names the setting and its source.
            merged[name] = _convert(name, value)
        except msgspec.ValidationError as error:
            raise SettingsError(f"{origin[name]}: {error}") from None
    try:
        return Settings(**merged)  # type: ignore[arg-type]
    except ValueError as error:
        raise SettingsError(str(error)) from None


def _convert(name: str, value: object) -> object:
    if base_type(name) == list[str] and isinstance(value, str):
        value = [item.strip() for item in value.split(",") if item.strip()]
    if is_table(name) and isinstance(value, str):
        try:
            value = msgspec.json.decode(value)
        except msgspec.DecodeError as error:
            raise msgspec.ValidationError(f"not a JSON object: {error}") from None
    if base_type(name) is Path:
        return Path(msgspec.convert(str(value) if isinstance(value, Path) else value, str))
    hint = get_type_hints(Settings, include_extras=True)[name]
    return msgspec.convert(value, hint, strict=False)


def _label(source: str, name: str) -> str:
    if source == "flag":
        return f"--{name.replace('_', '-')}"
    if source == "environment":
        return f"{ENVIRONMENT_PREFIX}{name.upper()}"
    return f"{name} in {source}"


def _from_environment(environment: Mapping[str, str]) -> tuple[str, dict[str, object]]:
    values: dict[str, object] = {}
    for variable, value in environment.items():
        name = variable.removeprefix(ENVIRONMENT_PREFIX).lower()
        # Variables of this prefix that are no settings belong to somebody else's scripts.
        if variable.startswith(ENVIRONMENT_PREFIX) and name in Settings.__struct_fields__:
            values[name] = value
    return "environment", values


def _from_file(file: Path | None, environment: Mapping[str, str]) -> tuple[str, dict[str, object]]:
    if file is None:
        named = environment.get(f"{ENVIRONMENT_PREFIX}CONFIG")
        file = Path(named) if named else DEFAULT_FILE
        if not named and not file.exists():
            return str(file), {}
    try:
        return str(file), tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{file}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file}: {error}") from None
