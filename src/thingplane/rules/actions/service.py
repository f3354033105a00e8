"""Actions of rules: making, finding, changing and deleting them."""

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import delete, insert, select, update

from thingplane.cloud import BusinessError, ErrorCode
from thingplane.products.service import ProductService
from thingplane.rules import errors
from thingplane.rules.actions.configurations import (
    NOT_FOR_BINARY,
    NOT_FOR_ERRORS,
    SECRET_FIELDS,
    Amqp,
    Republish,
    read_configuration,
)
from thingplane.rules.actions.fields import read_object
from thingplane.rules.groups import Groups
from thingplane.rules.rows import actions_of, first_rule, to_action
from thingplane.rules.rule import Action, ActionStatus, Rule, RuleLimits
from thingplane.rules.runtime.runner import RuleRunner
from thingplane.rules.tables import rule_actions, rules
from thingplane.storage.database import Database
from thingplane.storage.keyed_lock import KeyedLocks


class RuleActionService:
    """The actions of the rules of all instances; changes of rules that run take effect at once."""

    def __init__(  # noqa: PLR0917 - each is of a type of its own
        self,
        database: Database,
        products: ProductService,
        groups: Groups,
        runner: RuleRunner,
        limits: RuleLimits,
        locks: KeyedLocks,
    ) -> None:
        """Wire the service.

        Args:
            database: where actions are kept.
            products: the service of products.
            groups: knows consumer groups.
            runner: runs rules.
            limits: how many there may be of what.
            locks: one for each rule.
        """
        self._database = database
        self._products = products
        self._groups = groups
        self._runner = runner
        self._limits = limits
        self._locks = locks

    async def get(self, instance_id: int, action_id: int) -> Action:
        """Return the instance's action with this id.

        Raises:
            BusinessError: iot.rule.NotFoundRuleAction.
        """
        query = select(rule_actions).join(rules, rules.c.id == rule_actions.c.rule_id)
        query = query.where(rule_actions.c.id == action_id, rules.c.instance_id == instance_id)
        async with self._database.read() as connection:
            row = (await connection.execute(query)).first()
        if row is None:
            raise errors.NOT_FOUND_RULE_ACTION()
        return to_action(row)

    async def of_rule(self, instance_id: int, rule_id: int) -> list[Action]:
        """Return the actions of a rule, oldest first.

        Raises:
            BusinessError: iot.rule.NotFoundRule.
        """
        return (await self._rule(instance_id, rule_id))[1]

    def status(self, action: Action) -> ActionStatus:
        """Return how an action is doing: INIT while its rule does not run, SHORTCUT when it failed the last time."""
        return self._runner.status(action)

    async def create(
        self, instance_id: int, rule_id: int, type_: str, configuration: str, *, for_errors: bool = False
    ) -> Action:
        """Give a rule one more action.

        Raises:
            BusinessError: iot.rule.NotFoundRule, iot.rule.TooManyRuleAction, iot.rule.RuleActionIsAlreadyCreated,
                iot.ruleng.OnlyAllowOneErrorAction, iot.ruleng.CreateRuleActionFailed when the rule runs and the
                destination is not set up, and those of the configuration.
        """
        async with self._locks.of(rule_id):
            rule, others = await self._rule(instance_id, rule_id)
            await self._check(rule, others, type_, configuration, for_errors=for_errors)
            if len(others) >= self._limits.actions:
                raise errors.TOO_MANY_RULE_ACTION()
            new = Action(id=0, rule_id=rule_id, type=type_, configuration=configuration, for_errors=for_errors)
            values = {"rule_id": rule_id, "type": type_, "configuration": configuration, "for_errors": for_errors}
            await self._try(rule, [*others, new], errors.CREATE_RULE_ACTION_FAILED)
            async with self._database.write() as connection:
                # The rule may be gone by now.
                await first_rule(connection, instance_id, rule_id)
                inserted = await connection.execute(insert(rule_actions).values(values).returning(*rule_actions.c))
                action = to_action(inserted.one())
            await self._apply(rule, [*others, action])
            return action

    async def update(self, instance_id: int, action_id: int, type_: str, configuration: str) -> None:
        """Change an action.

        Raises:
            BusinessError: iot.rule.NotFoundRuleAction, iot.rule.RuleActionIsAlreadyCreated,
                iot.ruleng.UpdateRuleActionFailed, and those of the configuration.
        """
        found = await self.get(instance_id, action_id)
        async with self._locks.of(found.rule_id):
            rule, all_ = await self._rule(instance_id, found.rule_id)
            others = [action for action in all_ if action.id != action_id]
            await self._check(rule, others, type_, configuration, for_errors=found.for_errors)
            changed = msgspec.structs.replace(found, type=type_, configuration=configuration)
            actions = [changed if action.id == action_id else action for action in all_]
            await self._try(rule, actions, errors.UPDATE_RULE_ACTION_FAILED)
            wanted = rule_actions.c.id == action_id
            async with self._database.write() as connection:
                changing = update(rule_actions).where(wanted).values(type=type_, configuration=configuration)
                if not (await connection.execute(changing)).rowcount:
                    raise errors.NOT_FOUND_RULE_ACTION()
            await self._apply(rule, actions)

    async def delete(self, instance_id: int, action_id: int) -> None:
        """Delete an action.

        Raises:
            BusinessError: iot.rule.NotFoundRuleAction, iot.ruleng.DeleteRuleActionFailed when it is the only one of a
                rule that runs.
        """
        found = await self.get(instance_id, action_id)
        async with self._locks.of(found.rule_id):
            rule, all_ = await self._rule(instance_id, found.rule_id)
            actions = [action for action in all_ if action.id != action_id]
            if rule.running and all(action.for_errors for action in actions):
                raise errors.DELETE_RULE_ACTION_FAILED()
            async with self._database.write() as connection:
                await connection.execute(delete(rule_actions).where(rule_actions.c.id == action_id))
            await self._apply(rule, actions)

    async def _rule(self, instance_id: int, rule_id: int) -> tuple[Rule, list[Action]]:
        async with self._database.read() as connection:
            rule = await first_rule(connection, instance_id, rule_id)
            return rule, await actions_of(connection, [rule_id])

    async def _check(
        self, rule: Rule, others: Sequence[Action], type_: str, configuration: str, *, for_errors: bool
    ) -> None:
        given = read_object(configuration)
        read = read_configuration(type_, given)
        if rule.sql.data_type == "BINARY" and type_ in NOT_FOR_BINARY:
            raise errors.INCORRENT_RULE_ACTION_TYPE("Rules for binary data cannot have actions of this type.")
        _check_errors(others, type_, for_errors=for_errors)
        for other in others:
            same = other.type == type_ and other.for_errors == for_errors
            if same and read_object(other.configuration) == given:
                raise errors.RULE_ACTION_IS_ALREADY_CREATED()
        if isinstance(read, Republish) and "$" not in (product_key := _product_key(read)):
            await self._products.get(rule.instance_id, product_key)
        if isinstance(read, Amqp):
            await self._groups.group(rule.instance_id, read.group_id)

    async def _try(self, rule: Rule, actions: Sequence[Action], failed: ErrorCode) -> None:
        """Make sure that a rule that runs can go on with its new actions."""
        if rule.running:
            try:
                await self._runner.prepare(rule, actions)
            except BusinessError as error:
                raise failed(error.message) from None

    async def _apply(self, rule: Rule, actions: Sequence[Action]) -> None:
        if rule.running:
            # The database has the change already: what another action lacks must not keep it from its effect.
            await self._runner.replace(await self._runner.prepare(rule, actions, lenient=True))


def _check_errors(others: Sequence[Action], type_: str, *, for_errors: bool) -> None:
    """Check that errors go elsewhere than what failed."""
    if for_errors and type_ in NOT_FOR_ERRORS:
        raise errors.INCORRECT_ACTION_TYPE_FOR_ERROR()
    if for_errors and any(other.for_errors for other in others):
        raise errors.ONLY_ALLOW_ONE_ERROR_ACTION()
    if any(other.type == type_ and other.for_errors != for_errors for other in others):
        raise errors.INCORRECT_ACTION_TYPE_FOR_ERROR(
            f"An error action and the other actions of a rule cannot both be of type {type_}."
        )


def _product_key(read: Republish) -> str:
    levels = read.topic.text.split("/")
    return levels[2] if read.is_system else levels[1]


def shown_configuration(action: Action, uid: str) -> str:
    """Return a configuration as answers show it: with the account's id, and without secrets."""
    given: dict[str, Any] = read_object(action.configuration)
    visible = {name: value for name, value in given.items() if name not in SECRET_FIELDS}
    return msgspec.json.encode({**visible, "uid": uid}).decode()
