"""What devices send to this slice. What they send in a format of their own comes through ``parsing``."""

from thingplane.alink import Handler
from thingplane.cloud import Services
from thingplane.telemetry.service import TelemetryService


def handlers(services: Services) -> dict[str, Handler]:
    """Return the handlers by topic below ``/sys/{productKey}/{deviceName}/``."""
    telemetry = services.get(TelemetryService)
    return {
        "thing/event/property/post": telemetry.reports.property_post,
        "thing/event/property/batch/post": telemetry.bulk_reports.batch_post,
        "thing/event/property/history/post": telemetry.bulk_reports.history_post,
        "thing/event/property/pack/post": telemetry.bulk_reports.pack_post,
        "thing/event/+/post": telemetry.reports.event_post,
        "thing/service/property/set_reply": telemetry.replies.set_reply,
        "thing/service/+_reply": telemetry.replies.service_reply,
    }
