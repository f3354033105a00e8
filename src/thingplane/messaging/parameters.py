"""What the operations of this slice have in common."""

import base64
from typing import Annotated

from thingplane.cloud import Field
from thingplane.devices.errors import NONE_DEVICE_NAME_ELEMENT, NULL_DEVICE_NAME
from thingplane.products.errors import NULL_PRODUCT_KEY

ProductKeyText = Annotated[str, Field(empty=NULL_PRODUCT_KEY)]
DeviceNameText = Annotated[str, Field(empty=NULL_DEVICE_NAME)]
DeviceNames = Annotated[
    list[Annotated[str, Field(min_length=1)]],
    Field(empty=NONE_DEVICE_NAME_ELEMENT, min_items=1, max_items=100, doc="Devices of the product."),
]
QosLevel = Annotated[
    int, Field(choices=(0, 1), doc="1: the message is sent again until the device has acknowledged it.")
]


def base64_bytes(text: str) -> bytes:
    """Decode Base64 that was checked before; its padding may be missing."""
    bare = text.rstrip("=")
    return base64.b64decode(bare + "=" * (-len(bare) % 4))
