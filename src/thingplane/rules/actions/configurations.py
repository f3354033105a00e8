"""The documented configurations of rule actions (guide 4.13.2), as typed values."""

import re
from collections.abc import Callable
from typing import Any, Final, Literal, TypeAlias, cast

import msgspec

from thingplane.rules import errors
from thingplane.rules.actions.fields import Fields
from thingplane.rules.actions.templates import Template
from thingplane.subscriptions.errors import CONSUMER_GROUP_NOT_EXIST
from thingplane.topics.errors import INVALID_FORMATTED_TOPIC_NAME, NULL_TOPIC_NAME

MAX_KEYS: Final = 4
"""Primary keys of a Tablestore table."""
MAX_COLUMNS: Final = 128
MAX_TAGS: Final = 8
"""Tags of a time series."""

_SYSTEM_TOPIC: Final = re.compile(r"/sys/[^/+#]+/[^/+#]+/thing/service/(?:property/set|[\w:.${}]+)")
_CUSTOM_TOPIC: Final = re.compile(r"/[^/+#]+/[^/+#]+(?:/[^/+#]+)+")
_AMQP_TAG: Final = re.compile(r"[A-Za-z0-9\u4e00-\u9fff]+")
_VARIABLE: Final = re.compile(r"\$\{[^{}]+\}")
_TSDB_NAME: Final = re.compile(r"[\w:,.'/()\[\]-]{1,128}")
_IDENTIFIER: Final = re.compile(r"[^\W\d][\w$-]{0,127}")


class Republish(msgspec.Struct, frozen=True):
    """To a topic of a device."""

    topic: Template
    is_system: bool


class Amqp(msgspec.Struct, frozen=True):
    """To a consumer group."""

    group_id: str
    tag: Template


class Mns(msgspec.Struct, frozen=True):
    """To a topic of Message Service."""

    region: str
    topic: str


class Function(msgspec.Struct, frozen=True):
    """To Function Compute."""

    region: str
    service: str
    function: str


class PrimaryKey(msgspec.Struct, frozen=True):
    """A primary key column of Tablestore."""

    name: str
    type: Literal["INTEGER", "STRING", "BINARY"]
    value: Template
    is_automatic: bool
    """Whether the database counts."""


class Tablestore(msgspec.Struct, frozen=True):
    """To a table of Tablestore."""

    region: str
    instance: str
    table: str
    keys: tuple[PrimaryKey, ...]


class SchemaColumn(msgspec.Struct, frozen=True):
    """A column of a DataHub topic."""

    name: str
    type: Literal["BIGINT", "DOUBLE", "BOOLEAN", "TIMESTAMP", "STRING", "DECIMAL"]
    value: Template


class DataHub(msgspec.Struct, frozen=True):
    """To a topic of DataHub."""

    region: str
    project: str
    topic: str
    columns: tuple[SchemaColumn, ...]


class RocketMq(msgspec.Struct, frozen=True):
    """To a topic of RocketMQ."""

    region: str
    instance: str
    topic: str
    tag: Template


class TimeSeriesDb(msgspec.Struct, frozen=True):
    """To a time-series database."""

    region: str
    instance: str
    timestamp: Template | None
    """None: the time of the message."""
    tags: tuple[tuple[str, Template], ...]


class Rds(msgspec.Struct, frozen=True):
    """To a table of a relational database."""

    region: str
    instance: str
    database: str
    table: str
    fields: tuple[tuple[str, Template], ...]


Configuration: TypeAlias = Republish | Amqp | Mns | Function | Tablestore | DataHub | RocketMq | TimeSeriesDb | Rds


def _republish(given: Fields) -> Republish:
    topic = given.text("topic", NULL_TOPIC_NAME)
    kind = given.optional_text("topicType")
    if kind not in {"0", "1"}:
        raise errors.INCORRECT_TYPE("The topicType of the configuration is neither 0 nor 1.")
    if kind == "0":
        if not _SYSTEM_TOPIC.fullmatch(topic):
            raise errors.INCORRECT_SYS_TOPIC("Messages go to /sys/{ProductKey}/{DeviceName}/thing/service/… only.")
    elif topic.startswith("/sys/") or not _CUSTOM_TOPIC.fullmatch(topic):
        raise INVALID_FORMATTED_TOPIC_NAME("A custom topic is /{ProductKey}/{DeviceName}/user/….")
    return Republish(Template(topic), kind == "0")


def _amqp(given: Fields) -> Amqp:
    group = given.text("groupId", CONSUMER_GROUP_NOT_EXIST)
    tag = given.optional_text("tag")
    if len(tag) > 128 or (tag and not _VARIABLE.fullmatch(tag) and not _AMQP_TAG.fullmatch(tag)):
        raise errors.INVALID_FORMATTED_TAG_IN_CONFIGURATION()
    return Amqp(group, Template(tag))


def _mns(given: Fields) -> Mns:
    topic = given.text("themeName", errors.NULL_TOPIC_NAME_IN_MNS)
    region = given.region()
    given.check_role()
    return Mns(region, topic)


def _function(given: Fields) -> Function:
    service = given.text("serviceName", errors.NULL_SERVICE_NAME_IN_FC)
    function = given.text("functionName", errors.NULL_FUNCTION_NAME_IN_FC)
    region = given.region()
    given.check_role()
    return Function(region, service, function)


def _tablestore(given: Fields) -> Tablestore:
    instance = given.text("instanceName", errors.NULL_OTS_INSTANCE_NAME)
    table = given.text("tableName", errors.NULL_TABLE_NAME_IN_OTS_INSTANCE)
    region = given.region()
    given.check_role()
    keys = tuple(map(_key, given.objects("primaryKeys", errors.NULL_PRIMARY_KEY_IN_OTS_TABLE, most=MAX_KEYS)))
    if len({key.name for key in keys}) < len(keys) or sum(key.is_automatic for key in keys) > 1:
        raise errors.INCORRECT_PRIMARY_KEY_VALUE_IN_OTS_TABLE("Names of keys differ, and one at most counts by itself.")
    return Tablestore(region, instance, table, keys)


def _key(given: Fields) -> PrimaryKey:
    name = given.text("columnName", errors.NULL_PRIMARY_KEY_NAME_IN_OTS, longest=63)
    kind = given.text("columnType", errors.NULL_PRIMARY_KEY_TYPE_IN_OTS)
    option = given.optional_text("option")
    if kind not in {"INTEGER", "STRING", "BINARY"}:
        raise errors.NULL_PRIMARY_KEY_TYPE_IN_OTS("A columnType is INTEGER, STRING or BINARY.")
    if option not in {"", "AUTO_INCREMENT"} or (option and kind != "INTEGER"):
        raise errors.INCORRECT_PRIMARY_KEY_VALUE_IN_OTS_TABLE(
            "The option of a primary key is empty, or AUTO_INCREMENT for one of type INTEGER."
        )
    value = given.optional_text("columnValue")
    if not option and not value:
        raise errors.NULL_PRIMARY_KEY_VALUE_IN_OTS()
    return PrimaryKey(name, cast("Literal['INTEGER', 'STRING', 'BINARY']", kind), Template(value), bool(option))


def _datahub(given: Fields) -> DataHub:
    invalid = errors.PARSE_RULE_ACTION_CONFIG_ERROR
    project = given.text("projectName", invalid)
    topic = given.text("topicName", invalid)
    region = given.region()
    given.check_role()
    columns = tuple(map(_schema_column, given.objects("schemaVals", invalid, most=MAX_COLUMNS)))
    if len({column.name for column in columns}) < len(columns):
        raise invalid("Two columns of schemaVals have the same name.")
    return DataHub(region, project, topic, columns)


def _schema_column(given: Fields) -> SchemaColumn:
    invalid = errors.PARSE_RULE_ACTION_CONFIG_ERROR
    kind = given.text("type", invalid)
    if kind not in {"BIGINT", "DOUBLE", "BOOLEAN", "TIMESTAMP", "STRING", "DECIMAL"}:
        raise invalid("The type of a column is BIGINT, DOUBLE, BOOLEAN, TIMESTAMP, STRING or DECIMAL.")
    return SchemaColumn(given.text("name", invalid), cast("Any", kind), Template(given.optional_text("value")))


def _rocket_mq(given: Fields) -> RocketMq:
    # Configurations of older rules have topicName, and no instance.
    topic = given.optional_text("topic") or given.text("topicName", NULL_TOPIC_NAME)
    instance = given.optional_text("instanceId")
    if not instance and not given.has("topicName"):
        raise errors.INSTANCE_NOT_FOUND()
    tag = given.optional_text("tag")
    if len(tag.encode()) > 128:
        raise errors.INVALID_FORMATTED_TAG_IN_CONFIGURATION()
    region = given.region()
    given.check_role()
    return RocketMq(region, instance, topic, Template(tag))


def _time_series(given: Fields) -> TimeSeriesDb:
    instance = given.text("instanceName", errors.NULL_INSTANCE_NAME_IN_HITSDB)
    region = given.region()
    timestamp = given.text("timestamp", errors.NULL_TIMESTAMP_IN_HITSDB)
    if timestamp == "timestamp()":
        moment = None
    elif _VARIABLE.fullmatch(timestamp) or (timestamp.isascii() and timestamp.isdecimal() and len(timestamp) < 17):
        moment = Template(timestamp)
    else:
        raise errors.INVALID_FORMATTED_TIMESTAMP_IN_HITSDB()
    tags = [_tag(tag) for tag in given.objects("tags", errors.NULL_TAG_NAME_IN_HITSDB, most=MAX_TAGS)]
    if len({name for name, _ in tags}) < len(tags):
        raise errors.INVALID_FORMATTED_TAG_NAME_IN_HITSDB("Two tags have the same name.")
    return TimeSeriesDb(region, instance, moment, tuple(tags))


def _tag(given: Fields) -> tuple[str, Template]:
    name = given.text("name", errors.NULL_TAG_NAME_IN_HITSDB)
    if not _TSDB_NAME.fullmatch(name):
        raise errors.INVALID_FORMATTED_TAG_NAME_IN_HITSDB()
    return name, Template(given.text("value", errors.NULL_TAG_VALUE_IN_HITSDB))


def _rds(given: Fields) -> Rds:
    instance = given.text("instanceName", errors.NULL_RDS_INSTANCE_NAME)
    database = given.text("databaseName", errors.NULL_RDS_DATABASE_NAME)
    if not _IDENTIFIER.fullmatch(database):
        raise errors.INVALID_FORMATTED_RDS_DATABASE_NAME()
    table = given.text("tableName", errors.NULL_RDS_TABLE_NAME)
    if not all(_IDENTIFIER.fullmatch(part) for part in table.split(".")) or table.count(".") > 1:
        raise errors.INVALID_FORMATTED_RDS_TABLE_NAME()
    given.text("accountName", errors.NULL_RDS_ACCOUNT_NAME)
    given.text("accountPwd", errors.NULL_RDS_PASSWORD)
    region = given.region()
    fields = [
        (
            field.text("name", errors.NULL_RDS_FIELD_NAME, longest=63),
            Template(field.text("value", errors.NULL_RDS_FIELD_VALUE)),
        )
        for field in given.objects("fieldVals", errors.NULL_RDS_FIELD_NAME, most=MAX_COLUMNS)
    ]
    if len({name for name, _ in fields}) < len(fields):
        raise errors.NULL_RDS_FIELD_NAME("Two fields have the same name.")
    return Rds(region, instance, database, table, tuple(fields))


READERS: Final[dict[str, Callable[[Fields], Configuration]]] = {
    "REPUBLISH": _republish,
    "AMQP": _amqp,
    "MNS": _mns,
    "FC": _function,
    "OTS": _tablestore,
    "DATAHUB": _datahub,
    "ONS": _rocket_mq,
    "TSDB": _time_series,
    "HITSDB": _time_series,
    "RDS": _rds,
}
"""By type; HITSDB is what error codes call TSDB."""

NOT_FOR_BINARY: Final = frozenset({"OTS", "RDS", "TSDB", "HITSDB"})
"""Types that need columns."""
NOT_FOR_ERRORS: Final = frozenset({"REPUBLISH", "TSDB", "HITSDB"})
SECRET_FIELDS: Final = frozenset({"accountPwd"})
"""Fields that no answer shows."""


def read_configuration(type_: str, given: dict[str, Any]) -> Configuration:
    """Return a configuration that is as documented for its type.

    Raises:
        BusinessError: iot.rule.IncorrentRuleActionType, or the documented code of a field.
    """
    reader = READERS.get(type_)
    if reader is None:
        raise errors.INCORRENT_RULE_ACTION_TYPE(f"The types are {', '.join(READERS)}.")
    return reader(Fields(given))
