"""What the SQL of a rule has to fulfil when it is saved."""

import asyncio

import msgspec

from thingplane.rules import errors
from thingplane.rules.rule import CUSTOM, Sql
from thingplane.rules.sql import Program, SqlError, compile_sql
from thingplane.rules.topics import check_short_topic


async def check_sql(sql: Sql) -> Sql:
    """Return SQL as it is stored.

    Raises:
        BusinessError: iot.messagebroker.IncorrectRuleSql with the place of the error, iot.ruleng.IncorrectType,
            iot.ruleng.IncorrectSysTopic, iot.messagebroker.InvalidFormattedTopicName.
    """
    short, kind = sql.short_topic, sql.topic_type
    if short:
        short, kind = check_short_topic(short, kind)
    elif kind is not None and kind not in {0, 1, 2}:
        raise errors.INCORRECT_TYPE()
    if sql.data_type == "BINARY" and kind not in {CUSTOM, None}:
        raise errors.INCORRECT_TYPE("Rules for binary data listen to custom topics only.")
    if sql.select or sql.where:
        await compiled(msgspec.structs.replace(sql, select=sql.select or "*"))
    return msgspec.structs.replace(sql, short_topic=short or None, topic_type=kind, select=sql.select or None)


async def compiled(sql: Sql) -> Program:
    """Return the program of complete SQL.

    Raises:
        BusinessError: iot.messagebroker.IncorrectRuleSql.
    """
    try:
        # The first time of all takes a tenth of a second, which the devices' messages need not wait for.
        return await asyncio.to_thread(compile_sql, sql.select or "", sql.where, sql.data_type)
    except SqlError as error:
        raise errors.INCORRECT_RULE_SQL(str(error)) from None
