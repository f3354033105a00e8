"""What devices send to this slice.

``thing/model/up_raw`` of products with a data format of their own is not among it: only a data-parsing script can read
it, and scripts are not part of the platform yet. Such messages get no reply and are not stored.
"""

from thingplane.alink import Handler
from thingplane.cloud import Services
from thingplane.telemetry.service import TelemetryService


def handlers(services: Services) -> dict[str, Handler]:
    """Return the handlers by topic below ``/sys/{productKey}/{deviceName}/``."""
    telemetry = services.get(TelemetryService)
    return {
        "thing/event/property/post": telemetry.reports.property_post,
        "thing/event/+/post": telemetry.reports.event_post,
        "thing/service/property/set_reply": telemetry.replies.set_reply,
        "thing/service/+_reply": telemetry.replies.service_reply,
    }
