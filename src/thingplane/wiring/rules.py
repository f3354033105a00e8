"""Rules and topic routes: what happens with messages of devices, and where results go."""

from thingplane.forwarding.service import Forwarder
from thingplane.gateway.service import Gateway
from thingplane.rules.destinations.external import ExternalDestinations
from thingplane.rules.destinations.opening import Destinations
from thingplane.rules.runtime.metrics import HELP, ROUTES_HELP
from thingplane.rules.runtime.route_tables import RouteTables
from thingplane.rules.runtime.runner import RuleRunner
from thingplane.rules.service import DataSourceService, RuleLimits, RuleService
from thingplane.wiring.consuming import Consuming
from thingplane.wiring.fleet import Fleet
from thingplane.wiring.ground import Ground


def wire_rules(ground: Ground, forwarder: Forwarder, gateway: Gateway, fleet: Fleet, consuming: Consuming) -> None:
    """Make rules and topic routes."""
    settings, clock, products, devices = ground.settings, ground.clock, fleet.products, fleet.devices
    external = ExternalDestinations(consuming.outbound, clock, settings.destinations, settings.mns_endpoints)
    destinations = Destinations(forwarder, consuming.subscriptions, devices, gateway.downlink, external)
    runner = RuleRunner(forwarder, clock, ground.bus, products=products, devices=devices, destinations=destinations)
    limits = RuleLimits(rules=settings.rules_per_instance, actions=settings.actions_per_rule)
    rules = RuleService(ground.database, clock, products, consuming.subscriptions, runner, limits)
    ground.run(rules.start, rules.close)
    ground.services.add(rules, DataSourceService(ground.database, products))
    ground.metrics.add(runner.reading, HELP)
    tables = RouteTables(forwarder, fleet.routes, gateway.downlink, clock)
    ground.run(tables.start, tables.close)
    ground.metrics.add(tables.reading, ROUTES_HELP)
