"""Documented error codes of products (guide: error codes that start with iot.prod)."""

from thingplane.cloud import ErrorCode

NULL_PRODUCT_KEY = ErrorCode("iot.prod.NullProductKey", "The product key is missing.")
INVALID_FORMATTED_PRODUCT_KEY = ErrorCode("iot.prod.InvalidFormattedProductkey", "The product key is malformed.")
NOT_EXISTED_PRODUCT = ErrorCode("iot.prod.NotExistedProduct", "The instance has no product with this key.")
NULL_PRODUCT_NAME = ErrorCode("iot.prod.NullProductName", "The product name is missing.")
INVALID_FORMATTED_PRODUCT_NAME = ErrorCode("iot.prod.InvalidFormattedProductName", "The product name is malformed.")
ALREADY_EXISTED_PRODUCT_NAME = ErrorCode(
    "iot.prod.AlreadyExistedProductName", "The instance has a product with this name already."
)
LONG_PRODUCT_DESC = ErrorCode("iot.prod.LongProductDesc", "The product description must have 1 to 100 characters.")
INVALID_NODE_TYPE = ErrorCode("iot.prod.InvalidNodeType", "The node type is neither 0 (device) nor 1 (gateway).")
INVALID_ALIYUN_COMMODITY_CODE = ErrorCode(
    "iot.prod.InvalidAliyunCommodityCode", "The edition is neither iothub_senior nor iothub."
)
INVALID_FORMATTED_CAT_ID = ErrorCode("iot.prod.InvalidFormattedCatId", "There is no product category with this key.")
PRODUCT_COUNT_EXCEED_MAX = ErrorCode("iot.prod.ProductCountExceedMax", "The instance holds as many products as it may.")
NOT_SENIOR_PRODUCT = ErrorCode("iot.prod.NotSeniorProduct", "The product was created without a thing model.")
UPDATE_PRODUCT_FAILED = ErrorCode("iot.prod.UpdateProductFailed", "The product cannot be changed.")
