"""What gateways send to this slice. Logins of sub-devices are the affair of the connections (``gateway.logins``)."""

import structlog

from thingplane.alink import Handler, Uplink
from thingplane.cloud import Services
from thingplane.devices.service import DeviceService
from thingplane.products.service import ProductService
from thingplane.topology.registration import SubDeviceRegistration
from thingplane.topology.reports import TopologyReports
from thingplane.topology.requests import Requests, TopologyRequests
from thingplane.topology.service import TopologyService

_log = structlog.get_logger(__name__)


def _noted(uplink: Uplink) -> None:
    """Take a reply to a notice, which changes nothing."""
    _log.debug("a notice was answered", device=uplink.device.name, topic=uplink.topic)


def handlers(services: Services) -> dict[str, Handler]:
    """Return the handlers by topic below ``/sys/{productKey}/{deviceName}/``."""
    requests = Requests(services.get(DeviceService))
    topology = TopologyRequests(
        requests, services.get(ProductService), services.get(TopologyService), services.get(TopologyReports)
    )
    registration = services.get(SubDeviceRegistration)
    return {
        "thing/topo/add": topology.add,
        "thing/topo/delete": topology.delete,
        "thing/topo/get": topology.get,
        "thing/list/found": topology.found,
        "thing/sub/register": registration.register,
        "thing/sub/unregister": topology.unregister,
        "thing/proxy/provisioning/product_register": registration.product_register,
        "thing/topo/add/notify_reply": _noted,
        "thing/topo/change_reply": _noted,
        "thing/disable_reply": _noted,
        "thing/enable_reply": _noted,
        "thing/delete_reply": _noted,
        "thing/gateway/permit_reply": _noted,
    }
