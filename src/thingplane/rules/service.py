"""Rules: making, finding, changing, starting and stopping them."""

from collections.abc import Callable
from typing import Any, Final

import msgspec
from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from thingplane.clock import Clock
from thingplane.products.service import ProductService
from thingplane.rules import errors
from thingplane.rules.actions.service import RuleActionService, shown_configuration
from thingplane.rules.checking import check_sql
from thingplane.rules.data_sources import DataSourceItem, DataSourceService
from thingplane.rules.groups import Groups
from thingplane.rules.rows import actions_of, first_rule, sql_values, to_rule
from thingplane.rules.rule import Action, ActionStatus, NewRule, Rule, RuleLimits, Sql
from thingplane.rules.runtime.runner import RuleRunner
from thingplane.rules.tables import rule_actions, rules
from thingplane.storage.database import Database
from thingplane.storage.keyed_lock import KeyedLocks

__all__ = [
    "Action",
    "ActionStatus",
    "DataSourceItem",
    "DataSourceService",
    "NewRule",
    "Rule",
    "RuleActionService",
    "RuleLimits",
    "RuleService",
    "Sql",
    "shown_configuration",
]

_LIMITS: Final = RuleLimits()


class RuleService:
    """The rules of all instances. Those that run are with the runner; nothing else is kept in memory."""

    def __init__(  # noqa: PLR0917 - each is of a type of its own
        self,
        database: Database,
        clock: Clock,
        products: ProductService,
        groups: Groups,
        runner: RuleRunner,
        limits: RuleLimits = _LIMITS,
    ) -> None:
        """Wire the service.

        Args:
            database: where rules are kept.
            clock: tells when they were made and changed.
            products: the service of products; rules of a product that is deleted are stopped.
            groups: the consumer groups.
            runner: runs rules.
            limits: how many there may be of what.
        """
        self._database = database
        self._clock = clock
        self._products = products
        self._runner = runner
        self._limits = limits
        self._locks = KeyedLocks()
        self.actions = RuleActionService(database, products, groups, runner, limits, self._locks)
        products.on_delete.append(_stop_all)

    async def start(self) -> None:
        """Run the rules that ran when the node stopped."""
        running = select(rules).where(rules.c.running).order_by(rules.c.id)
        async with self._database.read() as connection:
            found = [to_rule(row) for row in await connection.execute(running)]
            actions = await actions_of(connection, select(rules.c.id).where(rules.c.running))
        by_rule: dict[int, list[Action]] = {}
        for action in actions:
            by_rule.setdefault(action.rule_id, []).append(action)
        for rule in found:
            await self._runner.resume(rule, by_rule.get(rule.id, []))

    async def close(self) -> None:
        """Stop taking messages; those under way are finished or come again."""
        await self._runner.close()

    # Reading.

    async def get(self, instance_id: int, rule_id: int) -> Rule:
        """Return the instance's rule with this id.

        Raises:
            BusinessError: iot.rule.NotFoundRule.
        """
        async with self._database.read() as connection:
            return await first_rule(connection, instance_id, rule_id)

    async def page(
        self, instance_id: int, number: int, size: int, *, resource_group_id: str | None = None
    ) -> tuple[list[Rule], int]:
        """Return a page of the instance's rules, newest first, and the number of all.

        Args:
            instance_id: whose.
            number: of the page, from 1.
            size: rules of a page.
            resource_group_id: None for those of all groups.
        """
        wanted = [rules.c.instance_id == instance_id]
        if resource_group_id is not None:
            wanted.append(rules.c.resource_group_id == resource_group_id)
        query = select(rules).where(*wanted).order_by(rules.c.id.desc()).limit(size).offset((number - 1) * size)
        async with self._database.read() as connection:
            total = (await connection.execute(select(func.count()).select_from(rules).where(*wanted))).scalar_one()
            return [to_rule(row) for row in await connection.execute(query)], total

    # Changing.

    async def create(self, instance_id: int, new: NewRule) -> Rule:
        """Make a rule, which does not run yet.

        Raises:
            BusinessError: iot.rule.RuleNameIsAlreadyExisted, iot.rule.RuleCountExceedMax, and as ``check_sql``.
        """
        sql, product_id = await self._checked(instance_id, new.sql)
        now = self._clock.now_ms()
        values: dict[str, Any] = {
            "instance_id": instance_id,
            "name": new.name,
            "description": new.description,
            "running": False,
            "user_id": new.user_id,
            "resource_group_id": new.resource_group_id,
            "created_at": now,
            "modified_at": now,
            **sql_values(sql, product_id),
        }
        count = select(func.count()).select_from(rules).where(rules.c.instance_id == instance_id)
        try:
            async with self._locks.of(("instance", instance_id)), self._database.write() as connection:
                if (await connection.execute(count)).scalar_one() >= self._limits.rules:
                    raise errors.RULE_COUNT_EXCEED_MAX()
                inserted = await connection.execute(insert(rules).values(values).returning(*rules.c))
                return to_rule(inserted.one())
        except IntegrityError:
            raise errors.RULE_NAME_IS_ALREADY_EXISTED() from None

    async def update(
        self,
        instance_id: int,
        rule_id: int,
        change: Callable[[Sql], Sql],
        *,
        name: str | None = None,
        description: str | None = None,
    ) -> None:
        """Change a rule; one that runs goes on with the new SQL at once.

        Args:
            instance_id: whose.
            rule_id: which.
            change: from the SQL that it has to the one that it is to have.
            name: None: as it is.
            description: None: as it is.

        Raises:
            BusinessError: iot.rule.NotFoundRule, iot.rule.RuleNameIsAlreadyExisted, and as ``check_sql``.
        """
        async with self._locks.of(rule_id):
            rule, actions = await self._with_actions(instance_id, rule_id)
            sql, product_id = await self._checked(instance_id, change(rule.sql))
            values = {**sql_values(sql, product_id), "modified_at": self._clock.now_ms()}
            if name is not None:
                values["name"] = name
            if description is not None:
                values["description"] = description
            if rule.running and not sql.is_complete:
                raise errors.NULL_SQL_FOR_RULE()
            changed = msgspec.structs.replace(rule, sql=sql, product_id=product_id, name=name or rule.name)
            plan = await self._runner.prepare(changed, actions) if rule.running else None
            try:
                async with self._database.write() as connection:
                    await connection.execute(update(rules).where(rules.c.id == rule_id).values(values))
            except IntegrityError:
                raise errors.RULE_NAME_IS_ALREADY_EXISTED() from None
            if plan is not None:
                await self._runner.replace(plan)

    async def delete(self, instance_id: int, rule_id: int) -> None:
        """Delete a rule with its actions.

        Raises:
            BusinessError: iot.rule.NotFoundRule, iot.rule.DeleteRuleFailed when it runs.
        """
        async with self._locks.of(rule_id):
            rule = await self.get(instance_id, rule_id)
            if rule.running:
                raise errors.DELETE_RULE_FAILED()
            async with self._database.write() as connection:
                await connection.execute(delete(rule_actions).where(rule_actions.c.rule_id == rule_id))
                await connection.execute(delete(rules).where(rules.c.id == rule_id))
            await self._runner.forget(rule_id)

    async def run(self, instance_id: int, rule_id: int) -> None:
        """Start a rule: messages that arrive after this are its.

        Raises:
            BusinessError: iot.rule.NotFoundRule, iot.ruleng.RuleAlreadyIsStarted, iot.rule.NullSqlForRule,
                iot.rule.NullForwardDestForRule, iot.prod.NotExistedProduct, iot.rule.StartRuleFailed when a
                destination is not set up.
        """
        async with self._locks.of(rule_id):
            rule, actions = await self._with_actions(instance_id, rule_id)
            if rule.running:
                raise errors.RULE_ALREADY_IS_STARTED()
            if not rule.sql.is_complete:
                raise errors.NULL_SQL_FOR_RULE()
            if all(action.for_errors for action in actions):
                raise errors.NULL_FORWARD_DEST_FOR_RULE()
            await self._products.get(instance_id, rule.sql.product_key or "")
            plan = await self._runner.prepare(rule, actions)
            await self._set_running(rule_id, running=True)
            await self._runner.run(plan)

    async def stop(self, instance_id: int, rule_id: int) -> None:
        """Stop a rule; what it has not finished waits until it is started again.

        Raises:
            BusinessError: iot.rule.NotFoundRule.
        """
        async with self._locks.of(rule_id):
            await self.get(instance_id, rule_id)
            await self._set_running(rule_id, running=False)
            await self._runner.stop(rule_id)

    async def _set_running(self, rule_id: int, *, running: bool) -> None:
        async with self._database.write() as connection:
            await connection.execute(update(rules).where(rules.c.id == rule_id).values(running=running))

    async def _with_actions(self, instance_id: int, rule_id: int) -> tuple[Rule, list[Action]]:
        async with self._database.read() as connection:
            rule = await first_rule(connection, instance_id, rule_id)
            return rule, await actions_of(connection, [rule_id])

    async def _checked(self, instance_id: int, sql: Sql) -> tuple[Sql, int | None]:
        product_id = None
        if sql.product_key:
            product_id = (await self._products.get(instance_id, sql.product_key)).id
        return await check_sql(sql), product_id


async def _stop_all(connection: AsyncConnection, product_id: int) -> None:
    """Stop the rules of a product inside the transaction that deletes it."""
    await connection.execute(update(rules).where(rules.c.product_id == product_id).values(running=False))
