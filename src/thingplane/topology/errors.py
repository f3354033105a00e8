"""Documented error codes of topological relationships (guide: error codes, device-related)."""

from thingplane.cloud import ErrorCode

ADD_TOPO_RELATION_FAILED = ErrorCode(
    "iot.device.AddTopoRelationFailed", "The topological relationship cannot be added."
)
QUERY_TOPO_RELATION_FAILED = ErrorCode(
    "iot.device.QueryTopoRelationFailed", "The topological relationships cannot be listed."
)
REMOVE_TOPO_RELATION_FAILED = ErrorCode(
    "iot.device.RemoveTopoRelationFailed", "The device has no topological relationship that could be removed."
)
TOPO_RELATION_COUNT_EXCEEDED = ErrorCode(
    "iot.device.TopoRelationCountExceeded", "The gateway would have more sub-devices than it may."
)
VERIFY_DEVICE_FAILED = ErrorCode("iot.device.VerifyDeviceFailed", "The signature of the sub-device is wrong.")
