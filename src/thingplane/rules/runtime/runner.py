"""The running rules of a node."""

import asyncio
from collections.abc import Sequence
from typing import Final

import structlog

from thingplane.bus import Bus
from thingplane.clock import Clock
from thingplane.cloud import BusinessError
from thingplane.devices.service import DeviceService
from thingplane.forwarding.service import Forwarder
from thingplane.products.service import ProductDeleted, ProductService
from thingplane.rules import errors
from thingplane.rules.actions.configurations import read_configuration
from thingplane.rules.actions.fields import read_object
from thingplane.rules.checking import compiled
from thingplane.rules.destinations.opening import Destinations
from thingplane.rules.destinations.protocol import Destination, DestinationError, Record, SetupError
from thingplane.rules.rule import Action, ActionStatus, Rule
from thingplane.rules.runtime.budget import Budget
from thingplane.rules.runtime.delivery import Sleep
from thingplane.rules.runtime.metrics import Counters
from thingplane.rules.runtime.plan import Plan, PlannedAction
from thingplane.rules.runtime.router import RuleRouter
from thingplane.rules.runtime.rows import Rows
from thingplane.rules.runtime.worker import Worker

STOP_S: Final = 5.0
"""Seconds that a rule that is stopped has for what it is sending."""

_log = structlog.get_logger(__name__)


class RuleRunner:
    """Starts, changes and stops the workers of rules."""

    def __init__(
        self,
        forwarder: Forwarder,
        clock: Clock,
        bus: Bus,
        *,
        products: ProductService,
        devices: DeviceService,
        destinations: Destinations,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        """Wire; nothing runs yet.

        Args:
            forwarder: the log of messages.
            clock: time of messages' evaluation.
            bus: tells of products that are deleted, and of tags that change.
            products: the service of products.
            devices: the service of devices.
            destinations: opens what actions name.
            sleep: waits for seconds.
        """
        self.counters = Counters()
        self._forwarder = forwarder
        self._clock = clock
        self._products = products
        self._destinations = destinations
        self._sleep = sleep
        self._rows = Rows(clock, bus, devices)
        self._budget = Budget()
        self._router = RuleRouter()
        self._workers: dict[int, Worker[Plan]] = {}
        self._stopping: set[asyncio.Task[None]] = set()
        forwarder.add_router(self._router)
        bus.subscribe(ProductDeleted, self._product_deleted)

    async def prepare(self, rule: Rule, actions: Sequence[Action], *, lenient: bool = False) -> Plan:
        """Make a rule ready to run.

        Args:
            rule: complete.
            actions: all of it.
            lenient: whether destinations may be missing, as they may after settings have changed.

        Raises:
            BusinessError: iot.rule.StartRuleFailed, which names the setting or package that an action lacks;
                iot.messagebroker.IncorrectRuleSql.
        """
        program = await compiled(rule.sql)
        planned = []
        for action in actions:
            try:
                destination = await self._open(rule, action)
            except (SetupError, BusinessError) as error:
                if not lenient:
                    if isinstance(error, BusinessError):
                        raise
                    raise errors.START_RULE_FAILED(f"{action.type} action: {error}") from error
                _log.error("a rule's action has no destination", rule=rule.id, action=action.id, reason=str(error))
                destination = Missing(str(error))
            planned.append(PlannedAction(action, destination))
        return Plan(rule, program, planned, self._rows)

    async def _open(self, rule: Rule, action: Action) -> Destination:
        configuration = read_configuration(action.type, read_object(action.configuration))
        return await self._destinations.open(configuration, rule.instance_id)

    async def run(self, plan: Plan) -> None:
        """Let a rule run: what is forwarded after this is due to it."""
        rule = plan.rule
        subscriber = await self._forwarder.enroll("rule", str(rule.id))
        product = await self._products.find(rule.sql.product_key or "", rule.instance_id)
        if product is not None:
            self._rows.learn(product)
        worker = self._workers[rule.id] = Worker(
            subscriber,
            plan,
            self._forwarder,
            self._budget,
            self._clock,
            self._sleep,
            self.counters,
        )
        self._route(worker)
        worker.start()

    async def resume(self, rule: Rule, actions: Sequence[Action]) -> None:
        """Let a rule run again after a restart, also when a destination is not there any more."""
        try:
            plan = await self.prepare(rule, actions, lenient=True)
        except BusinessError as error:
            _log.error("a rule cannot run any more", rule=rule.id, reason=error.message)
            return
        await self.run(plan)

    async def replace(self, plan: Plan) -> None:
        """Let a running rule go on as another plan says; what it has taken already is done by the old one."""
        worker = self._workers.get(plan.rule.id)
        if worker is None:
            return  # its product was deleted meanwhile
        product = await self._products.find(plan.rule.sql.product_key or "", plan.rule.instance_id)
        if product is not None:
            self._rows.learn(product)
        worker.work = plan
        self._route(worker)

    async def stop(self, rule_id: int) -> None:
        """Let a rule run no longer; what it has not finished waits in the log."""
        worker = self._workers.pop(rule_id, None)
        if worker is not None:
            self._router.remove(worker.subscriber)
            self._forwarder.routes_changed()
            await worker.stop(STOP_S)

    async def forget(self, rule_id: int) -> None:
        """Drop what waits for a rule that was deleted."""
        await self.stop(rule_id)
        await self._forwarder.remove(await self._forwarder.enroll("rule", str(rule_id)))

    async def close(self) -> None:
        """Stop everything."""
        await asyncio.gather(*(self.stop(rule_id) for rule_id in list(self._workers)))
        if self._stopping:
            await asyncio.wait(self._stopping)
        await self._destinations.close()

    def workers(self) -> list[Worker[Plan]]:
        """Return the workers of the rules that run."""
        return list(self._workers.values())

    def status(self, action: Action) -> ActionStatus:
        """Return how an action is doing."""
        worker = self._workers.get(action.rule_id)
        plan = worker.work if worker is not None else None
        for planned in () if plan is None else (*plan.actions, *filter(None, [plan.error_action])):
            if planned.action.id == action.id:
                if isinstance(planned.destination, Missing):
                    return "INVALID"
                return "SHORTCUT" if planned.failing else "NORMAL"
        return "INIT"

    def reading(self) -> dict[str, float]:
        """Return the values of the metrics."""
        counters = self.counters
        return {
            "rules_running": len(self._workers),
            "rules_messages_waiting": sum(
                self._forwarder.waiting(worker.subscriber) for worker in self._workers.values()
            ),
            "rules_messages_evaluated_total": counters.evaluated,
            "rules_messages_matched_total": counters.matched,
            "rules_messages_failed_total": counters.failed,
            "rules_results_delivered_total": counters.delivered,
            "rules_results_retried_total": counters.retries,
            "rules_results_dropped_total": counters.dropped,
            "rules_error_records_total": counters.error_records,
        }

    def _route(self, worker: Worker[Plan]) -> None:
        self._router.set(worker.subscriber, worker.work.product_id, worker.work.filter)
        self._forwarder.routes_changed()

    def _product_deleted(self, event: ProductDeleted) -> None:
        for rule_id, worker in list(self._workers.items()):
            if worker.work.product_id == event.product_id:
                # Before anything else can happen: what is forwarded after this is due to nobody.
                self._router.remove(worker.subscriber)
                self._forwarder.routes_changed()
                task = asyncio.get_running_loop().create_task(self.stop(rule_id))
                self._stopping.add(task)
                task.add_done_callback(self._stopping.discard)


class Missing:
    """In the place of a destination that settings do not name any more."""

    def __init__(self, reason: str) -> None:
        self.region = ""
        self.resource = ""
        self._reason = reason

    async def send(self, record: Record) -> None:
        del record
        raise DestinationError(self._reason)
