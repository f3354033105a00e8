"""Cloud API operations of server-side subscription (guide: 4.15)."""

from dataclasses import replace
from typing import Annotated, Final, TypeAlias

from thingplane.cloud import Context, Field
from thingplane.products.errors import NULL_PRODUCT_KEY
from thingplane.products.service import Product, ProductService
from thingplane.subscriptions import errors

GroupIdParameter: TypeAlias = Annotated[
    str, Field(invalid=errors.INVALID_CONSUMER_GROUP_ID, pattern="[A-Za-z0-9_]{1,64}")
]
_GROUP_NAME: Final = Field(
    invalid=errors.INVALID_CONSUMER_GROUP_NAME,
    pattern=r"\w(?:[\w ]*\w)?",
    min_length=4,
    max_length=30,
    length="wide",
    doc="Letters, digits and underscores, also inner spaces; unique within the instance.",
)
GroupNameParameter: TypeAlias = Annotated[str, _GROUP_NAME]
NewGroupNameParameter: TypeAlias = Annotated[
    str,
    replace(
        _GROUP_NAME, misprint="GroupName", doc=f"{_GROUP_NAME.doc} GroupName, as the guide's sample has it, works too."
    ),
]
ProductKeyParameter: TypeAlias = Annotated[str, Field(empty=NULL_PRODUCT_KEY)]
TypeParameter: TypeAlias = Annotated[str, Field(choices=("AMQP", "MNS"), invalid=errors.INVALID_SUBSCRIBE_TYPE)]


async def addressed(ctx: Context, product_key: str) -> Product:
    """Return the product of the call's instance that the call names.

    Raises:
        BusinessError: iot.prod.NotExistedProduct.
    """
    return await ctx.service(ProductService).get(ctx.instance.id, product_key)
