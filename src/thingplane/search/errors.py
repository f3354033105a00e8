"""Documented error codes of device search (guide: error codes that start with iot.devicesearch)."""

from thingplane.cloud import ErrorCode

INVALID_SQL_ERROR = ErrorCode("iot.devicesearch.InvalidSQLError", "The statement cannot be understood.")
INVALID_SQL_FIELD_ERROR = ErrorCode("iot.devicesearch.InvalidSQLFieldError", "The statement names an unknown field.")
INVALID_SQL_CONDITION_ERROR = ErrorCode(
    "iot.devicesearch.InvalidSQLConditionError", "A statement has at most five conditions."
)
INVALID_SQL_ORDER_ERROR = ErrorCode(
    "iot.devicesearch.InvalidSQLOrderError", "Devices are ordered by one of gmt_create, gmt_modified and active_time."
)
INVALID_SQL_OPERATOR_TYPE_ERROR = ErrorCode(
    "iot.devicesearch.InvalidSQLOperatorTypeError", "The operator does not fit the type of the field."
)
INVALID_SQL_OFFSET_ERROR = ErrorCode("iot.devicesearch.InvalidSQLOffsetError", "The limit is out of range.")
INVALID_SQL_PARAM_ERROR = ErrorCode(
    "iot.devicesearch.InvalidSQLParamError", "The statement has a clause or value that is not allowed."
)
