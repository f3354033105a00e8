"""What the operations of this slice have in common: ranges of time, orders, and values as text."""

from typing import Annotated, Final

import msgspec

from thingplane.cloud import Context, Field
from thingplane.cloud.errors import INVALID_PAGE_PARAMS
from thingplane.devices.addressing import DeviceRequest, addressed
from thingplane.devices.service import Device
from thingplane.products.errors import NOT_SENIOR_PRODUCT
from thingplane.products.service import ProductService
from thingplane.storage.timeseries import Point
from thingplane.telemetry.errors import INVALID_TIME_BUCKET, PARAMETER_IS_NOT_LESS_THAN_MAX

MAX_TIME: Final = 9_999_999_999_999
"""Last instant of 13 digits: 20 November 2286."""

Milliseconds = Annotated[
    int, Field(minimum=0, maximum=MAX_TIME, invalid=INVALID_TIME_BUCKET, doc="Epoch milliseconds; included.")
]
Ascending = Annotated[int, Field(choices=(0, 1), doc="0: newest first, 1: oldest first.")]
Entries = Annotated[int, Field(minimum=1, maximum=50, invalid=INVALID_PAGE_PARAMS)]
FeatureIdentifier = Annotated[
    str, Field(min_length=1, doc="Features of a custom module are written module:identifier.")
]


async def modelled_device(ctx: Context, req: DeviceRequest) -> Device:
    """Return the device a call names, of a product with a thing model.

    Raises:
        BusinessError: those of ``addressed``, and iot.prod.NotSeniorProduct.
    """
    device = await addressed(ctx, req)
    product = await ctx.service(ProductService).get(ctx.instance.id, device.product_key)
    if not product.senior:
        raise NOT_SENIOR_PRODUCT()
    return device


def check_range(start: int, end: int) -> None:
    """Refuse a range that ends before it starts, whatever the order of the answer.

    Raises:
        BusinessError: iot.check.ParameterIsNotLessThanMax.
    """
    if start > end:
        raise PARAMETER_IS_NOT_LESS_THAN_MAX()


def value_text(point: Point) -> str:
    """Return the value as answers print it: texts bare, everything else as JSON."""
    return msgspec.json.decode(point.value, type=str) if point.value.startswith(b'"') else point.value.decode()
