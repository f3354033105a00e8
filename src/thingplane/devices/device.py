"""What devices send to this slice: their tags, and requests that any device may make."""

from thingplane.alink import Handler, Uplink
from thingplane.cloud import Services
from thingplane.devices.service import DeviceService
from thingplane.devices.tag_requests import TagRequests
from thingplane.devices.time_requests import TimeRequests


def _acknowledge(uplink: Uplink) -> None:
    """Answer what kits with Wi-Fi provisioning say after each start, and what means nothing here (1.13)."""
    uplink.reply()


def handlers(services: Services) -> dict[str, Handler]:
    """Return the handlers by topic below ``/sys/{productKey}/{deviceName}/``, and of ``/ext``."""
    devices = services.get(DeviceService)
    tags = TagRequests(devices)
    return {
        "thing/deviceinfo/update": tags.update,
        "thing/deviceinfo/delete": tags.delete,
        "thing/deviceinfo/get": tags.get,
        "/ext/ntp/request": TimeRequests(devices.clock).answer,
        "thing/reset": _acknowledge,
        "thing/awss/enrollee/match": _acknowledge,
    }
