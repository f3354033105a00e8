"""Parameters the operations of thing models have in common."""

from typing import Annotated, TypeAlias

from thingplane.cloud import Field
from thingplane.cloud.errors import INVALID_FORMATTED_PARAMETER
from thingplane.products.errors import NULL_PRODUCT_KEY
from thingplane.things.model.types import FunctionBlock

KeyParameter: TypeAlias = Annotated[str, Field(empty=NULL_PRODUCT_KEY)]
OptionalKeyParameter: TypeAlias = Annotated[str | None, Field(empty=NULL_PRODUCT_KEY)]
BlockIdParameter: TypeAlias = Annotated[
    str | None, Field(pattern=r"[A-Za-z0-9_]{1,30}", doc="Identifier of a custom module; absent: the default module.")
]
BlockNameParameter: TypeAlias = Annotated[
    str | None, Field(min_length=4, max_length=30, doc="Name of the custom module; goes with FunctionBlockId.")
]
VersionParameter: TypeAlias = Annotated[str | None, Field(pattern=r"[A-Za-z0-9.]{1,16}")]


def block_of(block_id: str | None, name: str | None) -> FunctionBlock | None:
    """The custom module two parameters name, None for the default module.

    Raises:
        BusinessError: iot.common.InvalidFormattedParameter when only one of them is given.
    """
    if block_id is None and name is None:
        return None
    if block_id is None or name is None:
        raise INVALID_FORMATTED_PARAMETER("FunctionBlockId and FunctionBlockName must be given together.")
    return FunctionBlock(block_id, name)
