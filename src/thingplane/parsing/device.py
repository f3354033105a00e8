"""What devices send to this slice."""

from thingplane.alink import Handler, HandlerTable
from thingplane.cloud import Services
from thingplane.device_logs.service import DeviceLogs
from thingplane.parsing.raw import RawMessages
from thingplane.parsing.service import ParsingService
from thingplane.telemetry.service import TelemetryService


def handlers(services: Services) -> dict[str, Handler]:
    """Return the handlers by topic below ``/sys/{productKey}/{deviceName}/``."""
    table = services.get(HandlerTable)
    raw = RawMessages(services.get(ParsingService), table, services.get(TelemetryService), services.get(DeviceLogs))
    return {"thing/model/up_raw": raw.receive, "thing/model/down_raw_reply": raw.receive}
