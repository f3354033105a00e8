"""Documented error codes of thing models, and how broken rules of a model become one of them."""

from thingplane.cloud import BusinessError, ErrorCode
from thingplane.cloud.errors import INVALID_FORMATTED_PARAMETER
from thingplane.things.model.failures import ModelError, Reason

BATCH_CREATE_THING_MODEL_FAILED = ErrorCode(
    "iot.prod.BatchCreateThingModelFailed", "The features of the thing model cannot be created."
)
THING_MODEL_NAME_DUPLICATED = ErrorCode(
    "iot.prod.ThingModelNameDuplicated", "Two features of the thing model share a name."
)
UPDATE_THING_MODEL_OVER_LIMIT = ErrorCode(
    "iot.common.UpdateThingModelOverLimit", "The thing model would be larger than 256 KB."
)
QUERY_PRODUCT_ABILITIES_FAILED = ErrorCode(
    "iot.prod.QueryProductAbilitiesFailed", "The product has no such thing model, version or module."
)

_BY_REASON = {
    Reason.MALFORMED: INVALID_FORMATTED_PARAMETER,
    Reason.UNKNOWN: INVALID_FORMATTED_PARAMETER,
    Reason.DUPLICATE_NAME: THING_MODEL_NAME_DUPLICATED,
    Reason.CONFLICT: BATCH_CREATE_THING_MODEL_FAILED,
    Reason.TOO_LARGE: UPDATE_THING_MODEL_OVER_LIMIT,
}


def business_error(error: ModelError) -> BusinessError:
    """The documented failure that stands for a broken rule; the message names the place."""
    return _BY_REASON[error.reason](str(error))
