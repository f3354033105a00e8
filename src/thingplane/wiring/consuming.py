"""Who gets what devices say: consumer groups, and the queues of MNS subscriptions."""

from thingplane.access.service import AccessService
from thingplane.consumers.metrics import HELP as CONSUMERS_HELP
from thingplane.consumers.service import Consumers
from thingplane.forwarding.service import Forwarder
from thingplane.instances.service import InstanceDirectory
from thingplane.outbound import Outbound
from thingplane.subscriptions.metrics import HELP
from thingplane.subscriptions.service import MnsQueues, Pace, SubscriptionLimits, SubscriptionService
from thingplane.wiring.fleet import Fleet
from thingplane.wiring.ground import Ground


class Consuming:
    """Subscriptions, and the listeners of consumers, which the node starts."""

    def __init__(
        self, ground: Ground, forwarder: Forwarder, access: AccessService, instances: InstanceDirectory, fleet: Fleet
    ) -> None:
        settings, clock = ground.settings, ground.clock
        self.outbound = Outbound(settings.outbound_hosts)
        ground.at_close(self.outbound.close)
        subscriptions = self.subscriptions = SubscriptionService(
            ground.database,
            clock,
            ground.bus,
            products=fleet.products,
            forwarder=forwarder,
            keys=access,
            instances=instances,
            queues=MnsQueues(forwarder, self.outbound, settings.mns_endpoints, clock),
            limits=SubscriptionLimits(
                groups=settings.consumer_groups_per_instance,
                groups_per_product=settings.consumer_groups_per_product,
                products_per_group=settings.products_per_consumer_group,
                clients_per_group=settings.clients_per_consumer_group,
                connects_per_minute=settings.consumer_connects_per_minute,
            ),
            pace=Pace(
                realtime_per_second=settings.consumer_realtime_per_second,
                backlog_per_second=settings.consumer_backlog_per_second,
                window=settings.consumer_window,
            ),
            region=settings.region,
        )
        ground.run(subscriptions.start, subscriptions.close)
        ground.services.add(subscriptions)
        ground.metrics.add(subscriptions.reading, HELP)
        self.consumers = Consumers(subscriptions, clock, max_connections=settings.consumer_connections)
        ground.metrics.add(self.consumers.reading, CONSUMERS_HELP)
