"""What gateways send to this slice. Logins of sub-devices are the affair of the connections (``gateway.logins``)."""

from thingplane.alink import Handler
from thingplane.cloud import Services
from thingplane.devices.service import DeviceService
from thingplane.products.service import ProductService
from thingplane.topology.notice_replies import NoticeReplies
from thingplane.topology.notices import TopologyNotices
from thingplane.topology.registration import SubDeviceRegistration
from thingplane.topology.reports import TopologyReports
from thingplane.topology.requests import Requests, TopologyRequests
from thingplane.topology.service import TopologyService


def handlers(services: Services) -> dict[str, Handler]:
    """Return the handlers by topic below ``/sys/{productKey}/{deviceName}/``."""
    requests = Requests(services.get(DeviceService))
    topology = TopologyRequests(
        requests, services.get(ProductService), services.get(TopologyService), services.get(TopologyReports)
    )
    registration = services.get(SubDeviceRegistration)
    replies = NoticeReplies(services.get(DeviceService), services.get(TopologyNotices), services.get(TopologyReports))
    return {
        "thing/topo/add": topology.add,
        "thing/topo/delete": topology.delete,
        "thing/topo/get": topology.get,
        "thing/list/found": topology.found,
        "thing/sub/register": registration.register,
        "thing/sub/unregister": topology.unregister,
        "thing/proxy/provisioning/product_register": registration.product_register,
        "thing/topo/add/notify_reply": replies.asked,
        "thing/topo/change_reply": replies.noted,
        "thing/disable_reply": replies.noted,
        "thing/enable_reply": replies.noted,
        "thing/delete_reply": replies.noted,
        "thing/gateway/permit_reply": replies.noted,
    }
