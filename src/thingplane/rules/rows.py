"""Rules and actions as rows of the database."""

from collections.abc import Sequence
from typing import Any, cast

from sqlalchemy import Row, Select, select
from sqlalchemy.ext.asyncio import AsyncConnection

from thingplane.rules import errors
from thingplane.rules.rule import Action, Rule, Sql
from thingplane.rules.sql.program import DataType
from thingplane.rules.tables import rule_actions, rules


def to_rule(row: Row[Any]) -> Rule:
    """Return the rule of a row."""
    return Rule(
        id=row.id,
        instance_id=row.instance_id,
        name=row.name,
        description=row.description,
        sql=Sql(
            data_type=cast("DataType", row.data_type),
            product_key=row.product_key,
            short_topic=row.short_topic,
            topic_type=row.topic_type,
            select=row.select_clause,
            where=row.where_clause,
        ),
        product_id=row.product_id,
        running=row.running,
        user_id=row.user_id,
        created_at=row.created_at,
        modified_at=row.modified_at,
    )


def to_action(row: Row[Any]) -> Action:
    """Return the action of a row."""
    return Action(
        id=row.id,
        rule_id=row.rule_id,
        type=row.type,
        configuration=row.configuration,
        for_errors=row.for_errors,
    )


def sql_values(sql: Sql, product_id: int | None) -> dict[str, Any]:
    """Return the columns of a rule's SQL."""
    return {
        "data_type": sql.data_type,
        "product_key": sql.product_key,
        "product_id": product_id,
        "short_topic": sql.short_topic,
        "topic_type": sql.topic_type,
        "select_clause": sql.select,
        "where_clause": sql.where,
    }


async def first_rule(connection: AsyncConnection, instance_id: int, rule_id: int) -> Rule:
    """Return a rule of an instance.

    Raises:
        BusinessError: iot.rule.NotFoundRule.
    """
    query = select(rules).where(rules.c.id == rule_id, rules.c.instance_id == instance_id)
    row = (await connection.execute(query)).first()
    if row is None:
        raise errors.NOT_FOUND_RULE()
    return to_rule(row)


async def actions_of(connection: AsyncConnection, rule_ids: Sequence[int] | Select[Any]) -> list[Action]:
    """Return the actions of rules, oldest first."""
    query = select(rule_actions).where(rule_actions.c.rule_id.in_(rule_ids)).order_by(rule_actions.c.id)
    return [to_action(row) for row in await connection.execute(query)]
