"""Cloud API operations of products and their tags (guide: 4.7)."""

from typing import Annotated, TypeAlias

from thingplane.cloud import Field
from thingplane.products import errors

ProductKeyParameter: TypeAlias = Annotated[
    str,
    Field(empty=errors.NULL_PRODUCT_KEY, invalid=errors.INVALID_FORMATTED_PRODUCT_KEY, pattern="[A-Za-z0-9]{1,20}"),
]
ProductNameParameter: TypeAlias = Annotated[
    str,
    Field(
        empty=errors.NULL_PRODUCT_NAME,
        invalid=errors.INVALID_FORMATTED_PRODUCT_NAME,
        pattern=r"\w+",
        min_length=4,
        max_length=30,
        length="wide",
        doc="Letters, digits and underscores; unique within the instance.",
    ),
]
DescriptionParameter: TypeAlias = Annotated[
    str | None, Field(invalid=errors.LONG_PRODUCT_DESC, min_length=1, max_length=100)
]
CommodityCodeParameter: TypeAlias = Annotated[
    str | None,
    Field(
        invalid=errors.INVALID_ALIYUN_COMMODITY_CODE,
        choices=("iothub_senior", "iothub"),
        doc="iothub_senior: with a thing model; iothub: without.",
    ),
]
