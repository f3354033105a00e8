"""Distribution between the instances of the node."""

from thingplane.distribution.service import DistributionService
from thingplane.instances.service import InstanceDirectory
from thingplane.wiring.fleet import Fleet
from thingplane.wiring.ground import Ground


def wire_distribution(ground: Ground, fleet: Fleet, instances: InstanceDirectory) -> None:
    """Make the service. It starts after all who are told of devices that move."""
    distribution = DistributionService(
        ground.database,
        ground.clock,
        fleet.products,
        fleet.devices,
        instances,
        fleet.downloads,
        fleet.blobs,
        region=ground.settings.region,
    )
    ground.run(distribution.start, distribution.close)
    ground.services.add(distribution)
